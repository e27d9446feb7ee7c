// A number of a million digits.
exports.handler = (context, event, callback) => {
  let n = 3n;
  for (;;) n *= n;
};
