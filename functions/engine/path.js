// path, as on POSIX, and os.
(function (global, host) {
  'use strict';
  const { builtins, mustBe, wrongType } = host.kit;

  // Without `.` and empty parts, and with `..` taken back as far as there is something to take.
  const tidy = (path, absolute) => {
    const kept = [];
    for (const part of path.split('/')) {
      if (part === '' || part === '.') continue;
      if (part !== '..') kept.push(part);
      else if (kept.length && kept.at(-1) !== '..') kept.pop();
      else if (!absolute) kept.push('..');
    }
    return kept.join('/');
  };
  const normalize = (path) => {
    mustBe('string', 'path', path);
    if (path === '') return '.';
    const absolute = path[0] === '/';
    let tidied = tidy(path, absolute);
    if (!tidied) return absolute ? '/' : path.endsWith('/') ? './' : '.';
    if (path.endsWith('/')) tidied += '/';
    return (absolute ? '/' : '') + tidied;
  };
  const join = (...parts) => {
    parts.forEach((part) => mustBe('string', 'path', part));
    const joined = parts.filter((part) => part !== '').join('/');
    return joined === '' ? '.' : normalize(joined);
  };
  // There is one folder, the root: nothing else is there to be relative to.
  const resolve = (...parts) => {
    let path = '';
    for (const part of parts.reverse()) {
      mustBe('string', 'path', part);
      if (part === '') continue;
      path = path === '' ? part : `${part}/${path}`;
      if (part[0] === '/') break;
    }
    return '/' + tidy(path, true);
  };
  const isAbsolute = (path) => {
    mustBe('string', 'path', path);
    return path[0] === '/';
  };
  const relative = (from, to) => {
    mustBe('string', 'from', from);
    mustBe('string', 'to', to);
    const [left, right] = [resolve(from), resolve(to)].map((path) => path.split('/').filter(Boolean));
    let same = 0;
    while (same < left.length && same < right.length && left[same] === right[same]) same++;
    return [...left.slice(same).fill('..'), ...right.slice(same)].join('/');
  };
  const dirname = (path) => {
    mustBe('string', 'path', path);
    let at = path.length - 1;
    while (at >= 1 && path[at] === '/') at--;
    while (at >= 1 && path[at] !== '/') at--;
    if (at < 1) return path[0] === '/' ? '/' : '.';
    return at === 1 && path[0] === '/' ? '//' : path.slice(0, at);
  };
  const basename = (path, suffix) => {
    if (suffix !== undefined) mustBe('string', 'suffix', suffix);
    mustBe('string', 'path', path);
    const base = path.replace(/\/+$/, '').split('/').at(-1);
    if (suffix === path && suffix !== undefined) return '';
    return suffix && base !== suffix && base.endsWith(suffix) ? base.slice(0, -suffix.length) : base;
  };
  const extname = (path) => {
    mustBe('string', 'path', path);
    const base = path.replace(/\/+$/, '').split('/').at(-1);
    const at = base.lastIndexOf('.');
    return at <= 0 || base === '..' ? '' : base.slice(at);
  };
  const parse = (path) => {
    mustBe('string', 'path', path);
    const root = path[0] === '/' ? '/' : '';
    const [base, ext] = [basename(path), extname(path)];
    const before = path.replace(/\/+$/, '').slice(0, base ? -base.length : undefined);
    const dir = /^\/+$/.test(before) || before === '' ? before && (before.length > 1 ? before.slice(0, -1) : before) : before.slice(0, -1);
    return { root, dir: dir || root, base, ext, name: ext ? base.slice(0, -ext.length) : base };
  };
  const format = (parts) => {
    if (parts === null || typeof parts !== 'object') throw wrongType('pathObject', 'of type object', parts);
    const dir = parts.dir || parts.root;
    const ext = parts.ext ? (parts.ext[0] === '.' ? '' : '.') + parts.ext : '';
    const base = parts.base || `${parts.name || ''}${ext}`;
    if (!dir) return base;
    return dir === parts.root ? dir + base : `${dir}/${base}`;
  };

  const path = { resolve, normalize, isAbsolute, join, relative, toNamespacedPath: (each) => each, dirname, basename,
    extname, format, parse, sep: '/', delimiter: ':' };
  path.posix = path;
  builtins.path = path;
  builtins['path/posix'] = path;
  builtins.os = {
    EOL: '\n', platform: () => 'linux', type: () => 'Linux', arch: () => 'wasm32', endianness: () => 'LE',
    hostname: () => 'localhost', tmpdir: () => '/tmp', homedir: () => '/', release: () => '', version: () => '',
    cpus: () => [], availableParallelism: () => 1, loadavg: () => [0, 0, 0], totalmem: () => 0, freemem: () => 0,
    uptime: () => 0, networkInterfaces: () => ({}), constants: { signals: {}, errno: {} },
    userInfo: () => ({ username: 'function', uid: -1, gid: -1, shell: null, homedir: '/' }),
  };
})(globalThis, globalThis.__host);
