// A buffer of a thousand million.
exports.handler = (context, event, callback) => {
  new Uint8Array(1e9);
};
