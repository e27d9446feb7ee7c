// Answers with an object that holds itself.
exports.handler = (context, event, callback) => {
  const o = {};
  o.o = o;
  callback(null, o);
};
