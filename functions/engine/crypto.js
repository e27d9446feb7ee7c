// crypto: hashes, HMAC and chance, all three asked of the host. No ciphers, keys or certificates.
(function (global, host) {
  'use strict';
  const { builtins, codec, fault, wrongType, mustBe, outOfRange, bytesOf } = host.kit;
  // Two entry points that only this file uses: scripts cannot reach `__host` when they run.
  const { digest, hmac, random } = host;

  const NAMES = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'];
  const known = (name) => {
    const plain = String(name).toLowerCase().replace(/^rsa-/, '').replace(/^sha-/, 'sha');
    return NAMES.includes(plain) ? plain : undefined;
  };
  const dataOf = (name, data, encoding) => {
    if (typeof data === 'string') return codec(encoding === 'buffer' ? 'utf8' : encoding).encode(data);
    if (!ArrayBuffer.isView(data) && !(data instanceof ArrayBuffer)) {
      throw wrongType(name, 'of type string or an instance of Buffer, TypedArray, or DataView', data);
    }
    return bytesOf(data, name);
  };
  const encoded = (bytes, encoding) => {
    const buffer = Buffer.from(bytes);
    return encoding === undefined || encoding === 'buffer' ? buffer : buffer.toString(encoding);
  };
  const joined = (parts) => (parts.length === 1 ? parts[0] : Buffer.concat(parts));

  // Keeps what is to be hashed until it is asked for.
  class Hash {
    #name;
    #parts = [];
    #done = false;
    constructor(name) {
      this.#name = known(name);
      if (!this.#name) throw new Error('Digest method not supported');
    }
    update(data, encoding) {
      if (this.#done) throw fault(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      // A copy: the caller may write on.
      this.#parts.push(dataOf('data', data, encoding).slice());
      return this;
    }
    digest(encoding) {
      if (this.#done) throw fault(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      this.#done = true;
      return encoded(digest(this.#name, joined(this.#parts)), encoding);
    }
    copy() {
      if (this.#done) throw fault(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      const other = new Hash(this.#name);
      other.#parts = [...this.#parts];
      return other;
    }
  }

  class Hmac {
    #name;
    #key;
    #parts = [];
    #done = false;
    constructor(name, key) {
      this.#name = known(name);
      if (!this.#name) throw fault(TypeError, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${name}`);
      this.#key = key instanceof Secret ? key.export() : dataOf('key', key).slice();
    }
    update(data, encoding) {
      if (this.#done) throw fault(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      this.#parts.push(dataOf('data', data, encoding).slice());
      return this;
    }
    digest(encoding) {
      // As Node has it: the second answer is empty.
      const bytes = this.#done ? new ArrayBuffer(0) : hmac(this.#name, this.#key, joined(this.#parts));
      this.#done = true;
      return encoded(bytes, encoding);
    }
  }

  class Secret {
    #bytes;
    constructor(bytes) { this.#bytes = bytes; }
    get type() { return 'secret'; }
    get symmetricKeySize() { return this.#bytes.length; }
    export() { return Buffer.from(this.#bytes); }
  }

  // The host gives at most so much at a time.
  const PIECE = 1024;
  const fillRandom = (bytes) => {
    for (let at = 0; at < bytes.length; at += PIECE) {
      const piece = bytes.subarray(at, at + PIECE);
      piece.set(new Uint8Array(random(piece.length)));
    }
    return bytes;
  };
  // Node's callback style: the answer comes after the caller has gone on.
  const later = (callback, make) => {
    if (callback === undefined) return make();
    mustBe('function', 'callback', callback);
    const value = make();
    Promise.resolve().then(() => callback(null, value));
  };
  const randomBytes = (size, callback) => {
    mustBe('number', 'size', size);
    if (!(size >= 0 && size <= 2147483647)) throw outOfRange('size', '>= 0 && <= 2147483647', size);
    return later(callback, () => fillRandom(Buffer.alloc(size)));
  };
  const randomFillSync = (target, offset = 0, size) => {
    const bytes = bytesOf(target, 'buf');
    fillRandom(bytes.subarray(offset, size === undefined ? undefined : offset + size));
    return target;
  };
  const INTEGER_RANGE = 2 ** 48 - 1;
  const randomInt = (low, high, callback) => {
    if (high === undefined || typeof high === 'function') [low, high, callback] = [0, low, high];
    if (!Number.isSafeInteger(low)) throw wrongType('min', 'a safe integer', low);
    if (!Number.isSafeInteger(high)) throw wrongType('max', 'a safe integer', high);
    if (high <= low) throw outOfRange('max', `greater than the value of "min" (${low})`, high);
    const range = high - low;
    if (range > INTEGER_RANGE) throw outOfRange(low ? 'max - min' : 'max', `<= ${INTEGER_RANGE}`, range);
    // Beyond the largest multiple of the range, some answers would come more often.
    const limit = INTEGER_RANGE - INTEGER_RANGE % range;
    return later(callback, () => {
      for (;;) {
        const drawn = fillRandom(Buffer.alloc(6)).readUIntBE(0, 6);
        if (drawn < limit) return low + drawn % range;
      }
    });
  };
  const randomUUID = () => {
    // RFC 9562 section 5.4
    const bytes = fillRandom(Buffer.alloc(16));
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    const hex = bytes.toString('hex');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  };
  const timingSafeEqual = (one, other) => {
    const [left, right] = [bytesOf(one, 'buf1'), bytesOf(other, 'buf2')];
    if (left.length !== right.length) {
      throw fault(RangeError, 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length');
    }
    let difference = 0;
    for (let i = 0; i < left.length; i++) difference |= left[i] ^ right[i];
    return difference === 0;
  };

  // Web Crypto, as far as hashes and HMAC go.
  const unsupported = (what) => new DOMException(`${what} is not available inside functions`, 'NotSupportedError');
  const hashOf = (algorithm) => {
    const name = typeof algorithm === 'string' ? algorithm : algorithm.name;
    const found = /^sha-(?:1|256|384|512)$/i.test(name) && known(name);
    if (!found) throw unsupported(`The algorithm ${name}`);
    return found;
  };
  const isHmac = (algorithm) => String(algorithm.name || algorithm).toUpperCase() === 'HMAC';
  class CryptoKey {
    #bytes;
    constructor(hash, bytes, extractable, usages) {
      this.#bytes = bytes;
      this.type = 'secret';
      this.extractable = extractable;
      this.algorithm = { name: 'HMAC', hash: { name: hash.replace('sha', 'SHA-') }, length: bytes.length * 8 };
      this.usages = usages;
    }
    static sign(key, data) { return hmac(hashOf(key.algorithm.hash), key.#bytes, bytesOf(data, 'data')); }
  }
  const subtle = {
    async digest(algorithm, data) { return digest(hashOf(algorithm), bytesOf(data, 'data')); },
    async importKey(format, key, algorithm, extractable, usages) {
      if (format !== 'raw' || !isHmac(algorithm)) throw unsupported(`A ${format} key for ${algorithm.name}`);
      return new CryptoKey(hashOf(algorithm.hash), bytesOf(key, 'keyData').slice(), extractable, usages);
    },
    async sign(algorithm, key, data) {
      if (!isHmac(algorithm)) throw unsupported(`The algorithm ${algorithm.name || algorithm}`);
      return CryptoKey.sign(key, data);
    },
    async verify(algorithm, key, signature, data) {
      const expected = await subtle.sign(algorithm, key, data);
      return signature.byteLength === expected.byteLength && timingSafeEqual(signature, expected);
    },
  };
  const MAX_VALUES = 65536;
  const webcrypto = {
    getRandomValues(array) {
      if (!ArrayBuffer.isView(array) || /^(?:Float|DataView)/.test(array.constructor.name)) {
        throw new DOMException('The data argument must be an integer-type TypedArray', 'TypeMismatchError');
      }
      if (array.byteLength > MAX_VALUES) {
        throw new DOMException(`The requested length exceeds ${MAX_VALUES} bytes`, 'QuotaExceededError');
      }
      fillRandom(bytesOf(array, 'array'));
      return array;
    },
    randomUUID,
    subtle,
  };

  const missing = (name) => () => {
    throw fault(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', `crypto.${name} is not available inside functions: ` +
      'there are createHash, createHmac and random numbers');
  };
  const crypto = {
    createHash: (name) => new Hash(name),
    createHmac: (name, key) => new Hmac(name, key),
    createSecretKey: (key, encoding) => new Secret(dataOf('key', key, encoding).slice()),
    hash: (name, data, encoding = 'hex') => new Hash(name).update(data).digest(encoding),
    getHashes: () => [...NAMES],
    randomBytes,
    pseudoRandomBytes: randomBytes,
    randomFillSync,
    randomInt,
    randomUUID,
    timingSafeEqual,
    getRandomValues: (array) => webcrypto.getRandomValues(array),
    webcrypto,
    subtle,
    Hash,
    Hmac,
    KeyObject: Secret,
  };
  for (const name of ['createCipheriv', 'createDecipheriv', 'createSign', 'createVerify', 'sign', 'verify',
    'createPrivateKey', 'createPublicKey', 'generateKeyPairSync', 'pbkdf2Sync', 'scryptSync', 'publicEncrypt']) {
    crypto[name] = missing(name);
  }
  global.crypto = webcrypto;
  builtins.crypto = crypto;
})(globalThis, globalThis.__host);
