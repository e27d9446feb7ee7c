// Logs what is another thing at every look.
exports.handler = (context, event, callback) => {
  const deep = () => new Proxy({}, { get: deep, ownKeys: () => ['a', 'b', 'c'],
    getOwnPropertyDescriptor: () => ({ value: deep(), enumerable: true, configurable: true }) });
  for (;;) console.log(deep());
};
