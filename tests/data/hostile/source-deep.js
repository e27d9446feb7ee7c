// A text of code as deep as it gets.
exports.handler = (context, event, callback) => {
  new Function('return ' + '('.repeat(1e5) + '1' + ')'.repeat(1e5));
};
