// Throws what throws when it is looked at.
exports.handler = (context, event, callback) => {
  throw Object.defineProperties(new Error('x'), {
    stack: { get() { throw this; } }, message: { get() { throw this; } }, name: { get() { throw this; } },
  });
};
