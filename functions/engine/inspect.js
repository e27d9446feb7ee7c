// util.inspect and util.format: values as text, laid out as Node lays them out.
(function (global, host) {
  'use strict';
  const { isObject } = host.kit;

  const CUSTOM = Symbol.for('nodejs.util.inspect.custom');
  const DEFAULTS = {
    depth: 2, breakLength: 80, compact: 3, maxArrayLength: 100, maxStringLength: 10000, showHidden: false,
    sorted: false, getters: false, customInspect: true, colors: false, numericSeparator: false,
  };
  const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
  // An object is of the same kind as one that its constructor makes, whatever its prototype says.
  const { kind } = host;
  const like = (example) => {
    const wanted = kind(example);
    return (value) => kind(value) === wanted;
  };
  const getter = (prototype, name) => Object.getOwnPropertyDescriptor(prototype, name).get;
  const is = {
    map: like(new Map()),
    set: like(new Set()),
    date: like(new Date()),
    regexp: like(/./),
    number: like(Object(0)),
    string: like(Object('')),
    boolean: like(Object(true)),
    bigint: like(Object(0n)),
    symbol: like(Object(CUSTOM)),
    buffer: like(new ArrayBuffer(0)),
    shared: like(new SharedArrayBuffer(0)),
    weakMap: like(new WeakMap()),
    weakSet: like(new WeakSet()),
    promise: like(Promise.resolve()),
    error: (value) => value instanceof Error || tagOf(value) === 'Error',
    typed: (value) => ArrayBuffer.isView(value) && !(value instanceof DataView),
  };
  const identifier = /^[a-zA-Z_][a-zA-Z_0-9]*$/;

  const ESCAPES = { '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r', '\\': '\\\\' };
  const quote = (text) => {
    let mark = "'";
    if (text.includes("'")) {
      if (!text.includes('"')) mark = '"';
      else if (!text.includes('`') && !text.includes('${')) mark = '`';
    }
    if (/[\x00-\x1f\x7f-\x9f\\'\ud800-\udfff]/.test(text)) {
      text = text.replace(/[\x00-\x1f\x7f-\x9f\\]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
        (c) => ESCAPES[c] || (c < '\u0100' ? '\\x' + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')
          : '\\u' + c.charCodeAt(0).toString(16)));
      if (mark === "'") text = text.replace(/'/g, "\\'");
    }
    return mark + text + mark;
  };
  const plural = (count, what) => `... ${count} more ${what}${count > 1 ? 's' : ''}`;
  const separated = (text) => text.replace(/^(-?)(\d+)(?:\.(\d+))?$/, (_, sign, whole, part) =>
    sign + whole.replace(/\B(?=(\d{3})+(?!\d))/g, '_') + (part ? '.' + part.replace(/(\d{3})(?=\d)/g, '$1_') : ''));
  const number = (value, context) => {
    if (Object.is(value, -0)) return '-0';
    return context && context.numericSeparator ? separated(String(value)) : String(value);
  };

  const primitive = (context, value) => {
    if (typeof value === 'number') return number(value, context);
    if (typeof value === 'bigint') return number(value, context) + 'n';
    if (typeof value !== 'string') return String(value);
    let tail = '';
    if (value.length > context.maxStringLength) {
      tail = plural(value.length - context.maxStringLength, 'character');
      value = value.slice(0, context.maxStringLength);
    }
    if (context.compact !== true && value.length > 16 && value.length > context.breakLength - context.indent - 4) {
      return value.split(/(?<=\n)/).map(quote).join(' +\n' + ' '.repeat(context.indent + 2)) + tail;
    }
    return quote(value) + tail;
  };

  // The nearest constructor's name; null for an object without any.
  const constructorName = (value) => {
    for (let at = value; at !== null; at = Object.getPrototypeOf(at)) {
      const found = Object.getOwnPropertyDescriptor(at, 'constructor');
      if (found && typeof found.value === 'function' && found.value.name !== '') {
        try { if (value instanceof found.value) return found.value.name; } catch (_) { /* no constructor */ }
      }
    }
    return null;
  };
  const prefix = (name, tag, fallback, size = '') => {
    const end = tag !== '' && name !== tag ? `[${tag}] ` : '';
    return name === null ? `[${fallback}${size}: null prototype] ${end}` : `${name}${size} ${end}`;
  };

  const functionBase = (value, name, tag) => {
    const source = Function.prototype.toString.call(value);
    if (source.startsWith('class') && source.endsWith('}')) {
      const own = Object.hasOwn(value, 'name') && value.name ? ` ${value.name}` : ' (anonymous)';
      const parent = Object.getPrototypeOf(value).name;
      return `[class${own}${parent ? ` extends ${parent}` : name === null ? ' extends [null prototype]' : ''}]`;
    }
    const kind = /^(?:async )?(?:function ?\*|\*)/.test(source) ? 'GeneratorFunction' : 'Function';
    const type = (source.startsWith('async') && !identifier.test(source.slice(0, 6)) ? 'Async' : '') + kind;
    let base = `[${type}`;
    if (name === null) base += ' (null prototype)';
    base += value.name === '' ? ' (anonymous)' : `: ${typeof value.name === 'string' ? value.name : ''}`;
    base += ']';
    if (name !== type && name !== null && name !== 'Function') base += ` ${name}`;
    return tag !== '' && name !== tag && tag !== type ? `${base} [${tag}]` : base;
  };

  // The engine keeps the message out of `stack`; what a script assigns to it may hold it.
  const stackOf = (error) => {
    let head;
    try { head = String(error); } catch (_) { head = 'Error'; }
    const { stack } = error;
    if (typeof stack !== 'string' || stack === '') return typeof stack === 'string' || stack === undefined ? head : String(stack);
    return /^\s+at /.test(stack) ? head + '\n' + stack.trimEnd() : stack;
  };
  const errorBase = (context, error, keys, name, tag) => {
    let stack = stackOf(error);
    const own = typeof error.name === 'string' ? error.name : 'Error';
    if (name !== null && own.endsWith('Error') && stack.startsWith(own) && /^(?:$|[:\n])/.test(stack.slice(own.length))
      && name !== own) {
      stack = (name.includes(own) ? name : `${name} [${own}]`) + stack.slice(own.length);
    }
    for (const key of ['name', 'message', 'stack']) {
      const at = keys.indexOf(key);
      if (at >= 0 && (key === 'stack' || typeof error[key] !== 'string' || stack.includes(error[key]))) keys.splice(at, 1);
    }
    for (const key of ['cause', 'errors']) {
      if (Object.hasOwn(error, key) && !keys.includes(key)) keys.push(key);
    }
    const at = error.message ? stack.indexOf('\n    at', stack.indexOf(error.message) + error.message.length) : stack.indexOf('\n    at');
    if (at < 0) stack = `[${stack}]`;
    return context.indent ? stack.replaceAll('\n', '\n' + ' '.repeat(context.indent)) : stack;
  };

  const keysOf = (context, value) => {
    const symbols = Object.getOwnPropertySymbols(value);
    if (context.showHidden) return [...Object.getOwnPropertyNames(value), ...symbols];
    return [...Object.keys(value),
      ...symbols.filter((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol))];
  };
  const isIndex = (key) => typeof key === 'string' && /^(?:0|[1-9]\d{0,9})$/.test(key) && Number(key) < 2 ** 32 - 1;

  const nested = (context, value, level) => {
    context.indent += 2;
    const text = show(context, value, level);
    context.indent -= 2;
    return text;
  };
  const property = (context, value, level, key, inList) => {
    const found = Object.getOwnPropertyDescriptor(value, key) || { value: value[key], enumerable: true };
    let text;
    if (found.value !== undefined || 'value' in found) {
      text = nested(context, found.value, level);
    } else if (found.get) {
      text = found.set ? '[Getter/Setter]' : '[Getter]';
      if (context.getters) {
        const got = found.get.call(value);
        text = isObject(got) ? `${text} ${nested(context, got, level)}` : `${text.slice(0, -1)}: ${primitive(context, got)}]`;
      }
    } else {
      text = found.set ? '[Setter]' : 'undefined';
    }
    if (inList) return text;
    let name = typeof key === 'symbol' ? `[${String(key)}]` : key === '__proto__' ? "['__proto__']"
      : found.enumerable === false ? `[${key}]` : identifier.test(key) ? key : quote(key);
    return `${name}: ${text}`;
  };
  const shownCount = (context, length) => Math.min(Math.max(0, context.maxArrayLength), length);
  const list = (context, value, level) => {
    const output = [];
    const { length } = value;
    const limit = shownCount(context, length);
    let at = 0;
    while (at < length && output.length < limit) {
      if (Object.hasOwn(value, at)) {
        output.push(property(context, value, level, String(at++), true));
        continue;
      }
      const start = at;
      while (at < length && !Object.hasOwn(value, at)) at++;
      output.push(`<${at - start} empty item${at - start > 1 ? 's' : ''}>`);
    }
    if (at < length) output.push(plural(length - at, 'item'));
    return output;
  };
  const entries = (context, values, level, count) => {
    const output = [];
    const limit = shownCount(context, count);
    for (const value of values) {
      if (output.length >= limit) break;
      output.push(Array.isArray(value) ? `${nested(context, value[0], level)} => ${nested(context, value[1], level)}`
        : nested(context, value.item, level));
    }
    if (count > limit) output.push(plural(count - limit, 'item'));
    return output;
  };
  const contents = (context, buffer) => {
    const bytes = new Uint8Array(buffer);
    const limit = shownCount(context, bytes.length);
    const hex = bytes.subarray(0, limit).toHex().replace(/(.{2})(?=.)/g, '$1 ');
    const more = bytes.length > limit ? ` ${plural(bytes.length - limit, 'byte')}` : '';
    return [`[Uint8Contents]: <${hex}${more}>`, `byteLength: ${bytes.length}`];
  };

  // What a value is laid out from: its braces, what stands before them, its keys and its items.
  // `text` alone means that there is nothing to lay out.
  const parts = (context, value, level, name, tag) => {
    let keys = keysOf(context, value);
    const boxed = ['number', 'string', 'boolean', 'bigint', 'symbol'].find((kind) => is[kind](value));
    const items = (braces, make, empty) => (empty && !keys.length ? { text: braces[0] + braces[1] }
      : { braces, keys, make });
    const based = (base) => (keys.length ? { braces: [`${base} {`, '}'], keys } : { text: base });
    if (Array.isArray(value)) {
      keys = keys.filter((key) => !isIndex(key));
      const head = name !== 'Array' || tag !== '' ? prefix(name, tag, 'Array', `(${value.length})`) : '';
      return { ...items([head + '[', ']'], () => list(context, value, level), !value.length), grouped: true };
    }
    if (is.set(value)) {
      const { size } = value;
      return items([prefix(name, tag, 'Set', `(${size})`) + '{', '}'], () =>
        entries(context, Array.from(Set.prototype.values.call(value), (item) => ({ item })), level, size), !size);
    }
    if (is.map(value)) {
      const { size } = value;
      return items([prefix(name, tag, 'Map', `(${size})`) + '{', '}'], () =>
        entries(context, Map.prototype.entries.call(value), level, size), !size);
    }
    if (is.typed(value)) {
      keys = keys.filter((key) => !isIndex(key));
      const kind = getter(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).call(value);
      const head = prefix(name, tag, kind, `(${value.length})`);
      return { ...items([head + '[', ']'], () => list(context, value, level), !value.length), grouped: true };
    }
    if (/^(?:Map|Set) Iterator$/.test(tag)) {
      return items([`[${tag}] {`, '}'], () => []);
    }
    if (tagOf(value) === 'Arguments') {
      return items(['[Arguments] {', '}'], () => [], true);
    }
    if (typeof value === 'function') return based(functionBase(value, name, tag));
    if (is.regexp(value)) {
      const text = RegExp.prototype.toString.call(value);
      return based(name === 'RegExp' ? text : prefix(name, tag, 'RegExp') + text);
    }
    if (is.date(value)) {
      const text = Number.isNaN(Date.prototype.getTime.call(value)) ? 'Invalid Date' : Date.prototype.toISOString.call(value);
      return based(name === 'Date' ? text : prefix(name, tag, 'Date') + text);
    }
    if (is.error(value)) return based(errorBase(context, value, keys, name, tag));
    if (is.buffer(value) || is.shared(value)) {
      const kind = is.buffer(value) ? 'ArrayBuffer' : 'SharedArrayBuffer';
      return items([prefix(name, tag, kind) + '{', '}'], () => contents(context, value));
    }
    if (value instanceof DataView) {
      return items([prefix(name, tag, 'DataView') + '{', '}'], () => ['byteLength', 'byteOffset', 'buffer']
        .map((key) => `${key}: ${nested(context, value[key], level)}`));
    }
    if (is.promise(value)) return items([prefix(name, tag, 'Promise') + '{', '}'], () => [], true);
    if (is.weakMap(value) || is.weakSet(value)) {
      return items([prefix(name, tag, is.weakMap(value) ? 'WeakMap' : 'WeakSet') + '{', '}'], () => ['<items unknown>']);
    }
    if (boxed) {
      const type = boxed === 'bigint' ? 'BigInt' : boxed[0].toUpperCase() + boxed.slice(1);
      if (boxed === 'string') keys = keys.filter((key) => !isIndex(key));
      const inner = boxed === 'string' ? quote(String(value)) : primitive(context, value.valueOf());
      return based(`[${type}${name !== type ? ` (${name})` : ''}: ${inner}]${tag !== '' && tag !== name ? ` [${tag}]` : ''}`);
    }
    const head = name === 'Object' && tag === '' ? '' : prefix(name, tag, 'Object');
    return items([head + '{', '}'], () => [], true);
  };

  const raw = (context, value, level) => {
    const name = constructorName(value);
    let tag = value[Symbol.toStringTag];
    if (typeof tag !== 'string' || tag === '' || (Object.hasOwn(value, Symbol.toStringTag)
      && !context.showHidden && keysOf(context, value).includes(Symbol.toStringTag))) tag = '';
    const { text, braces, keys, make, grouped } = parts(context, value, level + 1, name, tag);
    if (text !== undefined) return text;
    if (context.depth !== null && level > context.depth) {
      return `[${Array.isArray(value) ? 'Array' : prefix(name, tag, 'Object').slice(0, -1)}]`;
    }
    level += 1;
    context.seen.push(value);
    context.current = level;
    const output = make ? make() : [];
    for (const key of keys) output.push(property(context, value, level, key, false));
    context.seen.pop();
    if (context.sorted) {
      const order = typeof context.sorted === 'function' ? context.sorted : undefined;
      // Of a list, what comes behind its items.
      const from = grouped ? output.length - keys.length : 0;
      output.splice(from, Infinity, ...output.slice(from).sort(order));
    }
    let head = braces[0];
    if (context.circular && context.circular.has(value)) head = `<ref *${context.circular.get(value)}> ${head}`;
    return lay(context, output, head, braces[1], grouped, level, value);
  };

  // Columns for lists of more than six short items.
  const GAP = 2;
  const columns = (context, output, value) => {
    const cut = context.maxArrayLength < output.length ? 1 : 0;
    const count = output.length - cut;
    const lengths = output.slice(0, count).map((text) => text.length);
    const total = lengths.reduce((sum, length) => sum + length + GAP, 0);
    const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
    const widest = longest + GAP;
    if (widest * 3 + context.indent >= context.breakLength || (total / widest <= 5 && longest > 6)) return output;
    const biased = Math.max(widest - 3 - Math.sqrt(widest - total / output.length), 1);
    const number = Math.min(Math.round(Math.sqrt(2.5 * biased * count) / biased),
      Math.floor((context.breakLength - context.indent) / widest), context.compact * 4, 15);
    if (number <= 1) return output;
    const widths = Array.from({ length: number }, (_, column) => {
      let most = 0;
      for (let at = column; at < count; at += number) most = Math.max(most, lengths[at]);
      return most + GAP;
    });
    const right = output.every((_, at) => typeof value[at] === 'number' || typeof value[at] === 'bigint');
    const lines = [];
    for (let at = 0; at < count; at += number) {
      const last = Math.min(at + number, count) - 1;
      let line = '';
      for (let i = at; i < last; i++) {
        const cell = `${output[i]}, `;
        line += right ? cell.padStart(widths[i - at]) : cell.padEnd(widths[i - at]);
      }
      lines.push(line + (right ? output[last].padStart(widths[last - at] - GAP) : output[last]));
    }
    if (cut) lines.push(output[count]);
    return lines;
  };
  const lay = (context, output, open, close, grouped, level, value) => {
    if (typeof context.compact === 'number' && context.compact >= 1) {
      const before = output.length;
      if (grouped && before > 6) output = columns(context, output, value);
      if (context.current - level < context.compact && output.length === before) {
        const start = output.length + context.indent + open.length + 10;
        const total = output.reduce((sum, text) => sum + text.length, output.length + start);
        if (total <= context.breakLength && !output.some((text) => text.includes('\n')) && !open.includes('\n')) {
          return output.length ? `${open} ${output.join(', ')} ${close}` : `${open}${close}`;
        }
      }
    }
    const flat = `${open} ${output.join(', ')} ${close}`;
    if (context.compact === true && flat.length <= context.breakLength && !flat.includes('\n')) return flat;
    const line = '\n' + ' '.repeat(context.indent);
    if (context.compact === true && open.length === 1) return `${open} ${output.join(`,${line}  `)} ${close}`;
    return `${open}${line}  ${output.join(`,${line}  `)}${line}${close}`;
  };

  const show = (context, value, level) => {
    if (!isObject(value)) return primitive(context, value);
    const custom = context.customInspect && value[CUSTOM];
    if (typeof custom === 'function' && custom !== inspect) {
      const depth = context.depth === null ? null : context.depth - level;
      const { seen, circular, indent, current, ...options } = context;
      const made = custom.call(value, depth, { ...options, depth, stylize: String }, inspect);
      if (made !== value) {
        return typeof made === 'string' ? made.replaceAll('\n', '\n' + ' '.repeat(context.indent)) : show(context, made, level);
      }
    }
    if (context.seen.includes(value)) {
      context.circular = context.circular || new Map();
      if (!context.circular.has(value)) context.circular.set(value, context.circular.size + 1);
      return `[Circular *${context.circular.get(value)}]`;
    }
    return raw(context, value, level);
  };

  const inspect = (value, options, depth) => {
    const given = typeof options === 'boolean' ? { showHidden: options, depth: depth === undefined ? 2 : depth } : options;
    const context = { ...DEFAULTS, ...inspect.defaultOptions, ...given, seen: [], indent: 0, current: 0, circular: undefined };
    for (const key of ['maxArrayLength', 'maxStringLength']) if (context[key] === null) context[key] = Infinity;
    return show(context, value, 0);
  };
  inspect.custom = CUSTOM;
  inspect.defaultOptions = {};

  const hasOwnText = (value) => {
    // An error prints itself, and so does what somebody gave a `toString`.
    if (Object.hasOwn(value, 'toString')) return true;
    for (let at = value; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
      if (!Object.hasOwn(at, 'toString')) continue;
      const { constructor } = at;
      return !(typeof constructor === 'function' && /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(constructor)))
        || value instanceof Error || is.date(value);
    }
    return false;
  };
  const NUMBERS = { d: Number, i: Number.parseInt, f: Number.parseFloat };
  const directive = (kind, value) => {
    if (kind === 's') {
      if (typeof value === 'number') return number(value);
      if (typeof value === 'bigint') return `${value}n`;
      if (!isObject(value) || typeof value === 'function' || hasOwnText(value)) return String(value);
      return inspect(value, { depth: 0, colors: false, compact: 3 });
    }
    if (kind === 'j') {
      try { return JSON.stringify(value); } catch (error) {
        if (/circular/.test(error.message)) return '[Circular]';
        throw error;
      }
    }
    if (kind === 'O') return inspect(value);
    if (kind === 'o') return inspect(value, { showHidden: true, depth: 4 });
    if (kind === 'c') return '';
    if (kind !== 'f' && typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'symbol') return 'NaN';
    return number(NUMBERS[kind](value));
  };
  const formatWithOptions = (options, ...values) => {
    let text = '';
    let next = 0;
    if (typeof values[0] === 'string') {
      next = 1;
      text = values.length === 1 ? values[0] : values[0].replace(/%([sdifjoOc%])/g, (all, kind) => {
        if (kind === '%') return '%';
        return next < values.length ? directive(kind, values[next++]) : all;
      });
    }
    const rest = values.slice(next).map((value) => (typeof value === 'string' ? value : inspect(value, options)));
    return next ? [text, ...rest].join(' ') : rest.join(' ');
  };
  const format = (...values) => formatWithOptions({}, ...values);

  Object.assign(host.kit, { inspect, format, formatWithOptions, kinds: is });
})(globalThis, globalThis.__host);
