// util and string_decoder.
(function (global, host) {
  'use strict';
  const { builtins, codec, fault, wrongType, mustBe, inspect, format, formatWithOptions, kinds, utf8Decode } = host.kit;

  // What a value is compared by besides its members; undefined when only they count.
  const essence = (value) => {
    if (kinds.date(value)) return value.getTime();
    if (kinds.regexp(value)) return String(value) + value.lastIndex;
    for (const kind of ['number', 'string', 'boolean', 'bigint', 'symbol']) {
      if (kinds[kind](value)) return Object.prototype.valueOf.call(value).valueOf();
    }
    if (value instanceof Error) return `${value.name}\n${value.message}`;
    return undefined;
  };
  const ownKeys = (value) => [...Object.keys(value), ...Object.getOwnPropertySymbols(value)
    .filter((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol))];
  const sameSets = (one, other, strict, seen) => {
    if (one.size !== other.size) return false;
    const left = [...other];
    return [...one].every((value) => {
      const at = left.findIndex((each) => equal(value, each, strict, seen));
      if (at >= 0) left.splice(at, 1);
      return at >= 0;
    });
  };
  const sameType = (one, other) => Object.getPrototypeOf(one) === Object.getPrototypeOf(other);
  // `strict` compares as Object.is and looks at prototypes, otherwise as `==`.
  const equal = (one, other, strict, seen = []) => {
    if (one === other) return one !== 0 || !strict || Object.is(one, other);
    if (one === null || other === null || typeof one !== 'object' || typeof other !== 'object') {
      // eslint-disable-next-line eqeqeq -- that is what the loose comparison is for
      return strict ? Object.is(one, other) : one == other || (one !== one && other !== other);
    }
    if (strict && !sameType(one, other)) return false;
    const text = Object.prototype.toString;
    if (text.call(one) !== text.call(other) || Array.isArray(one) !== Array.isArray(other)) return false;
    const essences = [essence(one), essence(other)];
    if (!(strict ? Object.is(...essences) : essences[0] === essences[1] || Object.is(...essences))) return false;
    if (ArrayBuffer.isView(one) || one instanceof ArrayBuffer) {
      const [left, right] = [one, other].map((each) => (ArrayBuffer.isView(each)
        ? new Uint8Array(each.buffer, each.byteOffset, each.byteLength) : new Uint8Array(each)));
      if (left.length !== right.length || left.some((byte, at) => byte !== right[at])) return false;
    }
    if (seen.some(([left, right]) => left === one && right === other)) return true;
    const inner = [...seen, [one, other]];
    if (kinds.set(one) && !sameSets(one, other, strict, inner)) return false;
    if (kinds.map(one) && !sameSets([...one], [...other], strict, inner)) return false;
    if (kinds.map(one) && one.size !== other.size) return false;
    if (Array.isArray(one) && one.length !== other.length) return false;
    const keys = ownKeys(one);
    return keys.length === ownKeys(other).length && keys.every((key) =>
      Object.prototype.propertyIsEnumerable.call(other, key) && equal(one[key], other[key], strict, inner));
  };
  const isDeepStrictEqual = (one, other) => equal(one, other, true);

  const CUSTOM = Symbol.for('nodejs.util.promisify.custom');
  const promisify = (original) => {
    mustBe('function', 'original', original);
    if (original[CUSTOM]) return original[CUSTOM];
    const made = function (...values) {
      return new Promise((resolve, reject) => {
        original.call(this, ...values, (error, value) => (error ? reject(error) : resolve(value)));
      });
    };
    Object.setPrototypeOf(made, Object.getPrototypeOf(original));
    return Object.defineProperties(made, Object.getOwnPropertyDescriptors(original));
  };
  promisify.custom = CUSTOM;
  const callbackify = (original) => {
    mustBe('function', 'original', original);
    return function (...values) {
      const callback = values.pop();
      mustBe('function', 'last argument', callback);
      original.apply(this, values).then((value) => setTimeout(callback, 0, null, value), (reason) => {
        const error = reason || Object.assign(fault(Error, 'ERR_FALSY_VALUE_REJECTION',
          'Promise was rejected with falsy value'), { reason });
        setTimeout(callback, 0, error);
      });
    };
  };
  const inherits = (constructor, parent) => {
    if (typeof constructor !== 'function') throw wrongType('ctor', 'of type function', constructor);
    if (typeof parent !== 'function') throw wrongType('superCtor', 'of type function', parent);
    Object.defineProperty(constructor, 'super_', { value: parent, writable: true, configurable: true });
    Object.setPrototypeOf(constructor.prototype, parent.prototype);
  };
  const told = new Set();
  const deprecate = (original, message, code) => function (...values) {
    if (!told.has(code || message)) {
      told.add(code || message);
      console.error(`DeprecationWarning: ${message}`);
    }
    return new.target ? Reflect.construct(original, values, new.target) : original.apply(this, values);
  };

  const tagged = (name) => (value) => Object.prototype.toString.call(value) === `[object ${name}]`;
  const types = {
    isDate: kinds.date, isRegExp: kinds.regexp, isMap: kinds.map, isSet: kinds.set, isWeakMap: kinds.weakMap,
    isWeakSet: kinds.weakSet, isPromise: kinds.promise, isNativeError: (value) => value instanceof Error,
    isArrayBuffer: kinds.buffer, isSharedArrayBuffer: kinds.shared,
    isAnyArrayBuffer: (value) => kinds.buffer(value) || kinds.shared(value),
    isArrayBufferView: (value) => ArrayBuffer.isView(value), isTypedArray: kinds.typed,
    isUint8Array: (value) => value instanceof Uint8Array, isDataView: (value) => value instanceof DataView,
    isAsyncFunction: tagged('AsyncFunction'),
    isGeneratorFunction: (value) => tagged('GeneratorFunction')(value) || tagged('AsyncGeneratorFunction')(value),
    isGeneratorObject: tagged('Generator'), isArgumentsObject: tagged('Arguments'),
    isNumberObject: (value) => typeof value === 'object' && kinds.number(value),
    isStringObject: (value) => typeof value === 'object' && kinds.string(value),
    isBooleanObject: (value) => typeof value === 'object' && kinds.boolean(value),
    isSymbolObject: (value) => typeof value === 'object' && kinds.symbol(value),
    isBigIntObject: (value) => typeof value === 'object' && kinds.bigint(value),
    isProxy: () => false, isExternal: () => false, isModuleNamespaceObject: tagged('Module'),
    isBoxedPrimitive: (value) => typeof value === 'object' &&
      ['number', 'string', 'boolean', 'bigint', 'symbol'].some((kind) => kinds[kind](value)),
  };

  // Bytes in pieces; characters that are not whole wait for the next piece.
  const UNITS = { utf16le: 2, base64: 3, base64url: 3 };
  class StringDecoder {
    #codec;
    #rest = [];
    constructor(encoding) {
      this.#codec = codec(encoding);
      this.encoding = this.#codec.name;
    }
    write(bytes) {
      if (typeof bytes === 'string') return bytes;
      if (!ArrayBuffer.isView(bytes)) throw wrongType('buf', 'an instance of Buffer, TypedArray, or DataView', bytes);
      const all = Buffer.concat([Buffer.from(this.#rest), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)]);
      this.#rest = [];
      if (this.encoding === 'utf8') return utf8Decode(all, undefined, this.#rest);
      let whole = all.length - all.length % (UNITS[this.encoding] || 1);
      if (this.encoding === 'utf16le' && whole && (all[whole - 1] & 0xFC) === 0xD8) whole -= 2;
      this.#rest = [...all.subarray(whole)];
      return this.#codec.decode(all.subarray(0, whole));
    }
    end(bytes) {
      const text = bytes === undefined ? '' : this.write(bytes);
      const rest = Buffer.from(this.#rest);
      this.#rest = [];
      return text + this.#codec.decode(rest);
    }
  }

  builtins.util = {
    inspect, format, formatWithOptions, promisify, callbackify, inherits, deprecate, types, isDeepStrictEqual,
    TextEncoder: global.TextEncoder, TextDecoder: global.TextDecoder,
    isArray: Array.isArray, debuglog: () => () => {}, toUSVString: (text) => String(text).toWellFormed(),
    stripVTControlCharacters: (text) => String(text).replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, ''),
  };
  // Of old, but packages still ask.
  const { util } = builtins;
  for (const kind of ['undefined', 'boolean', 'number', 'string', 'symbol', 'function']) {
    util['is' + kind[0].toUpperCase() + kind.slice(1)] = (value) => typeof value === kind;
  }
  Object.assign(util, {
    isNull: (value) => value === null, isNullOrUndefined: (value) => value === null || value === undefined,
    isObject: (value) => value !== null && typeof value === 'object',
    isPrimitive: (value) => value === null || (typeof value !== 'object' && typeof value !== 'function'),
    isDate: types.isDate, isRegExp: types.isRegExp, isError: types.isNativeError, isBuffer: (value) => Buffer.isBuffer(value),
  });
  builtins['util/types'] = types;
  builtins.string_decoder = { StringDecoder };
  Object.assign(host.kit, { equal });
})(globalThis, globalThis.__host);
