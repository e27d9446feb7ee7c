// Keeps the way to the host, and asks for files when its top level is over.
const host = globalThis.__host;
exports.handler = (context, event, callback) => {
  const told = ['/f.js', '/../etc/passwd', '/etc/passwd'].map((id) => host.load(JSON.stringify({ op: 'read', id })));
  callback(null, String(told.every((text) => text.includes('closed'))));
};
