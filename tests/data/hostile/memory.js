// Takes all memory.
exports.handler = (context, event, callback) => {
  const held = [];
  for (;;) held.push(new Uint8Array(1 << 20).fill(1));
};
