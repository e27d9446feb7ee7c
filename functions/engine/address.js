// Parsing of addresses as the URL standard says (url.spec.whatwg.org, section 4.4), for URL.
(function (global, host) {
  'use strict';
  const { utf8Encode, utf8Decode, fault, toAscii } = host.kit;

  const PORTS = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21', 'file:': '' };
  const isSpecial = (url) => Object.hasOwn(PORTS, url.scheme);

  // The standard's sets of what is percent-encoded besides controls and everything above ASCII.
  const set = (characters) => new Set([...characters].map((c) => c.charCodeAt(0)));
  const FRAGMENT = set(' "<>`');
  const QUERY = set(' "#<>');
  const SPECIAL_QUERY = set(' "#<>\'');
  const PATH = set(' "#<>?`{}');
  const USERINFO = set(' "#<>?`{}/:;=@[\\]^|');
  const CONTROLS = new Set();
  const encode = (text, characters) => {
    // Most addresses need nothing.
    if (characters !== CONTROLS && /^[A-Za-z0-9\-._~\/]*$/.test(text) && !(characters === USERINFO && text.includes('/'))) return text;
    let out = '';
    for (const byte of utf8Encode(text)) {
      out += byte < 0x20 || byte > 0x7E || characters.has(byte)
        ? '%' + (byte < 16 ? '0' : '') + byte.toString(16).toUpperCase() : String.fromCharCode(byte);
    }
    return out;
  };
  const decode = (text) => {
    if (!text.includes('%')) return utf8Encode(text);
    const bytes = [];
    const given = utf8Encode(text);
    for (let i = 0; i < given.length; i++) {
      const hex = given[i] === 0x25 ? String.fromCharCode(given[i + 1], given[i + 2]) : '';
      if (/^[0-9a-fA-F]{2}$/.test(hex)) { bytes.push(parseInt(hex, 16)); i += 2; } else bytes.push(given[i]);
    }
    return bytes;
  };

  const invalid = (input, base) => {
    const error = fault(TypeError, 'ERR_INVALID_URL', 'Invalid URL');
    error.input = input;
    if (base !== undefined) error.base = base;
    return error;
  };
  class Failure {}
  const fail = () => { throw new Failure(); };

  // Section 3.5: hosts.
  const ipv4Part = (part) => {
    if (part === '') return fail();
    const found = /^0x([0-9a-f]*)$/i.exec(part);
    if (found) return found[1] === '' ? 0 : parseInt(found[1], 16);
    if (/^0[0-7]*$/.test(part)) return parseInt(part, 8);
    return /^[1-9]\d*$/.test(part) ? Number(part) : fail();
  };
  const endsInNumber = (name) => {
    const parts = name.split('.');
    if (parts.at(-1) === '' && parts.length > 1) parts.pop();
    return /^(?:\d+|0x[0-9a-f]*)$/i.test(parts.at(-1));
  };
  const ipv4 = (name) => {
    const parts = name.split('.');
    if (parts.at(-1) === '' && parts.length > 1) parts.pop();
    if (parts.length > 4) fail();
    const numbers = parts.map(ipv4Part);
    const last = numbers.pop();
    if (numbers.some((number) => number > 255) || last >= 256 ** (4 - numbers.length)) fail();
    const whole = numbers.reduce((sum, number, at) => sum + number * 256 ** (3 - at), last);
    return [3, 2, 1, 0].map((at) => Math.floor(whole / 256 ** at) % 256).join('.');
  };
  const ipv6 = (text) => {
    const halves = text.split('::');
    if (halves.length > 2) fail();
    const pieces = (half, last) => {
      if (half === '') return [];
      return half.split(':').flatMap((part, at, all) => {
        if (part.includes('.') && last && at === all.length - 1) {
          const bytes = part.split('.');
          if (bytes.length !== 4 || bytes.some((b) => !/^(?:0|[1-9]\d{0,2})$/.test(b) || b > 255)) fail();
          return [bytes[0] * 256 + +bytes[1], bytes[2] * 256 + +bytes[3]];
        }
        return /^[0-9a-f]{1,4}$/i.test(part) ? [parseInt(part, 16)] : fail();
      });
    };
    const [head, tail] = [pieces(halves[0], halves.length === 1), halves.length === 2 ? pieces(halves[1], true) : []];
    const zeros = 8 - head.length - tail.length;
    if (halves.length === 2 ? zeros < 1 : zeros !== 0) fail();
    const all = [...head, ...new Array(halves.length === 2 ? zeros : 0).fill(0), ...tail];
    // The longest run of more than one zero is left out, the first of several.
    let best = { at: -1, length: 1 };
    for (let at = 0; at < 8; at++) {
      let length = 0;
      while (at + length < 8 && all[at + length] === 0) length++;
      if (length > best.length) best = { at, length };
      if (length) at += length - 1;
    }
    const hex = (list) => list.map((piece) => piece.toString(16)).join(':');
    if (best.at < 0) return `[${hex(all)}]`;
    return `[${hex(all.slice(0, best.at))}::${hex(all.slice(best.at + best.length))}]`;
  };
  const parseHost = (text, special) => {
    if (text.startsWith('[')) return text.endsWith(']') ? ipv6(text.slice(1, -1)) : fail();
    if (!special) {
      return /[\0\t\n\r #/:<>?@[\\\]^|]/.test(text) ? fail() : encode(text, CONTROLS);
    }
    const name = toAscii(utf8Decode(decode(text)));
    if (name === '' || /[\0-\x20#%/:<>?@[\\\]^|\x7f]/.test(name)) fail();
    return endsInNumber(name) ? ipv4(name) : name;
  };

  const isDrive = (text) => /^[A-Za-z][:|]$/.test(text);
  const startsWithDrive = (text) => /^[A-Za-z][:|](?:$|[/\\?#])/.test(text);
  const shorten = (url) => {
    if (url.scheme === 'file:' && url.path.length === 1 && /^[A-Za-z]:$/.test(url.path[0])) return;
    url.path.pop();
  };

  // The parts of what stands after the scheme, each by its own rule of section 4.4.
  const setAuthority = (url, text) => {
    const at = text.lastIndexOf('@');
    if (at >= 0) {
      const [user, ...password] = text.slice(0, at).split(':');
      url.username = encode(user, USERINFO);
      url.password = encode(password.join(':'), USERINFO);
      if (text.slice(at + 1) === '') fail();
    }
    setHostAndPort(url, text.slice(at + 1));
  };
  const splitPort = (text) => {
    const colon = text.indexOf(':', text.lastIndexOf(']') + 1);
    return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1), true];
  };
  const setHostAndPort = (url, text) => {
    const [name, port, colon] = splitPort(text);
    if (name === '' && (isSpecial(url) || colon)) fail();
    url.host = name === '' ? '' : parseHost(name, isSpecial(url));
    setPort(url, port);
  };
  const setPort = (url, text) => {
    if (text === '') { url.port = ''; return; }
    if (!/^\d+$/.test(text) || Number(text) > 65535) fail();
    const port = String(Number(text));
    url.port = port === PORTS[url.scheme] ? '' : port;
  };
  const DOTS = /^(?:\.|%2e)$/i;
  const DOUBLE_DOTS = /^(?:\.|%2e){2}$/i;
  // `text` begins behind the slash that opens the path.
  const addPath = (url, text) => {
    const parts = text.split(isSpecial(url) ? /[/\\]/ : '/');
    parts.forEach((part, at) => {
      const last = at === parts.length - 1;
      if (DOUBLE_DOTS.test(part)) {
        shorten(url);
        if (last) url.path.push('');
      } else if (DOTS.test(part)) {
        if (last) url.path.push('');
      } else {
        if (url.scheme === 'file:' && !url.path.length && isDrive(part)) part = part[0] + ':';
        url.path.push(encode(part, PATH));
      }
    });
  };
  const setPath = (url, text) => {
    url.path = [];
    const slash = isSpecial(url) ? /^[/\\]/ : /^\//;
    if (text === '' && !isSpecial(url)) return;
    addPath(url, text.replace(slash, ''));
  };
  const setQuery = (url, text) => { url.query = encode(text, isSpecial(url) ? SPECIAL_QUERY : QUERY); };
  const setFragment = (url, text) => { url.fragment = encode(text, FRAGMENT); };

  const blank = () => ({ scheme: '', username: '', password: '', host: null, port: '', path: [], query: null, fragment: null });
  const copyOf = (from, names) => Object.fromEntries(names.map((name) => [name,
    Array.isArray(from[name]) ? [...from[name]] : from[name]]));
  const AUTHORITY = ['username', 'password', 'host', 'port'];

  // Cuts `?query` and `#fragment` off, which no other part may hold.
  const cut = (text) => {
    const hash = text.indexOf('#');
    const fragment = hash < 0 ? undefined : text.slice(hash + 1);
    if (hash >= 0) text = text.slice(0, hash);
    const mark = text.indexOf('?');
    return { body: mark < 0 ? text : text.slice(0, mark), query: mark < 0 ? undefined : text.slice(mark + 1), fragment };
  };
  const authorityAndPath = (url, body) => {
    const end = body.search(isSpecial(url) ? /[/\\]/ : /\//);
    setAuthority(url, end < 0 ? body : body.slice(0, end));
    if (isSpecial(url) || end >= 0) setPath(url, end < 0 ? '' : body.slice(end));
  };
  const fileBody = (url, body, base) => {
    url.host = '';
    const slashes = /^[/\\]*/.exec(body)[0].length;
    if (slashes >= 2) {
      const rest = body.slice(2);
      const end = rest.search(/[/\\]/);
      const name = end < 0 ? rest : rest.slice(0, end);
      if (isDrive(name)) return setPath(url, rest);
      url.host = name === '' ? '' : parseHost(name, true);
      if (url.host === 'localhost') url.host = '';
      return setPath(url, end < 0 ? '' : rest.slice(end));
    }
    if (slashes === 1) {
      if (base && base.scheme === 'file:') {
        url.host = base.host;
        if (!startsWithDrive(body.slice(1)) && base.path.length && /^[A-Za-z]:$/.test(base.path[0])) url.path.push(base.path[0]);
      }
      return addPath(url, body.slice(1));
    }
    if (!base || base.scheme !== 'file:') return setPath(url, body);
    Object.assign(url, copyOf(base, ['host', 'path']));
    if (body === '') return undefined;
    if (startsWithDrive(body)) url.path = []; else shorten(url);
    return addPath(url, body);
  };
  const relativeBody = (url, body, base) => {
    const slash = isSpecial(url) ? /^[/\\]/ : /^\//;
    const two = isSpecial(url) ? /^[/\\]{2}/ : /^\/\//;
    if (two.test(body)) return authorityAndPath(url, isSpecial(url) ? body.replace(/^[/\\]+/, '') : body.slice(2));
    Object.assign(url, copyOf(base, AUTHORITY));
    if (slash.test(body)) return addPath(url, body.slice(1));
    url.path = [...base.path];
    if (body === '') return undefined;
    shorten(url);
    return addPath(url, body);
  };
  const absoluteBody = (url, body) => {
    if (isSpecial(url)) return authorityAndPath(url, body.replace(/^[/\\]+/, ''));
    if (body.startsWith('//')) return authorityAndPath(url, body.slice(2));
    if (body.startsWith('/')) return addPath(url, body.slice(1));
    url.path = encode(body, CONTROLS);
    return undefined;
  };

  const parse = (text, base) => {
    text = text.replace(/^[\0-\x20]+|[\0-\x20]+$/g, '').replace(/[\t\n\r]/g, '').toWellFormed();
    const url = blank();
    const found = /^([A-Za-z][A-Za-z0-9+\-.]*:)/.exec(text);
    if (!found && !base) fail();
    url.scheme = found ? found[1].toLowerCase() : base.scheme;
    const { body, query, fragment } = cut(found ? text.slice(found[1].length) : text);
    const sameSpecial = found && base && isSpecial(url) && base.scheme === url.scheme && !/^[/\\]{2}/.test(body);
    if (url.scheme === 'file:') {
      fileBody(url, body, base);
    } else if (!found && typeof base.path === 'string') {
      // An opaque base takes a fragment only.
      if (body !== '' || query !== undefined || fragment === undefined) fail();
      url.path = base.path;
    } else if (!found || sameSpecial) {
      relativeBody(url, body, base);
    } else {
      absoluteBody(url, body);
    }
    const inherits = body === '' && base && (!found || sameSpecial || (url.scheme === 'file:' && base.scheme === 'file:'));
    if (query !== undefined) setQuery(url, query);
    else if (inherits) url.query = base.query;
    if (typeof url.path === 'string' && (query !== undefined || fragment !== undefined)) url.path = url.path.replace(/ $/, '%20');
    if (fragment !== undefined) setFragment(url, fragment);
    return url;
  };

  const pathOf = (url) => {
    if (typeof url.path === 'string') return url.path;
    return url.path.length ? '/' + url.path.join('/') : '';
  };
  const serialize = (url, { fragment = true } = {}) => {
    let text = url.scheme;
    if (url.host !== null) {
      text += '//';
      if (url.username || url.password) text += url.username + (url.password && ':' + url.password) + '@';
      text += url.host + (url.port && ':' + url.port);
    } else if (Array.isArray(url.path) && url.path.length > 1 && url.path[0] === '') {
      text += '/.';
    }
    text += pathOf(url);
    if (url.query !== null) text += '?' + url.query;
    return fragment && url.fragment !== null ? text + '#' + url.fragment : text;
  };

  // Gives undefined where the standard says failure, and lets setters leave the address alone.
  const attempt = (run) => {
    try { return run(); } catch (error) {
      if (error instanceof Failure) return undefined;
      throw error;
    }
  };
  const parseAddress = (input, base) => {
    let parsedBase;
    try {
      parsedBase = base === undefined ? undefined : parse(base);
      return parse(input, parsedBase);
    } catch (error) {
      if (error instanceof Failure) throw invalid(input, base);
      throw error;
    }
  };
  host.kit.address = { parse: parseAddress, serialize, pathOf, isSpecial, encode, USERINFO, attempt, parseHost, splitPort,
    setPort, setPath, setQuery, setFragment, PORTS, invalid };
})(globalThis, globalThis.__host);
