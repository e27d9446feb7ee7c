// Buffer: bytes as Node hands them about.
(function (global, host) {
  'use strict';
  const { builtins, codec, codecNamed, fault, wrongType, mustBe, outOfRange, isObject, inspect } = host.kit;

  // What Node allows; memory here ends long before.
  const MAX_LENGTH = 2 ** 32;
  const checkSize = (size) => {
    mustBe('number', 'size', size);
    if (!(size >= 0 && size <= MAX_LENGTH)) throw outOfRange('size', `>= 0 && <= ${MAX_LENGTH}`, size);
  };
  const isBytes = (value) => value instanceof Uint8Array;
  const whole = (value, otherwise) => {
    const number = Math.trunc(Number(value));
    return value === undefined || Number.isNaN(number) ? otherwise : number;
  };
  const checkBytes = (name, value) => {
    if (!isBytes(value)) throw wrongType(name, 'an instance of Buffer or Uint8Array', value);
  };
  const compareBytes = (one, other) => {
    const shorter = Math.min(one.length, other.length);
    for (let i = 0; i < shorter; i++) if (one[i] !== other[i]) return one[i] < other[i] ? -1 : 1;
    return Math.sign(one.length - other.length);
  };
  const view = (bytes) => new Buffer(bytes.buffer, bytes.byteOffset, bytes.byteLength);

  class Buffer extends Uint8Array {
    // `new Buffer(text)` is old, but still written.
    constructor(source, encoding, length) {
      if (typeof source === 'string') {
        const bytes = codec(encoding).encode(source);
        super(bytes.buffer, bytes.byteOffset, bytes.length);
      } else {
        super(source, encoding, length);
      }
    }

    static from(source, encoding, length) {
      if (typeof source === 'string') {
        if (encoding !== undefined && encoding !== '' && !codecNamed(encoding)) codec(encoding);
        return view(codec(encoding).encode(source));
      }
      if (isObject(source) && typeof source !== 'function') {
        if (source instanceof ArrayBuffer || source instanceof SharedArrayBuffer) {
          return new Buffer(source, encoding, length);
        }
        const value = source.valueOf && source.valueOf();
        if (value !== source && (typeof value === 'string' || isObject(value))) {
          return Buffer.from(value, encoding, length);
        }
        if (source.type === 'Buffer' && Array.isArray(source.data)) return new Buffer(source.data);
        if ('length' in source || source.buffer instanceof ArrayBuffer) {
          return typeof source.length === 'number' ? new Buffer(Array.from(source)) : new Buffer(0);
        }
        const primitive = source[Symbol.toPrimitive];
        if (typeof primitive === 'function') return Buffer.from(primitive.call(source, 'string'), encoding, length);
      }
      throw wrongType('first argument', 'of type string or an instance of Buffer, ArrayBuffer, or Array' +
        ' or an Array-like Object', source);
    }
    static alloc(size, fill, encoding) {
      checkSize(size);
      const made = new Buffer(size);
      return fill === undefined || fill === 0 || size === 0 ? made : made.fill(fill, encoding);
    }
    static allocUnsafe(size) { return Buffer.alloc(size); }
    static allocUnsafeSlow(size) { return Buffer.alloc(size); }
    static byteLength(text, encoding) {
      if (typeof text === 'string') return (codecNamed(encoding || 'utf8') || codec('utf8')).length(text);
      if (ArrayBuffer.isView(text) || text instanceof ArrayBuffer) return text.byteLength;
      throw wrongType('string', 'of type string or an instance of Buffer or ArrayBuffer', text);
    }
    static compare(one, other) {
      checkBytes('buf1', one);
      checkBytes('buf2', other);
      return compareBytes(one, other);
    }
    static concat(list, total) {
      if (!Array.isArray(list)) throw wrongType('list', 'an instance of Array', list);
      list.forEach((bytes, index) => checkBytes(`list[${index}]`, bytes));
      if (total === undefined) total = list.reduce((sum, bytes) => sum + bytes.length, 0);
      const made = Buffer.alloc(total);
      let at = 0;
      for (const bytes of list) {
        if (at >= total) break;
        made.set(at + bytes.length > total ? bytes.subarray(0, total - at) : bytes, at);
        at += bytes.length;
      }
      return made;
    }
    static isBuffer(value) { return value instanceof Buffer; }
    static isEncoding(name) { return typeof name === 'string' && name !== '' && codecNamed(name) !== undefined; }

    get parent() { return this.buffer; }
    get offset() { return this.byteOffset; }
    toString(encoding, start, end) {
      start = Math.max(whole(start, 0), 0);
      end = Math.min(whole(end, this.length), this.length);
      const found = codec(encoding);
      if (end <= start) return '';
      return found.decode(start === 0 && end === this.length ? this : this.subarray(start, end));
    }
    toLocaleString(encoding, start, end) { return this.toString(encoding, start, end); }
    toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
    write(text, offset, length, encoding) {
      mustBe('string', 'argument', text);
      if (typeof offset === 'string') [offset, encoding] = [undefined, offset];
      else if (typeof length === 'string') [length, encoding] = [undefined, length];
      offset = whole(offset, 0);
      if (offset < 0 || offset > this.length) throw outOfRange('offset', `>= 0 && <= ${this.length}`, offset);
      const room = Math.min(whole(length, this.length), this.length - offset);
      const { name, encode } = codec(encoding);
      let bytes = encode(text);
      if (bytes.length > room) {
        let fits = room;
        // No half characters.
        if (name === 'utf8') while (fits > 0 && (bytes[fits] & 0xC0) === 0x80) fits--;
        if (name === 'utf16le') fits -= fits % 2;
        bytes = bytes.subarray(0, fits);
      }
      this.set(bytes, offset);
      return bytes.length;
    }
    equals(other) {
      checkBytes('otherBuffer', other);
      return this.length === other.length && compareBytes(this, other) === 0;
    }
    compare(target, targetStart = 0, targetEnd, start = 0, end = this.length) {
      checkBytes('target', target);
      return compareBytes(this.subarray(start, end), target.subarray(targetStart, targetEnd));
    }
    copy(target, targetStart, start, end) {
      checkBytes('target', target);
      targetStart = whole(targetStart, 0);
      start = whole(start, 0);
      end = Math.min(whole(end, this.length), this.length);
      if (targetStart < 0) throw outOfRange('targetStart', '>= 0', targetStart);
      if (start < 0 || start > this.length) throw outOfRange('sourceStart', `>= 0 && <= ${this.length}`, start);
      if (targetStart >= target.length || start >= end) return 0;
      const count = Math.min(end - start, target.length - targetStart);
      target.set(Uint8Array.prototype.subarray.call(this, start, start + count), targetStart);
      return count;
    }
    slice(start, end) { return this.subarray(start, end); }
    fill(value, start, end, encoding) {
      if (typeof start === 'string') [start, end, encoding] = [undefined, undefined, start];
      else if (typeof end === 'string') [end, encoding] = [undefined, end];
      start = whole(start, 0);
      end = whole(end, this.length);
      if (start < 0 || start > this.length) throw outOfRange('offset', `>= 0 && <= ${this.length}`, start);
      if (end < 0 || end > this.length) throw outOfRange('end', `>= 0 && <= ${this.length}`, end);
      if (typeof value === 'string') {
        const bytes = codec(encoding).encode(value);
        if (value !== '' && !bytes.length) {
          throw fault(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument 'value' is invalid. Received '${value}'`);
        }
        value = bytes.length ? bytes : 0;
      }
      if (!isBytes(value)) return super.fill(Number(value) & 255, start, end);
      for (let i = start; i < end; i++) this[i] = value[(i - start) % value.length];
      return this;
    }
    indexOf(value, from, encoding) { return search(this, value, from, encoding, false); }
    lastIndexOf(value, from, encoding) { return search(this, value, from, encoding, true); }
    includes(value, from, encoding) { return this.indexOf(value, from, encoding) !== -1; }
    [inspect.custom]() {
      const most = builtins.buffer.INSPECT_MAX_BYTES;
      const shown = this.subarray(0, most).toString('hex').replace(/(.{2})(?=.)/g, '$1 ');
      const more = this.length - most;
      return `<${this.constructor.name}${shown && ' '}${shown}${more > 0 ? ` ... ${more} more byte${more > 1 ? 's' : ''}` : ''}>`;
    }
    inspect() { return this[inspect.custom](); }
    swap16() { return swap(this, 2); }
    swap32() { return swap(this, 4); }
    swap64() { return swap(this, 8); }
  }

  const search = (bytes, value, from, encoding, backwards) => {
    if (typeof from === 'string') [from, encoding] = [undefined, from];
    const { length } = bytes;
    from = whole(from, backwards ? length : 0);
    if (from < 0) from += length;
    if (from < 0) { if (backwards) return -1; from = 0; }
    if (typeof value === 'number') value = [value & 255];
    else if (typeof value === 'string') value = codec(encoding).encode(value);
    else if (!isBytes(value)) {
      throw wrongType('value', 'one of type number or string or an instance of Buffer or Uint8Array', value);
    }
    if (!value.length) return Math.min(from, length);
    const matches = (at) => {
      for (let i = 0; i < value.length; i++) if (bytes[at + i] !== value[i]) return false;
      return true;
    };
    const last = length - value.length;
    if (backwards) {
      for (let at = Math.min(from, last); at >= 0; at--) if (matches(at)) return at;
    } else {
      for (let at = from; at <= last; at++) if (matches(at)) return at;
    }
    return -1;
  };
  const swap = (bytes, size) => {
    if (bytes.length % size) {
      throw fault(RangeError, 'ERR_INVALID_BUFFER_SIZE', `Buffer size must be a multiple of ${size * 8}-bits`);
    }
    for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
    return bytes;
  };
  Buffer.poolSize = 8192;

  // Numbers at an offset.
  const method = (name, value) =>
    Object.defineProperty(Buffer.prototype, name, { value, writable: true, configurable: true });
  const checkOffset = (bytes, offset, size) => {
    mustBe('number', 'offset', offset);
    if (!Number.isInteger(offset)) throw outOfRange('offset', 'an integer', offset);
    if (bytes.length < size) {
      throw fault(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', 'Attempt to access memory outside buffer bounds');
    }
    if (offset < 0 || offset + size > bytes.length) {
      throw outOfRange('offset', `>= 0 and <= ${bytes.length - size}`, offset);
    }
  };
  const dataView = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const checkRange = (value, size, signed) => {
    const bits = size * 8;
    const [low, high] = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
    if (value >= low && value <= high || Number.isNaN(value)) return;
    const range = size <= 3 ? `>= ${low} and <= ${high}`
      : signed ? `>= -(2 ** ${bits - 1}) and < 2 ** ${bits - 1}` : `>= 0 and < 2 ** ${bits}`;
    throw outOfRange('value', range, value);
  };
  const checkBig = (value, signed) => {
    const [low, high] = signed ? [-(2n ** 63n), 2n ** 63n] : [0n, 2n ** 64n];
    if (typeof value !== 'bigint') throw new TypeError(`Cannot mix BigInt and other types, use explicit conversions`);
    if (value >= low && value < high) return;
    throw outOfRange('value', signed ? '>= -(2n ** 63n) and < 2n ** 63n' : '>= 0n and < 2n ** 64n', value);
  };
  const define = (kind, size, order, little) => {
    const [get, set] = [`get${kind}`, `set${kind}`];
    const shown = kind.replace('Uint', 'UInt');
    const integer = /^U?[Ii]nt/.test(kind);
    const signed = !/U/.test(kind);
    const read = function (offset = 0) {
      checkOffset(this, offset, size);
      return dataView(this)[get](offset, little);
    };
    const write = function (value, offset = 0) {
      if (integer) {
        value = +value;
        checkRange(value, size, signed);
      } else if (kind.startsWith('Big')) {
        checkBig(value, signed);
      }
      checkOffset(this, offset, size);
      dataView(this)[set](offset, value, little);
      return offset + size;
    };
    const names = { Float32: 'Float', Float64: 'Double', BigUint64: 'BigUInt64' };
    const name = (names[kind] || shown) + order;
    method(`read${name}`, read);
    method(`write${name}`, write);
    if (name.includes('UInt')) {
      method(`read${name.replace('UInt', 'Uint')}`, read);
      method(`write${name.replace('UInt', 'Uint')}`, write);
    }
  };
  define('Uint8', 1, '', true);
  define('Int8', 1, '', true);
  for (const [order, little] of [['LE', true], ['BE', false]]) {
    for (const kind of ['Uint16', 'Int16', 'Uint32', 'Int32', 'Float32', 'Float64', 'BigInt64', 'BigUint64']) {
      define(kind, Number(/\d+/.exec(kind)[0]) / 8, order, little);
    }
  }
  // One to six bytes.
  const checkWidth = (size) => {
    if (size === undefined) throw wrongType('byteLength', 'of type number', size);
    mustBe('number', 'byteLength', size);
    if (!Number.isInteger(size)) throw outOfRange('byteLength', 'an integer', size);
    if (size < 1 || size > 6) throw outOfRange('byteLength', '>= 1 and <= 6', size);
  };
  const defineWide = (signed, little) => {
    const read = function (offset, size) {
      if (offset === undefined) throw wrongType('offset', 'of type number', offset);
      checkWidth(size);
      checkOffset(this, offset, size);
      let value = 0;
      for (let i = 0; i < size; i++) value = value * 256 + this[little ? offset + size - 1 - i : offset + i];
      return signed && value >= 2 ** (size * 8 - 1) ? value - 2 ** (size * 8) : value;
    };
    const write = function (value, offset, size) {
      checkWidth(size);
      value = +value;
      checkRange(value, size, signed);
      checkOffset(this, offset, size);
      let rest = value < 0 ? value + 2 ** (size * 8) : value;
      for (let i = 0; i < size; i++) {
        this[little ? offset + i : offset + size - 1 - i] = rest % 256;
        rest = Math.floor(rest / 256);
      }
      return offset + size;
    };
    for (const name of signed ? ['Int'] : ['UInt', 'Uint']) {
      method(`read${name}${little ? 'LE' : 'BE'}`, read);
      method(`write${name}${little ? 'LE' : 'BE'}`, write);
    }
  };
  for (const signed of [true, false]) for (const little of [true, false]) defineWide(signed, little);

  // `Buffer(text)` without `new` is older still; packages look at what Buffer has of its own.
  const called = function Buffer(source, encoding, length) {
    if (new.target && new.target !== called) return Reflect.construct(Bytes, [source, encoding, length], new.target);
    return new Bytes(source, encoding, length);
  };
  const Bytes = Buffer;
  Object.setPrototypeOf(called, Uint8Array);
  called.prototype = Buffer.prototype;
  for (const name of Object.getOwnPropertyNames(Buffer)) {
    if (!Object.hasOwn(called, name)) called[name] = Buffer[name];
  }
  Object.defineProperty(Buffer.prototype, 'constructor', { value: called, writable: true, configurable: true });

  global.Buffer = called;
  builtins.buffer = {
    Buffer: called, SlowBuffer: called, atob: global.atob, btoa: global.btoa, kMaxLength: MAX_LENGTH,
    constants: { MAX_LENGTH, MAX_STRING_LENGTH: 2 ** 29 - 24 }, INSPECT_MAX_BYTES: 50,
    isUtf8: (bytes) => { let good = true; host.kit.utf8Decode(bytes, () => { good = false; }); return good; },
    isAscii: (bytes) => bytes.every((byte) => byte < 128),
  };
})(globalThis, globalThis.__host);
