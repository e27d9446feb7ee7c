// Logs for ever.
exports.handler = (context, event, callback) => {
  for (;;) console.log('x'.repeat(1000));
};
