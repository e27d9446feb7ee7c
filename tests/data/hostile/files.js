// Asks for files outside the project, past the prelude.
const told = ['/../../../../etc/passwd', '/etc/passwd', '//etc/passwd', '/./.env', '/.env', '/a/../.env', '/\0', '/', '']
  .map((id) => JSON.parse(globalThis.__host.load(JSON.stringify({ op: 'read', id })).split('\n')[0]).code);
exports.handler = (context, event, callback) => {
  callback(null, told.join());
};
