// Answers never.
exports.handler = (context, event, callback) => {
  return new Promise(() => {});
};
