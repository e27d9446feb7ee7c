// More promises with every turn.
exports.handler = (context, event, callback) => {
  (function next() { Promise.resolve().then(next); Promise.resolve().then(next); })();
};
