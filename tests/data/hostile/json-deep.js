// JSON as deep as it gets.
exports.handler = (context, event, callback) => {
  JSON.parse('['.repeat(2e6));
};
