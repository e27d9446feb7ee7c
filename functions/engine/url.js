// URLSearchParams.
(function (global, host) {
  'use strict';

  const decode = (text) => {
    try { return decodeURIComponent(text.replace(/\+/g, ' ')); } catch (_) { return text; }
  };
  class URLSearchParams {
    #pairs = [];
    constructor(from) {
      if (typeof from === 'string') {
        for (const part of from.replace(/^\?/, '').split('&')) {
          if (!part) continue;
          const at = part.indexOf('=');
          this.append(decode(at < 0 ? part : part.slice(0, at)), at < 0 ? '' : decode(part.slice(at + 1)));
        }
      } else if (from && from[Symbol.iterator]) {
        for (const [key, value] of from) this.append(key, value);
      } else {
        for (const key in from) this.append(key, from[key]);
      }
    }
    append(key, value) { this.#pairs.push([String(key), String(value)]); }
    delete(key) { this.#pairs = this.#pairs.filter((pair) => pair[0] !== key); }
    get(key) { const found = this.#pairs.find((pair) => pair[0] === key); return found ? found[1] : null; }
    getAll(key) { return this.#pairs.filter((pair) => pair[0] === key).map((pair) => pair[1]); }
    has(key) { return this.#pairs.some((pair) => pair[0] === key); }
    set(key, value) {
      const at = this.#pairs.findIndex((pair) => pair[0] === key);
      if (at < 0) return this.append(key, value);
      this.#pairs[at][1] = String(value);
      this.#pairs = this.#pairs.filter((pair, index) => index <= at || pair[0] !== key);
    }
    forEach(visit) { for (const [key, value] of this.#pairs) visit(value, key, this); }
    entries() { return this.#pairs.map((pair) => [...pair])[Symbol.iterator](); }
    keys() { return this.#pairs.map((pair) => pair[0])[Symbol.iterator](); }
    values() { return this.#pairs.map((pair) => pair[1])[Symbol.iterator](); }
    [Symbol.iterator]() { return this.entries(); }
    toString() {
      // The application/x-www-form-urlencoded serialiser of the URL standard.
      const encode = (text) => encodeURIComponent(text).replace(/%20/g, '+')
        .replace(/[!'()~]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase());
      return this.#pairs.map((pair) => encode(pair[0]) + '=' + encode(pair[1])).join('&');
    }
  }
  global.URLSearchParams = URLSearchParams;
})(globalThis, globalThis.__host);
