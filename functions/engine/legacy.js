// The module url, with its parse, format and resolve from before URL was there.
(function (global, host) {
  'use strict';
  const { builtins, mustBe, toAscii } = host.kit;
  const { URL, URLSearchParams } = global;

  const SLASHED = new Set(['http:', 'https:', 'ftp:', 'gopher:', 'file:', 'ws:', 'wss:']);
  const NAMES = ['protocol', 'slashes', 'auth', 'host', 'port', 'hostname', 'hash', 'search', 'query', 'pathname', 'path', 'href'];
  function Url() {
    for (const name of NAMES) this[name] = null;
  }
  const escaped = (text) => text.replace(/[\t\n\r "'<>\\^`{|}]/g, (c) =>
    (c === '\\' ? '%5C' : '%' + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')));

  // Cuts `user:password@host:port` off the front of `rest`.
  const authority = (url, rest) => {
    const end = rest.search(/[/?#]/);
    let text = end < 0 ? rest : rest.slice(0, end);
    let after = end < 0 ? '' : rest.slice(end);
    const at = text.lastIndexOf('@');
    if (at >= 0) {
      try { url.auth = decodeURIComponent(text.slice(0, at)); } catch (_) { url.auth = text.slice(0, at); }
      text = text.slice(at + 1);
    }
    const stop = text.search(/[\t\n\r "%';<>\\^`{|}]/);
    if (stop >= 0) {
      after = text.slice(stop) + after;
      text = text.slice(0, stop);
    }
    const found = /^(.*?)(?::(\d*))?$/s.exec(text);
    if (found[2]) url.port = found[2];
    let hostname = found[1];
    const bad = hostname.startsWith('[') ? -1 : hostname.search(/[^A-Za-z0-9._\-+\u0080-\uffff]/);
    if (bad >= 0) {
      after = '/' + hostname.slice(bad) + after;
      hostname = hostname.slice(0, bad);
    }
    hostname = toAscii(hostname);
    url.host = hostname + (url.port ? ':' + url.port : '');
    url.hostname = hostname.replace(/^\[|\]$/g, '');
    return after;
  };
  const parse = (address, parseQuery = false, slashesDenoteHost = false) => {
    if (address instanceof Url) return address;
    mustBe('string', 'url', address);
    const url = new Url();
    let rest = address.trim();
    const mark = rest.search(/[?#]/);
    rest = (mark < 0 ? rest : rest.slice(0, mark)).replaceAll('\\', '/') + (mark < 0 ? '' : rest.slice(mark));
    const scheme = /^[a-z0-9.+-]+:/i.exec(rest);
    if (scheme) {
      url.protocol = scheme[0].toLowerCase();
      rest = rest.slice(scheme[0].length);
    }
    const slashes = rest.startsWith('//') && (slashesDenoteHost || scheme || /^\/\/[^@/]+@[^@/]+/.test(rest));
    if (url.protocol !== 'javascript:' && (slashes || (scheme && !SLASHED.has(url.protocol)))) {
      if (slashes) url.slashes = true;
      rest = authority(url, slashes ? rest.slice(2) : rest);
    }
    if (url.protocol !== 'javascript:') rest = escaped(rest);
    const hash = rest.indexOf('#');
    if (hash >= 0) {
      url.hash = rest.slice(hash);
      rest = rest.slice(0, hash);
    }
    const question = rest.indexOf('?');
    if (question >= 0) {
      url.search = rest.slice(question);
      url.query = parseQuery ? builtins.querystring.parse(rest.slice(question + 1)) : rest.slice(question + 1);
      rest = rest.slice(0, question);
    } else if (parseQuery) {
      url.search = null;
      url.query = Object.create(null);
    }
    if (rest) url.pathname = rest;
    else if (url.slashes && url.hostname && SLASHED.has(url.protocol)) url.pathname = '/';
    if (url.pathname || url.search) url.path = (url.pathname || '') + (url.search || '');
    url.href = formatUrl(url);
    return url;
  };
  const formatUrl = (url) => {
    let auth = url.auth ? encodeURIComponent(url.auth).replace(/%3A/gi, ':') + '@' : '';
    let protocol = url.protocol || '';
    if (protocol && !protocol.endsWith(':')) protocol += ':';
    let host = '';
    if (url.host) {
      host = auth + url.host;
    } else if (url.hostname) {
      const bracketed = url.hostname.includes(':') && !url.hostname.startsWith('[') ? `[${url.hostname}]` : url.hostname;
      host = auth + bracketed + (url.port ? ':' + url.port : '');
    }
    const query = url.query !== null && typeof url.query === 'object' ? builtins.querystring.stringify(url.query) : '';
    let search = url.search || (query && '?' + query) || '';
    if (search && search[0] !== '?') search = '?' + search;
    let hash = url.hash || '';
    if (hash && hash[0] !== '#') hash = '#' + hash;
    let pathname = (url.pathname || '').replace(/[?#]/g, encodeURIComponent);
    if (url.slashes || (SLASHED.has(protocol) && host)) {
      if (pathname && pathname[0] !== '/') pathname = '/' + pathname;
      host = '//' + host;
    } else if (protocol === 'file:' || (SLASHED.has(protocol) && url.slashes)) {
      host = '//' + host;
    }
    return protocol + host + pathname + search.replaceAll('#', '%23') + hash;
  };
  Url.prototype.format = function () { return formatUrl(this); };
  Url.prototype.parse = function (...values) { return Object.assign(this, parse(...values)); };
  const format = (url, options) => {
    if (typeof url === 'string') return parse(url).format();
    if (!(url instanceof URL)) return formatUrl({ ...new Url(), ...url });
    const made = new URL(url.href);
    const { auth = true, fragment = true, search = true } = options || {};
    if (!auth) made.username = made.password = '';
    if (!fragment) made.hash = '';
    if (!search) made.search = '';
    return made.href;
  };
  // Against a stand-in where the base has no scheme or host of its own.
  const STAND_IN = 'resolve://stand-in';
  const resolve = (from, to) => {
    const base = new URL(from, STAND_IN + '/');
    const made = new URL(to, base);
    const text = made.href;
    if (!text.startsWith(STAND_IN)) return text;
    return text.slice(STAND_IN.length).slice(from.startsWith('/') || to.startsWith('/') ? 0 : 1);
  };
  builtins.url = {
    Url, parse, format, resolve, URL, URLSearchParams,
    resolveObject: (from, to) => parse(resolve(from, to)),
    domainToASCII: (name) => { try { return new URL('ws://' + name).hostname; } catch (_) { return ''; } },
    domainToUnicode: (name) => builtins.punycode.toUnicode(builtins.url.domainToASCII(name)),
    urlToHttpOptions: (url) => ({ protocol: url.protocol, hostname: url.hostname.replace(/^\[|\]$/g, ''), hash: url.hash,
      search: url.search, pathname: url.pathname, path: url.pathname + url.search, href: url.href,
      ...(url.port !== '' && { port: Number(url.port) }),
      ...((url.username || url.password) && { auth: `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` }) }),
    fileURLToPath: (url) => decodeURIComponent(new URL(url).pathname),
    pathToFileURL: (path) => new URL('file://' + encodeURI(path).replace(/[?#]/g, encodeURIComponent)),
  };
})(globalThis, globalThis.__host);
