// Logs one line of a megabyte.
exports.handler = (context, event, callback) => {
  console.log('x'.repeat(1 << 20));
};
