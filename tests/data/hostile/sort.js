// Sorts without an order, for ever.
exports.handler = (context, event, callback) => {
  const a = Array.from({ length: 1e4 }, (_, at) => at);
  for (;;) a.sort(() => Math.random() - 0.5);
};
