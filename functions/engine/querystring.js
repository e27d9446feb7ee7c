// querystring.
(function (global, host) {
  'use strict';
  const { builtins, fault, utf8Decode } = host.kit;

  const escape = (value) => {
    const text = typeof value === 'string' ? value : typeof value === 'object' ? String(value) : value + '';
    if (!text.isWellFormed()) throw fault(URIError, 'ERR_INVALID_URI', 'URI malformed');
    return encodeURIComponent(text);
  };
  const unescapeBuffer = (text) => {
    const found = text.replace(/%([0-9a-fA-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    return Buffer.from(found, 'latin1');
  };
  // What is no UTF-8 becomes U+FFFD, and a `%` without two digits stays.
  const unescape = (text) => {
    try {
      return decodeURIComponent(text);
    } catch (_) {
      return String(text).replace(/(?:%[0-9a-fA-F]{2})+/g, (run) => utf8Decode(unescapeBuffer(run)));
    }
  };
  const primitive = (value) => {
    if (typeof value === 'string') return value;
    if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '';
    return typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : '';
  };
  const stringify = (object, separator, equals, options) => {
    if (object === null || typeof object !== 'object') return '';
    const encode = options && options.encodeURIComponent || querystring.escape;
    separator = separator || '&';
    equals = equals || '=';
    const pair = (key, value) => encode(primitive(key)) + equals + encode(primitive(value));
    return Object.keys(object).flatMap((key) => (Array.isArray(object[key])
      ? object[key].map((value) => pair(key, value)) : pair(key, object[key]))).join(separator);
  };
  const MAX_KEYS = 1000;
  const parse = (text, separator, equals, options) => {
    const parsed = Object.create(null);
    if (typeof text !== 'string' || !text) return parsed;
    separator = separator ? String(separator) : '&';
    equals = equals ? String(equals) : '=';
    const own = options && options.decodeURIComponent || querystring.unescape;
    const decode = (part) => {
      if (!/[%+]/.test(part)) return part;
      part = part.replace(/\+/g, ' ');
      try { return own(part); } catch (_) { return unescape(part); }
    };
    const limit = options && typeof options.maxKeys === 'number' ? options.maxKeys : MAX_KEYS;
    let parts = text.split(separator);
    if (limit > 0) parts = parts.slice(0, limit);
    for (const part of parts) {
      if (!part) continue;
      const at = part.indexOf(equals);
      const key = decode(at < 0 ? part : part.slice(0, at));
      const value = at < 0 ? '' : decode(part.slice(at + equals.length));
      if (!(key in parsed)) parsed[key] = value;
      else if (Array.isArray(parsed[key])) parsed[key].push(value);
      else parsed[key] = [parsed[key], value];
    }
    return parsed;
  };
  const querystring = { escape, unescape, unescapeBuffer, stringify, encode: stringify, parse, decode: parse };
  builtins.querystring = querystring;
})(globalThis, globalThis.__host);
