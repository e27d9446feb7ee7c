// Asks for more than anybody may, and looks at every answer.
exports.handler = (context, event, callback) => {
  (async () => { for (;;) await Offhook.store.get('k').catch(() => {}); })();
};
