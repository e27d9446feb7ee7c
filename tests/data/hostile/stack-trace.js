// Makes stacks of its own, which never end.
exports.handler = (context, event, callback) => {
  Error.prepareStackTrace = () => { for (;;); };
  null.x;
};
