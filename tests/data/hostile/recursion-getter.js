// A getter that gets itself.
exports.handler = (context, event, callback) => {
  const o = { get a() { return this.a; } };
  try { o.a; } catch (error) { callback(null, error.name); }
};
