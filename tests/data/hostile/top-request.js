// Asks the host with a text of ten megabytes, and of many brackets.
for (const text of ['['.repeat(1e7), '[0],'.repeat(2.5e6)]) globalThis.__host.load(text);
exports.handler = (context, event, callback) => callback(null, 'loaded');
