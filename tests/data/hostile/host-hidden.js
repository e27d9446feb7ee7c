// Looks for the way to the host in all corners.
exports.handler = (context, event, callback) => {
  const corners = [typeof __host, Function('return typeof __host')(), (0, eval)('typeof __host'),
    (() => {}).constructor.constructor('return typeof globalThis.__host')(),
    Object.getOwnPropertyNames(globalThis).includes('__host')];
  callback(null, corners.join());
};
