// A regular expression as deep as it gets.
exports.handler = (context, event, callback) => {
  new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).test('');
};
