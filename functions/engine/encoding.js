// Text and bytes: the encodings of Buffer, TextEncoder and TextDecoder.
(function (global, host) {
  'use strict';
  const { fault, wrongType } = host.kit;

  // A piece at a time: `apply` puts its arguments on the stack.
  const PIECE = 4096;
  const fromCodes = (codes) => {
    if (codes.length <= PIECE) return String.fromCharCode.apply(null, codes);
    let text = '';
    for (let at = 0; at < codes.length; at += PIECE) {
      text += String.fromCharCode.apply(null, codes.slice(at, at + PIECE));
    }
    return text;
  };

  const utf8Encode = (text) => {
    // Three bytes for each UTF-16 unit is the most there can be.
    const bytes = new Uint8Array(text.length * 3);
    let end = 0;
    for (let i = 0; i < text.length; i++) {
      let code = text.charCodeAt(i);
      if (code < 0x80) { bytes[end++] = code; continue; }
      if (code >= 0xD800 && code < 0xE000) {
        const low = code < 0xDC00 ? text.charCodeAt(i + 1) : 0;
        if (low >= 0xDC00 && low < 0xE000) {
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
          i++;
        } else {
          code = 0xFFFD;
        }
      }
      if (code < 0x800) {
        bytes[end++] = 0xC0 | code >> 6;
      } else {
        if (code < 0x10000) {
          bytes[end++] = 0xE0 | code >> 12;
        } else {
          bytes[end++] = 0xF0 | code >> 18;
          bytes[end++] = 0x80 | code >> 12 & 63;
        }
        bytes[end++] = 0x80 | code >> 6 & 63;
      }
      bytes[end++] = 0x80 | code & 63;
    }
    return bytes.subarray(0, end);
  };
  const utf8Length = (text) => {
    let length = text.length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code < 0x80) continue;
      length += code < 0x800 ? 1 : 2;
      if (code >= 0xD800 && code < 0xDC00 && (text.charCodeAt(i + 1) & 0xFC00) === 0xDC00) i++;
    }
    return length;
  };

  // How many bytes follow `lead`, and between what the first of them has to lie (Unicode, table
  // 3-7). Each maximal part that no character begins with becomes one U+FFFD.
  const lead8 = (lead) => {
    if (lead >= 0xC2 && lead < 0xE0) return [1, 0x80, 0xBF];
    if (lead >= 0xE0 && lead < 0xF0) return [2, lead === 0xE0 ? 0xA0 : 0x80, lead === 0xED ? 0x9F : 0xBF];
    if (lead >= 0xF0 && lead < 0xF5) return [3, lead === 0xF0 ? 0x90 : 0x80, lead === 0xF4 ? 0x8F : 0xBF];
    return [0, 0, 0];
  };
  // `onBad` is called for each U+FFFD. With `rest`, an unfinished end is left in it instead.
  const utf8Decode = (bytes, onBad, rest) => {
    const codes = [];
    const length = bytes.length;
    let at = 0;
    while (at < length) {
      const first = bytes[at++];
      if (first < 0x80) { codes.push(first); continue; }
      const [more, low, high] = lead8(first);
      let code = first & (0x3F >> more);
      let seen = 0;
      while (seen < more && at < length) {
        const next = bytes[at];
        if (next < (seen ? 0x80 : low) || next > (seen ? 0xBF : high)) break;
        code = code << 6 | next & 63;
        seen++;
        at++;
      }
      if (more && seen === more) {
        if (code < 0x10000) codes.push(code);
        else codes.push(0xD7C0 + (code >> 10), 0xDC00 | code & 0x3FF);
      } else if (rest && more && at === length) {
        for (let i = at - seen - 1; i < length; i++) rest.push(bytes[i]);
      } else {
        if (onBad) onBad();
        codes.push(0xFFFD);
      }
    }
    return fromCodes(codes);
  };

  const latin1Encode = (text) => {
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  };
  const latin1Decode = (bytes) => fromCodes(Array.from(bytes));
  const utf16Encode = (text) => {
    const bytes = new Uint8Array(text.length * 2);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      bytes[2 * i] = code;
      bytes[2 * i + 1] = code >> 8;
    }
    return bytes;
  };
  const utf16Decode = (bytes) => {
    const codes = [];
    for (let i = 0; i + 1 < bytes.length; i += 2) codes.push(bytes[i] | bytes[i + 1] << 8);
    return fromCodes(codes);
  };
  // As Node has it: up to the first pair that is none.
  const hexEncode = (text) => {
    const found = /^(?:[0-9a-fA-F]{2})*/.exec(text)[0];
    return Uint8Array.fromHex(found);
  };
  // As Node has it: both alphabets at once, anything else is skipped, and `=` ends it.
  const base64Encode = (text) => {
    const end = text.indexOf('=');
    const plain = (end < 0 ? text : text.slice(0, end)).replace(/-/g, '+').replace(/_/g, '/')
      .replace(/[^A-Za-z0-9+/]+/g, '');
    return Uint8Array.fromBase64(plain.length % 4 === 1 ? plain.slice(0, -1) : plain);
  };
  const native = Uint8Array.prototype;
  const url = { alphabet: 'base64url', omitPadding: true };

  const CODECS = {
    utf8: { encode: utf8Encode, decode: (bytes) => utf8Decode(bytes), length: utf8Length },
    utf16le: { encode: utf16Encode, decode: utf16Decode, length: (text) => text.length * 2 },
    latin1: { encode: latin1Encode, decode: latin1Decode, length: (text) => text.length },
    ascii: {
      encode: latin1Encode,
      decode: (bytes) => fromCodes(Array.from(bytes, (byte) => byte & 127)),
      length: (text) => text.length,
    },
    hex: { encode: hexEncode, decode: (bytes) => native.toHex.call(bytes), length: (text) => text.length >>> 1 },
    base64: { encode: base64Encode, decode: (bytes) => native.toBase64.call(bytes) },
    base64url: { encode: base64Encode, decode: (bytes) => native.toBase64.call(bytes, url) },
  };
  const base64Length = (text) => {
    const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
    return (text.length - padding) * 3 >>> 2;
  };
  CODECS.base64.length = CODECS.base64url.length = base64Length;
  for (const name in CODECS) CODECS[name].name = name;
  const ALIASES = { 'utf-8': 'utf8', 'ucs2': 'utf16le', 'ucs-2': 'utf16le', 'utf-16le': 'utf16le', 'binary': 'latin1' };
  // The codec of that name, or undefined.
  const codecNamed = (name) => {
    const lower = String(name).toLowerCase();
    const known = Object.hasOwn(ALIASES, lower) ? ALIASES[lower] : lower;
    return Object.hasOwn(CODECS, known) ? CODECS[known] : undefined;
  };
  const codec = (name = 'utf8') => {
    const found = codecNamed(name || 'utf8');
    if (!found) throw fault(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${name}`);
    return found;
  };

  const bytesOf = (source, name) => {
    if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    if (source instanceof ArrayBuffer || source instanceof SharedArrayBuffer) return new Uint8Array(source);
    throw wrongType(name, 'an instance of ArrayBuffer or ArrayBufferView', source);
  };

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') { return utf8Encode(String(text)).slice(); }
    encodeInto(text, target) {
      let read = 0;
      let written = 0;
      for (const character of text) {
        const bytes = utf8Encode(character);
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += character.length;
      }
      return { read, written };
    }
  }

  // The labels of the Encoding standard for what is known here.
  const LABELS = {
    'utf-8': /^(?:unicode-1-1-utf-8|unicode11utf8|unicode20utf8|utf-?8|x-unicode20utf8)$/,
    'utf-16le': /^(?:csunicode|iso-10646-ucs-2|ucs-2|unicode|unicodefeff|utf-16|utf-16le)$/,
  };
  const BOM = '\uFEFF';

  class TextDecoder {
    #encoding;
    #fatal;
    #ignoreBOM;
    #rest = [];
    #begun = false;
    constructor(label = 'utf-8', options = {}) {
      const wanted = String(label).trim().toLowerCase();
      this.#encoding = Object.keys(LABELS).find((name) => LABELS[name].test(wanted));
      if (!this.#encoding) {
        throw fault(RangeError, 'ERR_ENCODING_NOT_SUPPORTED', `The "${label}" encoding is not supported`);
      }
      this.#fatal = Boolean(options.fatal);
      this.#ignoreBOM = Boolean(options.ignoreBOM);
    }
    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    decode(input, options = {}) {
      let bytes = input === undefined ? new Uint8Array(0) : bytesOf(input, 'list');
      if (this.#rest.length) bytes = Uint8Array.from([...this.#rest, ...bytes]);
      const rest = options.stream ? [] : undefined;
      this.#rest = [];
      const begun = this.#begun;
      this.#begun = Boolean(options.stream);
      let text = this.#encoding === 'utf-8' ? this.#utf8(bytes, rest) : this.#utf16(bytes, rest);
      this.#rest = rest || [];
      if (!begun && !this.#ignoreBOM && text.startsWith(BOM)) text = text.slice(1);
      return text;
    }
    #bad() {
      throw fault(TypeError, 'ERR_ENCODING_INVALID_ENCODED_DATA',
        `The encoded data was not valid for encoding ${this.#encoding}`);
    }
    #utf8(bytes, rest) {
      return utf8Decode(bytes, this.#fatal ? () => this.#bad() : undefined, rest);
    }
    #utf16(bytes, rest) {
      let text = utf16Decode(bytes);
      let left = bytes.length % 2;
      if (rest && text && (text.charCodeAt(text.length - 1) & 0xFC00) === 0xD800) {
        text = text.slice(0, -1);
        left += 2;
      }
      if (rest) rest.push(...bytes.subarray(bytes.length - left));
      else if (left) text += '\uD800';
      if (this.#fatal && !text.isWellFormed()) this.#bad();
      return text.toWellFormed();
    }
  }

  Object.assign(global, { TextEncoder, TextDecoder });
  Object.assign(host.kit, { codec, codecNamed, utf8Encode, utf8Decode, bytesOf });
})(globalThis, globalThis.__host);
