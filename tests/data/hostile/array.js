// An array of a thousand million.
exports.handler = (context, event, callback) => {
  Array(1e9).fill(0);
};
