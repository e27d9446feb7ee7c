// Iterates for ever.
exports.handler = (context, event, callback) => {
  for (const _ of (function* () { for (;;) yield 1; })());
};
