// Answers with two megabytes.
exports.handler = (context, event, callback) => {
  callback(null, 'x'.repeat(2 << 20));
};
