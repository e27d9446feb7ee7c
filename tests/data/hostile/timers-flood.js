// Timers without end.
exports.handler = (context, event, callback) => {
  for (;;) setTimeout(() => {}, 1);
};
