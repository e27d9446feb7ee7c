// Throws what is another thing at every look.
exports.handler = (context, event, callback) => {
  throw new Proxy(function () {}, {
    get() { throw 1; }, has() { throw 2; }, ownKeys() { throw 3; }, getPrototypeOf() { throw 4; }, apply() { throw 5; },
  });
};
