// Fills most of its memory and moves it, each at one go, again and again.
exports.handler = (context, event, callback) => {
  const bytes = new Uint8Array(48 << 20);
  for (;;) bytes.fill(7).copyWithin(1, 0);
};
