// Awaits for ever what is there.
exports.handler = (context, event, callback) => {
  (async () => { for (;;) await null; })();
};
