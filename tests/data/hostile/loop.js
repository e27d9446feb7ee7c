// Never ends.
exports.handler = (context, event, callback) => {
  for (;;) {}
};
