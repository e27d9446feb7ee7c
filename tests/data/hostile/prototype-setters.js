// Waits on Object.prototype for what passes.
exports.handler = (context, event, callback) => {
  const seen = [];
  for (const name of ['status', 'headers', 'type', 'id', 'resolve', 'text', 'stack', 'then', 'toJSON']) {
    Object.defineProperty(Object.prototype, name, { get() { seen.push(name); return undefined; }, set() { seen.push(name); } });
  }
  callback(null, 'x');
};
