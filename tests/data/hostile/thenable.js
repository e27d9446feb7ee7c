// Returns what is no promise, and never ends when it is taken for one.
exports.handler = () => {
  return { then() { for (;;); } };
};
