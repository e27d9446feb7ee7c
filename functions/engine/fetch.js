// fetch with Headers, Request and Response, as far as requests and whole bodies go.
(function (global, host) {
  'use strict';
  const { ask, utf8Encode, traced } = host.kit;
  const textOf = (bytes) => new TextDecoder().decode(bytes);

  class Headers {
    #fields = new Map();
    constructor(from) {
      if (from === undefined || from === null) return;
      if (typeof from[Symbol.iterator] === 'function') {
        for (const [name, value] of from) this.append(name, value);
      } else {
        for (const name of Object.keys(from)) this.append(name, from[name]);
      }
    }
    // RFC 9110 section 5.1 and 5.5: whatever could end the line is refused here and by the host.
    #name(name) {
      name = String(name);
      if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) throw new TypeError('invalid header name: ' + name);
      return name.toLowerCase();
    }
    #value(name, value) {
      value = String(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
      if (/[\0\r\n]|[^\0-\xFF]/.test(value)) throw new TypeError('invalid value of header ' + name);
      return value;
    }
    append(name, value) {
      const key = this.#name(name);
      const values = this.#fields.get(key) || [];
      values.push(this.#value(key, value));
      this.#fields.set(key, values);
    }
    set(name, value) { const key = this.#name(name); this.#fields.set(key, [this.#value(key, value)]); }
    delete(name) { this.#fields.delete(this.#name(name)); }
    has(name) { return this.#fields.has(this.#name(name)); }
    get(name) { const found = this.#fields.get(this.#name(name)); return found ? found.join(', ') : null; }
    getSetCookie() { return [...(this.#fields.get('set-cookie') || [])]; }
    forEach(visit, self) { for (const [name, value] of this) visit.call(self, value, name, this); }
    *entries() {
      for (const name of [...this.#fields.keys()].sort()) {
        const values = this.#fields.get(name);
        if (name === 'set-cookie') for (const value of values) yield [name, value];
        else yield [name, values.join(', ')];
      }
    }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    [Symbol.iterator]() { return this.entries(); }
  }

  // A body is {text} or {bytes} or, as the host gives it, {text, base64}; null is none.
  const bodyOf = (value) => {
    if (value === undefined || value === null) return [null, null];
    if (value instanceof ArrayBuffer) return [{ bytes: new Uint8Array(value.slice(0)) }, null];
    if (ArrayBuffer.isView(value)) {
      return [{ bytes: new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice() }, null];
    }
    if (value instanceof global.URLSearchParams) {
      return [{ text: value.toString() }, 'application/x-www-form-urlencoded;charset=UTF-8'];
    }
    return [{ text: String(value).toWellFormed() }, 'text/plain;charset=UTF-8'];
  };

  class Body {
    #body;
    #used = false;
    constructor(body) { this.#body = body; }
    get bodyUsed() { return this.#used; }
    #take() {
      if (this.#used) throw new TypeError('Body is unusable: Body has already been read');
      this.#used = this.#body !== null;
      return this.#body || { text: '' };
    }
    async text() {
      const body = this.#take();
      return body.text !== undefined ? body.text : textOf(body.bytes);
    }
    async json() { return JSON.parse(await this.text()); }
    async bytes() {
      const body = this.#take();
      if (body.bytes) return body.bytes;
      return body.base64 === undefined ? utf8Encode(body.text).slice() : Uint8Array.fromBase64(body.base64);
    }
    async arrayBuffer() { return (await this.bytes()).buffer; }
    static _peek(one) {
      if (one.#used) throw new TypeError('Body has already been read');
      return one.#body;
    }
  }
  const peek = Body._peek;
  delete Body._peek;

  class Request extends Body {
    constructor(input, init = {}) {
      const from = input instanceof Request ? input : null;
      const method = methodOf(init.method !== undefined ? init.method : from ? from.method : 'GET');
      const [body, type] = init.body !== undefined || !from ? bodyOf(init.body) : [peek(from), null];
      if (body && (method === 'GET' || method === 'HEAD')) {
        throw new TypeError('Request with GET/HEAD method cannot have body.');
      }
      super(body);
      this.url = from ? from.url : urlOf(input);
      this.method = method;
      this.headers = new Headers(init.headers !== undefined ? init.headers : from ? from.headers : undefined);
      if (type && !this.headers.has('content-type')) this.headers.set('content-type', type);
      this.redirect = init.redirect || (from ? from.redirect : 'follow');
      this.signal = init.signal !== undefined ? init.signal : from ? from.signal : null;
    }
    clone() { return new Request(this); }
  }
  const urlOf = (input) => {
    try { return new URL(input).href; } catch (cause) { throw new TypeError('Failed to parse URL from ' + input, { cause }); }
  };
  const methodOf = (method) => {
    method = String(method);
    if (/^(connect|trace|track)$/i.test(method) || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method)) {
      throw new TypeError("'" + method + "' is not a usable HTTP method.");
    }
    return /^(delete|get|head|options|post|put)$/i.test(method) ? method.toUpperCase() : method;
  };

  class Response extends Body {
    constructor(body, init = {}, made) {
      const [content, type] = made ? [made.body, null] : bodyOf(body);
      super(content);
      this.status = init.status === undefined ? 200 : Number(init.status);
      if (!made && !(this.status >= 200 && this.status <= 599)) throw new RangeError('status out of range');
      this.statusText = init.statusText === undefined ? '' : String(init.statusText);
      this.headers = new Headers(init.headers);
      if (type && !this.headers.has('content-type')) this.headers.set('content-type', type);
      this.url = made ? made.url : '';
      this.redirected = made ? made.redirected : false;
      this.type = made ? 'basic' : 'default';
    }
    get ok() { return this.status >= 200 && this.status <= 299; }
    clone() {
      return new Response(null, this, { body: peek(this), url: this.url, redirected: this.redirected });
    }
    static json(value, init = {}) {
      const headers = new Headers(init.headers);
      if (!headers.has('content-type')) headers.set('content-type', 'application/json');
      return new Response(JSON.stringify(value), { ...init, headers });
    }
  }

  global.fetch = async (input, init) => {
    const called = new Error();
    const request = new Request(input, init);
    const body = peek(request);
    const headers = [...request.headers];
    if (!request.headers.has('accept')) headers.push(['accept', '*/*']);
    const { url, method, redirect } = request;
    const operation = { op: 'fetch', url, method, headers, redirect };
    if (body) {
      if (body.text !== undefined && body.base64 === undefined) operation.body = body.text;
      else operation.base64 = body.base64 || body.bytes.toBase64();
    }
    let answer;
    try {
      answer = await ask(operation, request.signal);
    } catch (error) {
      if (request.signal && request.signal.aborted) throw traced(error, called);
      // As the standard has it, with the reason in the message and its kind in `cause`.
      throw traced(new TypeError('fetch of ' + url + ' failed: ' + error.message, { cause: error }), called);
    }
    const made = {
      body: { text: answer.text, base64: answer.base64 }, url: answer.url, redirected: answer.redirected,
    };
    return new Response(null, answer, made);
  };
  Object.assign(global, { Headers, Request, Response });
})(globalThis, globalThis.__host);
