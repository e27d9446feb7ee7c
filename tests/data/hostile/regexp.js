// A regular expression that tries everything.
exports.handler = (context, event, callback) => {
  callback(null, /^(a+)+$/.test('a'.repeat(40) + '!'));
};
