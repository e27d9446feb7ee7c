// A loop in a text of code.
exports.handler = (context, event, callback) => {
  new Function('for (;;) {}')();
};
