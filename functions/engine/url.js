// URL and URLSearchParams.
(function (global, host) {
  'use strict';
  const { address, fault, wrongType, inspect, utf8Decode, isObject } = host.kit;

  // application/x-www-form-urlencoded, both ways (URL standard, section 5).
  const decode = (text) => {
    text = text.replaceAll('+', ' ').toWellFormed();
    if (!text.includes('%')) return text;
    try { return decodeURIComponent(text); } catch (_) {
      return text.replace(/(?:%[0-9a-fA-F]{2})+/g, (run) => utf8Decode(Uint8Array.fromHex(run.replaceAll('%', ''))));
    }
  };
  const encode = (text) => encodeURIComponent(text).replace(/%20|[!'()~]/g, (c) =>
    (c === '%20' ? '+' : '%' + c.charCodeAt(0).toString(16).toUpperCase()));
  const pairsOf = (text) => text.split('&').filter(Boolean).map((part) => {
    const at = part.indexOf('=');
    return at < 0 ? [decode(part), ''] : [decode(part.slice(0, at)), decode(part.slice(at + 1))];
  });
  const wellFormed = (value) => String(value).toWellFormed();
  const need = (values, count, names) => {
    if (values.length < count) {
      throw fault(TypeError, 'ERR_MISSING_ARGS', `The ${names.map((name) => `"${name}"`).join(' and ')} ` +
        `argument${count > 1 ? 's' : ''} must be specified`);
    }
  };

  class URLSearchParams {
    #pairs = [];
    // Tells the URL that these are the parameters of.
    #changed = () => {};
    constructor(from) {
      if (from === undefined || from === null) return;
      if (isObject(from) && typeof from[Symbol.iterator] === 'function') {
        for (const pair of from) {
          const entry = isObject(pair) && typeof pair[Symbol.iterator] === 'function' ? [...pair] : [];
          if (entry.length !== 2) {
            throw fault(TypeError, 'ERR_INVALID_TUPLE', 'Each query pair must be an iterable [name, value] tuple');
          }
          this.#pairs.push(entry.map(wellFormed));
        }
      } else if (isObject(from)) {
        for (const key of Reflect.ownKeys(from)) {
          if (Object.prototype.propertyIsEnumerable.call(from, key)) this.#pairs.push([wellFormed(key), wellFormed(from[key])]);
        }
      } else {
        this.#pairs = pairsOf(String(from).replace(/^\?/, ''));
      }
    }
    static of(text, changed) {
      const made = new URLSearchParams(text);
      made.#changed = changed;
      return made;
    }
    static reset(parameters, text) { parameters.#pairs = pairsOf(text); }
    get size() { return this.#pairs.length; }
    append(...values) {
      need(values, 2, ['name', 'value']);
      this.#pairs.push([wellFormed(values[0]), wellFormed(values[1])]);
      this.#changed();
    }
    delete(...values) {
      need(values, 1, ['name']);
      const [key, value] = [wellFormed(values[0]), values[1]];
      this.#pairs = this.#pairs.filter((pair) => pair[0] !== key || (value !== undefined && pair[1] !== wellFormed(value)));
      this.#changed();
    }
    get(...values) {
      need(values, 1, ['name']);
      const key = wellFormed(values[0]);
      const found = this.#pairs.find((pair) => pair[0] === key);
      return found ? found[1] : null;
    }
    getAll(...values) {
      need(values, 1, ['name']);
      const key = wellFormed(values[0]);
      return this.#pairs.filter((pair) => pair[0] === key).map((pair) => pair[1]);
    }
    has(...values) {
      need(values, 1, ['name']);
      const [key, value] = [wellFormed(values[0]), values[1]];
      return this.#pairs.some((pair) => pair[0] === key && (value === undefined || pair[1] === wellFormed(value)));
    }
    set(...values) {
      need(values, 2, ['name', 'value']);
      const [key, value] = values.map(wellFormed);
      const at = this.#pairs.findIndex((pair) => pair[0] === key);
      if (at < 0) return this.append(key, value);
      this.#pairs[at][1] = value;
      this.#pairs = this.#pairs.filter((pair, index) => index <= at || pair[0] !== key);
      return this.#changed();
    }
    sort() {
      // By UTF-16 units, and equal names keep their order.
      this.#pairs.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
      this.#changed();
    }
    forEach(visit, receiver) {
      if (typeof visit !== 'function') throw wrongType('callback', 'of type function', visit);
      for (const [key, value] of this) visit.call(receiver, value, key, this);
    }
    * entries() { for (let at = 0; at < this.#pairs.length; at++) yield [...this.#pairs[at]]; }
    * keys() { for (const [key] of this.entries()) yield key; }
    * values() { for (const [, value] of this.entries()) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this.#pairs.map(([key, value]) => `${encode(key)}=${encode(value)}`).join('&'); }
    get [Symbol.toStringTag]() { return 'URLSearchParams'; }
    [inspect.custom](depth, options) {
      if (depth < 0) return '[Object]';
      const shown = this.#pairs.map(([key, value]) => `${inspect(key, options)} => ${inspect(value, options)}`);
      return shown.length ? `URLSearchParams { ${shown.join(', ')} }` : 'URLSearchParams {}';
    }
  }

  class URL {
    #url;
    #parameters;
    constructor(...values) {
      if (!values.length) need(values, 1, ['url']);
      const [input, base] = values;
      this.#url = address.parse(String(input), base === undefined ? undefined : String(base));
    }
    static canParse(input, base) {
      try { return Boolean(new URL(input, base)); } catch (_) { return false; }
    }
    static parse(input, base) {
      try { return new URL(input, base); } catch (_) { return null; }
    }
    get href() { return address.serialize(this.#url); }
    set href(value) {
      this.#url = address.parse(String(value));
      this.#refresh();
    }
    get origin() {
      const { scheme, host: name, port } = this.#url;
      if (scheme === 'blob:') {
        const inner = URL.parse(address.pathOf(this.#url));
        return inner && /^https?:$/.test(inner.protocol) ? inner.origin : 'null';
      }
      return address.isSpecial(this.#url) && scheme !== 'file:' ? `${scheme}//${name}${port && ':' + port}` : 'null';
    }
    get protocol() { return this.#url.scheme; }
    set protocol(value) {
      const found = /^([A-Za-z][A-Za-z0-9+\-.]*)(?::|$)/.exec(String(value));
      if (!found) return;
      const made = { ...this.#url, scheme: found[1].toLowerCase() + ':' };
      const url = this.#url;
      if (address.isSpecial(made) !== address.isSpecial(url)) return;
      if (made.scheme === 'file:' && (url.username || url.password || url.port)) return;
      if (url.scheme === 'file:' && url.host === '') return;
      url.scheme = made.scheme;
      if (url.port === address.PORTS[url.scheme]) url.port = '';
    }
    #noAuthority() { return this.#url.host === null || this.#url.host === '' || this.#url.scheme === 'file:'; }
    get username() { return this.#url.username; }
    set username(value) { if (!this.#noAuthority()) this.#url.username = address.encode(wellFormed(value), address.USERINFO); }
    get password() { return this.#url.password; }
    set password(value) { if (!this.#noAuthority()) this.#url.password = address.encode(wellFormed(value), address.USERINFO); }
    get host() { return this.hostname + (this.#url.port && ':' + this.#url.port); }
    set host(value) { this.#setHost(String(value), true); }
    get hostname() { return this.#url.host === null ? '' : this.#url.host; }
    set hostname(value) { this.#setHost(String(value), false); }
    #setHost(text, withPort) {
      const url = this.#url;
      if (typeof url.path === 'string') return;
      const special = address.isSpecial(url);
      const end = text.replace(/[\t\n\r]/g, '').split(special ? /[/\\?#]/ : /[/?#]/)[0];
      const [name, port, colon] = address.splitPort(end);
      if (colon && (!withPort || name === '')) return;
      if (name === '' && (special ? url.scheme !== 'file:' : url.username || url.password || url.port)) return;
      const parsed = address.attempt(() => (name === '' ? '' : address.parseHost(name, special)));
      if (parsed === undefined) return;
      url.host = url.scheme === 'file:' && parsed === 'localhost' ? '' : parsed;
      if (port && url.scheme !== 'file:') this.#setPort(port);
    }
    get port() { return this.#url.port; }
    set port(value) { if (!this.#noAuthority()) this.#setPort(String(value), true); }
    #setPort(text, empty) {
      const digits = /^\d*/.exec(text.replace(/[\t\n\r]/g, ''))[0];
      if (digits === '' && (!empty || text !== '')) return;
      address.attempt(() => address.setPort(this.#url, digits));
    }
    get pathname() { return address.pathOf(this.#url); }
    set pathname(value) {
      if (typeof this.#url.path === 'string') return;
      const text = wellFormed(value).replace(/[\t\n\r]/g, '').replaceAll('?', '%3F').replaceAll('#', '%23');
      address.setPath(this.#url, text);
    }
    get search() { return this.#url.query ? '?' + this.#url.query : ''; }
    set search(value) {
      const text = wellFormed(value).replace(/[\t\n\r]/g, '');
      if (text === '') this.#url.query = null;
      else address.setQuery(this.#url, text.replace(/^\?/, '').replaceAll('#', '%23'));
      this.#refresh();
    }
    get searchParams() {
      if (!this.#parameters) {
        this.#parameters = URLSearchParams.of(this.#url.query || '', () => {
          this.#url.query = String(this.#parameters) || null;
        });
      }
      return this.#parameters;
    }
    #refresh() { if (this.#parameters) URLSearchParams.reset(this.#parameters, this.#url.query || ''); }
    get hash() { return this.#url.fragment ? '#' + this.#url.fragment : ''; }
    set hash(value) {
      const text = wellFormed(value).replace(/[\t\n\r]/g, '');
      if (text === '') this.#url.fragment = null;
      else address.setFragment(this.#url, text.replace(/^#/, ''));
    }
    toString() { return this.href; }
    toJSON() { return this.href; }
    get [Symbol.toStringTag]() { return 'URL'; }
    [inspect.custom](depth, options) {
      if (depth < 0) return 'URL {}';
      const shown = {};
      for (const name of ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname',
        'search', 'searchParams', 'hash']) shown[name] = this[name];
      return 'URL ' + inspect(shown, options);
    }
  }
  for (const name of Object.getOwnPropertyNames(URL.prototype)) {
    if (name !== 'constructor') Object.defineProperty(URL.prototype, name, { enumerable: true });
  }
  Object.assign(global, { URL, URLSearchParams });
})(globalThis, globalThis.__host);
