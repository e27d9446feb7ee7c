// Throws a megabyte.
exports.handler = (context, event, callback) => {
  throw new Error('x'.repeat(1 << 19));
};
