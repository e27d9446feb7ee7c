// Takes the way to the host while it is loaded, to ask for files that are none of its business.
const corners = [typeof __host, Function('return typeof __host')(), (0, eval)('typeof __host'),
  (() => {}).constructor.constructor('return typeof globalThis.__host')(),
  Object.getOwnPropertyNames(globalThis).includes('__host')];
exports.handler = (context, event, callback) => callback(null, corners.join());
