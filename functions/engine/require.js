// require and import: which text a name means is the host's to say, while the script is deployed.
// What happens here: one object for each module, and its text as code under its own file name.
(function (global, host) {
  'use strict';
  const { builtins } = host.kit;

  const MISSING = 'MODULE_NOT_FOUND';
  const records = new Map(); // by id, the path from the project's folder: {id, name, kind, text}
  const names = new Map(); // the same by name, which stacks show
  const resolutions = new Map();
  const cache = Object.create(null);
  let main;

  // The reply's first line is JSON; the rest is the text of the file.
  const ask = (request) => {
    const reply = host.load(JSON.stringify(request));
    const end = reply.indexOf('\n');
    const told = JSON.parse(reply.slice(0, end));
    told.text = reply.slice(end + 1);
    return told;
  };
  const failure = (message, code) => Object.assign(new Error(message), { code });

  // What Node has and functions have not, and what there is instead.
  const network = () => (typeof global.fetch === 'function'
    ? 'functions open no sockets: use fetch(), http or https'
    : 'functions open no sockets');
  const files = () => 'functions have no file system: read a private asset with '
    + "Runtime.getAssets()['/name'].open() or fs.readFileSync(), or require a JSON file";
  const processes = () => 'functions start no processes and no threads';
  const absent = {
    fs: files, 'fs/promises': files,
    net: network, tls: network, dgram: network, dns: network, 'dns/promises': network, http2: network,
    child_process: processes, cluster: processes, worker_threads: processes,
  };
  const other = () => 'of the modules of Node, functions have ' + Object.keys(builtins)
    .filter((name) => !absences.includes(name)).sort().join(', ');
  const absences = [...Object.keys(absent), ...('async_hooks diagnostics_channel domain inspector readline repl '
    + 'stream/web trace_events tty v8 vm wasi zlib').split(' ')];
  const bare = (specifier) => specifier.replace(/^node:/, '');
  const PARTS = /^(?:twilio\/|@twilio-labs\/serverless-runtime-types)/;
  let hasParts = false;
  const isBuiltin = (specifier) => {
    const name = bare(specifier);
    if (!hasParts && PARTS.test(name)) {
      hasParts = true;
      compiled('twilio.js');
    }
    return Object.hasOwn(builtins, name);
  };
  const advice = (name) => (Object.hasOwn(absent, name) ? absent[name] : other)();

  // What few scripts require is compiled for those alone. Each file sets all the names that it is for.
  const compiled = (file) => {
    const { text } = ask({ op: 'builtin', name: file });
    host.compile('offhook:' + file, text, 1)(global, host);
  };
  const demanded = host.kit.demanded = {};
  host.kit.onDemand = (file) => { if (!demanded[file]) compiled(file); return demanded[file]; };
  const lazily = (file, names) => {
    for (const name of names) {
      Object.defineProperty(builtins, name, { configurable: true, enumerable: true,
        get() { compiled(file); return builtins[name]; },
        set(value) { Object.defineProperty(builtins, name, { value, writable: true, configurable: true, enumerable: true }); } });
    }
  };
  lazily('stream.js', ['stream', 'stream/promises']);
  lazily('http.js', ['http', 'https']);
  lazily('absent.js', absences);
  // Of the package twilio, whatever release is installed, its parts by their paths.
  Object.defineProperty(host.kit.twilio.jwt, 'taskrouter', { configurable: true, enumerable: true,
    get() { compiled('twilio.js'); return host.kit.twilio.jwt.taskrouter; } });

  const missing = (specifier, from, why) => {
    const error = failure(`Cannot find module '${specifier}' from ${from.slice(1)}: ${why}`, MISSING);
    error.requireStack = [from];
    return error;
  };
  // The id of what a file means by a name; names of built-in modules stand for themselves.
  const resolve = (from, specifier, importing) => {
    if (typeof specifier !== 'string' || specifier === '') {
      throw Object.assign(new TypeError('The name of a module is text'), { code: 'ERR_INVALID_ARG_TYPE' });
    }
    if (isBuiltin(specifier)) return specifier;
    const key = specifier[0] === '/' ? specifier : [Number(!!importing), from, specifier].join('\0');
    let known = resolutions.get(key);
    if (!known) {
      known = ask({ op: 'resolve', from, specifier, importing: !!importing });
      // At a request nothing is loaded, but the next look may be for something else.
      if (!known.closed) resolutions.set(key, known);
    }
    if (known.id) return known.id;
    const why = specifier.startsWith('node:') ? other() : known.error;
    if (known.code && known.code !== MISSING) throw failure(`'${specifier}' from ${from.slice(1)}: ${why}`, known.code);
    throw missing(specifier, from, why);
  };
  const read = (id) => {
    let record = records.get(id);
    if (!record) {
      const { name, kind, text, error, code, line, column } = ask({ op: 'read', id });
      if (line) {
        const broken = new SyntaxError(error);
        broken.stack = `SyntaxError: ${error}\n    at ${name}:${line}:${column}`;
        throw broken;
      }
      if (error) throw failure(error, code || MISSING);
      record = { id, name, kind, text: text[0] === '\uFEFF' ? text.slice(1) : text };
      records.set(id, record);
      names.set(name, record);
    }
    return record;
  };
  const isOwn = (id) => !id.includes('/node_modules/');
  const folderOf = (id) => id.slice(0, id.lastIndexOf('/')) || '/';

  const ESM = /^[ \t]*(?:import\s*[\w$*{'"]|export\s*[\w$*{])|\bimport\.meta\b|^[ \t]*(?:const .*= )?await\b/m;
  // Compiles what is CommonJS. A file that may be either is a module when it only parses as one.
  const prepare = (record) => {
    if (record.kind === 'module' || record.kind === 'json' || record.wrapper) return;
    // Two lines before the first, so that lines and columns keep their numbers. (The engine takes
    // a line 0 for 1.)
    const text = record.text.startsWith('#!') ? record.text.replace(/^#!.*/, '') : record.text;
    try {
      record.wrapper = host.compile(record.name,
        '(function (exports, require, module, __filename, __dirname) {\n\n' + text + '\n})', -1);
    } catch (error) {
      if (record.kind !== 'any' || !(error instanceof SyntaxError) || !ESM.test(text)) throw error;
      record.kind = 'module';
    }
  };

  class Module {
    constructor(id, parent) {
      this.id = parent ? id : '.';
      this.path = folderOf(id);
      this.exports = {};
      this.filename = id;
      this.loaded = false;
      this.children = [];
      this.paths = [];
      this.parent = parent;
      this.require = makeRequire(id, this);
      if (parent) parent.children.push(this);
    }
  }
  const makeRequire = (from, parent) => {
    const require = (specifier) => load(resolve(from, specifier), parent);
    require.resolve = (specifier) => resolve(from, specifier);
    require.resolve.paths = () => null;
    require.cache = cache;
    require.main = main;
    require.extensions = Object.create(null);
    return require;
  };
  const load = (id, parent) => {
    if (id[0] !== '/') return builtins[bare(id)];
    if (id in cache) {
      const { exports } = cache[id];
      if (parent && !parent.children.includes(cache[id])) parent.children.push(cache[id]);
      return exports;
    }
    const record = read(id);
    prepare(record);
    if (record.kind === 'module') return importNow(record);
    const module = new Module(id, parent);
    let done = false;
    cache[id] = module;
    try {
      run(record, module);
      done = true;
    } finally {
      if (!done) delete cache[id];
    }
    return module.exports;
  };
  const run = (record, module) => {
    if (record.kind === 'json') {
      try {
        module.exports = JSON.parse(record.text);
      } catch (error) {
        throw new SyntaxError(`${record.name}: ${error.message}`);
      }
    } else {
      const { exports, require, filename, path } = module;
      record.wrapper.call(exports, exports, require, module, filename, path);
    }
    module.loaded = true;
  };
  // As Node does it: the namespace, or what it exports for this very purpose.
  const importNow = (record) => {
    const namespace = host.settled(host.import(record.name));
    if (!namespace) {
      throw failure(`${record.name} waits at its top level: import() it`, 'ERR_REQUIRE_ASYNC_MODULE');
    }
    return 'module.exports' in namespace ? namespace['module.exports'] : namespace;
  };

  // While modules are linked no code of theirs runs: the stack does not have the file that imports.
  const placed = (error, { name, text }, specifier) => {
    const at = Math.max(text.indexOf(`'${specifier}'`), text.indexOf(`"${specifier}"`));
    if (at < 0) return error;
    const lines = text.slice(0, at).split('\n');
    // In bytes, as the engine counts.
    const column = encodeURI(lines.at(-1)).replace(/%../g, '.').length + 1;
    const [head, ...frames] = error.stack.split('\n');
    error.stack = [head, `    at ${name}:${lines.length}:${column}`, ...frames].join('\n');
    return error;
  };
  // What the engine asks when it links modules.
  const bindings = new Map();
  host.resolveModule = (base, specifier) => {
    if (!base) return specifier;
    const importer = names.get(base);
    if (!importer && !isBuiltin(specifier)) throw missing(specifier, '/' + base, 'only files import');
    let id;
    try {
      id = resolve(importer ? importer.id : '/', specifier, true);
    } catch (error) {
      throw importer ? placed(error, importer, specifier) : error;
    }
    return id[0] === '/' ? read(id).name : 'node:' + bare(id);
  };
  host.moduleSource = (name) => {
    const record = names.get(name);
    if (record) prepare(record);
    if (record && record.kind === 'module') return record.text;
    // Anything else is a module with the default export and, as names, its members.
    const exports = load(record ? record.id : name);
    const values = [exports];
    let source = 'const e = import.meta.values;\nexport default e[0];\n';
    const members = exports !== null && (typeof exports === 'object' || typeof exports === 'function')
      ? Object.keys(exports) : [];
    for (const member of members) {
      if (member === 'default' || !/^[A-Za-z_$][\w$]*$/.test(member)) continue;
      const at = values.push(exports[member]) - 1;
      source += `const e${at} = e[${at}];\nexport { e${at} as ${member} };\n`;
    }
    bindings.set(name, values);
    return source;
  };
  host.moduleMeta = (name, meta) => {
    if (bindings.has(name)) {
      meta.values = bindings.get(name);
      bindings.delete(name);
      return;
    }
    const { id } = names.get(name);
    meta.url = 'file://' + encodeURI(id);
    meta.filename = id;
    meta.dirname = folderOf(id);
    meta.main = main !== undefined && main.filename === id;
    meta.resolve = (specifier) => {
      const found = resolve(id, specifier, true);
      return found[0] === '/' ? 'file://' + encodeURI(found) : 'node:' + bare(found);
    };
  };

  builtins.module = {
    builtinModules: Object.keys(builtins),
    isBuiltin: (name) => isBuiltin(String(name)),
    createRequire: (from) => {
      const id = decodeURI(String(from).replace(/^file:\/\//, ''));
      return makeRequire(id, cache[id]);
    },
  };

  // Runtime: the project's functions and private assets.
  let functions, assets;
  const listed = (kind) => {
    const { entries, error, code } = ask({ op: kind });
    if (error) throw failure(error, code);
    return entries;
  };
  const texts = new Map();
  // The text of an asset for `fs`; undefined where there is none.
  const textOf = (id) => { try { return open(id); } catch (_) { return undefined; } };
  const open = (id) => {
    if (!texts.has(id)) {
      const { text, error, code } = ask({ op: 'open', id });
      if (error) throw failure(`${id}: ${error}`, code);
      texts.set(id, text);
    }
    return texts.get(id);
  };
  global.Runtime.getFunctions = () => {
    if (!functions) {
      functions = {};
      for (const [name, path] of listed('functions')) functions[name] = { path };
    }
    return functions;
  };
  global.Runtime.getAssets = () => {
    if (!assets) {
      assets = {};
      for (const [name, path] of listed('assets')) assets[name] = { path, open: () => open(path) };
    }
    return assets;
  };

  // Nothing can be loaded when a request runs. So what the code may yet ask for, as far as one can
  // tell from its text, is loaded when all else is: what the project's own code names is run now,
  // once for all requests; what packages name is at hand. Errors wait for whoever asks.
  const LITERAL = /(?:require(?:\.resolve)?|import)\s*\(\s*(['"])([^'"\\\n]+)\1\s*\)/y;
  // Looking for the word first is many times faster on a large package than the pattern alone.
  const literals = (text) => {
    const found = [];
    for (const word of ['require', 'import']) {
      for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
        LITERAL.lastIndex = at;
        const match = /[\w$.]/.test(text[at - 1] || ' ') ? null : LITERAL.exec(text);
        if (match) found.push({ call: match[0], specifier: match[2] });
      }
    }
    return found;
  };
  const attempt = (action, argument) => { try { action(argument); } catch (_) { /* Said again then. */ } };
  const prefetch = () => {
    const seen = new Set();
    // What Runtime.getFunctions() may lead to, though the text does not name it: at hand, but not run.
    const unnamed = new Set();
    const ahead = (record) => {
      seen.add(record.id);
      if (record.kind === 'json') return;
      const own = isOwn(record.id);
      for (const { call, specifier } of literals(record.text)) {
        attempt(() => {
          const id = resolve(record.id, specifier, call.startsWith('import'));
          if (call.startsWith('require.')) return;
          // Of built-in modules, this compiles those that only some scripts have.
          if (own && !unnamed.has(record.id) || id[0] !== '/') { load(id); return; }
          if (unnamed.has(record.id) && !records.has(id)) unnamed.add(id);
          read(id);
        });
      }
      if (own && !unnamed.has(record.id) && record.text.includes('getFunctions')) {
        for (const [name, { path }] of Object.entries(global.Runtime.getFunctions())) {
          attempt(() => {
            const id = resolve(record.id, path);
            if (/\.private\.\w+$/.test(id)) { load(id); return; }
            if (!records.has(id) && !record.text.includes(name)) unnamed.add(id);
            read(id);
          });
        }
      }
      if (own && record.text.includes('getAssets')) {
        for (const { path } of Object.values(global.Runtime.getAssets())) {
          attempt(open, path);
          if (/\.(?:[cm]?js|json|ts)$/.test(path)) attempt(() => load(resolve(record.id, path)));
        }
      }
    };
    for (let count = -1; count !== seen.size;) {
      count = seen.size;
      for (const record of [...records.values()]) if (!seen.has(record.id)) attempt(ahead, record);
    }
    // Their code holds what they are; requests need not copy the text, too.
    for (const record of records.values()) if (record.wrapper) record.text = '';
  };

  // The script: {exports} once its top level ran, or {error}.
  let outcome;
  host.deploy = (id) => {
    const record = read(id);
    prepare(record);
    main = new Module(id, null);
    main.require = makeRequire(id, main);
    if (record.kind === 'module') {
      main.id = id;
      host.import(record.name).then(
        (exports) => { outcome = { exports, esm: true }; },
        (error) => { outcome = { error }; },
      );
      return;
    }
    cache[id] = main;
    run(record, main);
    outcome = main;
  };
  const handler = () => {
    const { exports, esm } = outcome;
    if (exports && typeof exports.handler === 'function') return exports.handler;
    if (esm && typeof exports.default === 'function') return exports.default;
    if (esm && exports.default && typeof exports.default.handler === 'function') {
      return exports.default.handler;
    }
    throw new TypeError(esm
      ? 'the module exports no handler: export const handler = (context, event, callback) => …'
      : 'exports.handler is not a function');
  };
  // After the jobs of the top level. A private file may be there only for others to require.
  host.complete = (isLibrary) => {
    if (!outcome) throw new Error('the top level waits for something that does not come while deploying');
    if (outcome.error) throw outcome.error;
    if (!isLibrary) handler();
    prefetch();
  };

  const invoke = (...values) => handler().apply(outcome.exports, values);

  Object.assign(host.kit, { invoke, advice, absences, textOf });
})(globalThis, globalThis.__host);
