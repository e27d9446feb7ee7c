// Hashes all its memory, which is the host's work, again and again.
const crypto = require('crypto');
exports.handler = (context, event, callback) => {
  const bytes = Buffer.alloc(16 << 20);
  for (;;) require('crypto').createHash('sha512').update(bytes).digest();
};
