// Takes all memory, and goes on when there is none.
exports.handler = (context, event, callback) => {
  const held = [];
  for (;;) { try { for (;;) held.push(new Array(10000).fill(held)); } catch (_) { held.length >>= 1; } }
};
