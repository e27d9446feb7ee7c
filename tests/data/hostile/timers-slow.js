// A timer that comes again now and then, for ever.
exports.handler = (context, event, callback) => {
  setInterval(() => {}, 70);
};
