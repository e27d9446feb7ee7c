// The modules of Node that need what functions have not. They can be required, because packages do so for what
// they may never use; each member says at its use why it is not there. Of fs there is what reads files that the
// function has: private assets.
(function (global, host) {
  'use strict';
  const { builtins, fault, advice, textOf } = host.kit;

  const refuse = (name, member) => {
    throw fault(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', `${name}.${member} is not available inside functions: ${advice(name.split('.')[0])}`);
  };
  // Can be called, constructed and inherited from, as far as nobody does it.
  const standIn = (name, member) => {
    const made = function () { refuse(name, member); };
    Object.defineProperty(made, 'name', { value: member });
    return made;
  };
  const OPTIONAL = new Set(['__esModule', 'then', 'default', 'toJSON', 'inspect', 'constructor']);
  const absent = (name, own = {}) => new Proxy(own, {
    get(target, member) {
      if (typeof member !== 'string' || member in target || OPTIONAL.has(member)) return target[member];
      const made = member === 'constants' || member === 'promises' ? absent(`${name}.${member}`) : standIn(name, member);
      target[member] = made;
      return made;
    },
  });
  const version = (address) => {
    if (/^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/.test(address)) return 4;
    try { return /:/.test(address) && new URL(`http://[${address}]/`) ? 6 : 0; } catch (_) { return 0; }
  };

  // fs over the assets.
  const missing = (call, path) => Object.assign(
    new Error(`ENOENT: no such file or directory, ${call} '${path}'`), { errno: -2, code: 'ENOENT', syscall: call, path });
  const read = (path, options) => {
    const name = path instanceof URL ? builtins.url.fileURLToPath(path) : String(path);
    const text = textOf(name);
    if (text === undefined) throw missing('open', name);
    const encoding = typeof options === 'string' ? options : options && options.encoding;
    const bytes = global.Buffer.from(text);
    return encoding ? bytes.toString(encoding) : bytes;
  };
  const exists = (path) => { try { return textOf(String(path)) !== undefined; } catch (_) { return false; } };
  const access = (path) => { if (!exists(path)) throw missing('access', path); };
  const called = (action) => (...values) => {
    const callback = values.pop();
    let error = null, value;
    try { value = action(...values); } catch (thrown) { error = thrown; }
    global.process.nextTick(() => (error ? callback(error) : callback(null, value)));
  };
  const promises = absent('fs.promises', { readFile: async (...values) => read(...values), access: async (path) => access(path) });
  builtins.fs = absent('fs', { readFileSync: read, readFile: called(read), existsSync: exists, accessSync: access,
    access: called(access), promises, constants: { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 } });
  builtins['fs/promises'] = promises;

  const FLUSH = { Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_BLOCK: 5,
    BROTLI_OPERATION_PROCESS: 0, BROTLI_OPERATION_FLUSH: 1, BROTLI_OPERATION_FINISH: 2 };
  const own = {
    net: { isIP: version, isIPv4: (address) => version(address) === 4, isIPv6: (address) => version(address) === 6 },
    zlib: { constants: FLUSH, ...FLUSH },
    tty: { isatty: () => false },
    dns: { promises: absent('dns.promises'), ADDRCONFIG: 1024, V4MAPPED: 2048, ALL: 256 },
    worker_threads: { isMainThread: true, parentPort: null, workerData: null, threadId: 0 },
    cluster: { isMaster: true, isPrimary: true, isWorker: false },
  };
  for (const name of host.kit.absences) if (!name.startsWith('fs')) builtins[name] = absent(name, own[name]);
})
