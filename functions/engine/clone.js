// structuredClone (HTML standard, section 2.7), as far as values go.
(function (global, host) {
  'use strict';
  const { kinds } = host.kit;

  const refuse = (value) => {
    const text = typeof value === 'object' ? `#<${value.constructor ? value.constructor.name : 'Object'}>` : String(value);
    return new DOMException(`${text} could not be cloned.`, 'DataCloneError');
  };
  const ERRORS = ['EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'];
  const clone = (value, seen) => {
    if (typeof value === 'function' || typeof value === 'symbol') throw refuse(value);
    if (value === null || typeof value !== 'object') return value;
    if (seen.has(value)) return seen.get(value);
    const keep = (made) => { seen.set(value, made); return made; };
    const fill = (made) => {
      for (const key of Object.keys(value)) made[key] = clone(value[key], seen);
      return made;
    };
    for (const kind of ['number', 'string', 'boolean', 'bigint']) if (kinds[kind](value)) return keep(Object(value.valueOf()));
    if (kinds.symbol(value)) throw refuse(value);
    if (kinds.date(value)) return keep(new Date(value.getTime()));
    if (kinds.regexp(value)) return keep(new RegExp(value.source, value.flags));
    if (kinds.map(value)) {
      const made = keep(new Map());
      for (const [key, each] of Array.from(value)) made.set(clone(key, seen), clone(each, seen));
      return made;
    }
    if (kinds.set(value)) {
      const made = keep(new Set());
      for (const each of Array.from(value)) made.add(clone(each, seen));
      return made;
    }
    if (kinds.buffer(value)) return keep(value.slice(0));
    if (ArrayBuffer.isView(value)) {
      const buffer = clone(value.buffer, seen);
      const Type = value instanceof DataView ? DataView : global[typeName(value)];
      return keep(new Type(buffer, value.byteOffset, value instanceof DataView ? value.byteLength : value.length));
    }
    if (value instanceof Error) {
      const made = keep(new (ERRORS.includes(value.name) ? global[value.name] : Error)(value.message));
      if (Object.hasOwn(value, 'cause')) {
        const cause = clone(value.cause, seen);
        Object.defineProperty(made, 'cause', { value: cause, writable: true, configurable: true });
      }
      return made;
    }
    if (Array.isArray(value)) return fill(keep(new Array(value.length)));
    if (kinds.promise(value) || kinds.weakMap(value) || kinds.weakSet(value)) throw refuse(value);
    return fill(keep({}));
  };
  const tag = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
  const typeName = (value) => tag.call(value);

  global.structuredClone = (...values) => {
    if (!values.length) throw new TypeError('The "value" argument must be specified');
    return clone(values[0], new Map());
  };
})(globalThis, globalThis.__host);
