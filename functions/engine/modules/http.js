// http and https as far as requests go: what a client writes is collected, sent with the host's fetch, and its
// answer read as a stream. Compiled only where a script requires it.
(function (global, host) {
  'use strict';
  const { builtins, ask, fault, wrongType } = host.kit;
  const { Buffer, process } = global;
  const { Readable, Writable } = builtins.stream;
  const EventEmitter = builtins.events;
  const later = (action, ...values) => process.nextTick(action, ...values);

  const STATUS_CODES = { 100: 'Continue', 101: 'Switching Protocols', 102: 'Processing', 103: 'Early Hints', 200: 'OK',
    201: 'Created', 202: 'Accepted', 203: 'Non-Authoritative Information', 204: 'No Content', 205: 'Reset Content',
    206: 'Partial Content', 207: 'Multi-Status', 208: 'Already Reported', 226: 'IM Used', 300: 'Multiple Choices',
    301: 'Moved Permanently', 302: 'Found', 303: 'See Other', 304: 'Not Modified', 305: 'Use Proxy',
    307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request', 401: 'Unauthorized',
    402: 'Payment Required', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 406: 'Not Acceptable',
    407: 'Proxy Authentication Required', 408: 'Request Timeout', 409: 'Conflict', 410: 'Gone', 411: 'Length Required',
    412: 'Precondition Failed', 413: 'Payload Too Large', 414: 'URI Too Long', 415: 'Unsupported Media Type',
    416: 'Range Not Satisfiable', 417: 'Expectation Failed', 418: "I'm a Teapot", 421: 'Misdirected Request',
    422: 'Unprocessable Entity', 423: 'Locked', 424: 'Failed Dependency', 425: 'Too Early', 426: 'Upgrade Required',
    428: 'Precondition Required', 429: 'Too Many Requests', 431: 'Request Header Fields Too Large',
    451: 'Unavailable For Legal Reasons', 500: 'Internal Server Error', 501: 'Not Implemented', 502: 'Bad Gateway',
    503: 'Service Unavailable', 504: 'Gateway Timeout', 505: 'HTTP Version Not Supported',
    506: 'Variant Also Negotiates', 507: 'Insufficient Storage', 508: 'Loop Detected',
    509: 'Bandwidth Limit Exceeded', 510: 'Not Extended', 511: 'Network Authentication Required' };
  const METHODS = ('ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL '
    + 'MOVE NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND '
    + 'UNLINK UNLOCK UNSUBSCRIBE').split(' ');

  // RFC 9110 section 5.6.2
  const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  const validateHeaderName = (name, label = 'Header name') => {
    if (typeof name !== 'string' || !TOKEN.test(name)) {
      throw fault(TypeError, 'ERR_INVALID_HTTP_TOKEN', `${label} must be a valid HTTP token ["${name}"]`);
    }
  };
  const validateHeaderValue = (name, value) => {
    if (value === undefined) {
      throw fault(TypeError, 'ERR_HTTP_INVALID_HEADER_VALUE', `Invalid value "${value}" for header "${name}"`);
    }
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) {
      throw fault(TypeError, 'ERR_INVALID_CHAR', `Invalid character in header content ["${name}"]`);
    }
  };

  // There are no sockets; packages set options of one and look whether it is encrypted.
  class Socket extends EventEmitter {
    constructor(encrypted) {
      super();
      Object.assign(this, { encrypted, authorized: encrypted, connecting: false, destroyed: false, writable: true,
        readable: true, remoteAddress: undefined, remoteFamily: undefined, bytesWritten: 0, bytesRead: 0 });
    }
    destroy() { this.destroyed = true; return this; }
  }
  for (const name of ['setKeepAlive', 'setNoDelay', 'setTimeout', 'ref', 'unref']) {
    Socket.prototype[name] = function () { return this; };
  }
  class Agent extends EventEmitter {
    constructor(options) {
      super();
      this.options = { ...options };
      Object.assign(this, { requests: {}, sockets: {}, freeSockets: {}, maxFreeSockets: 256,
        keepAlive: !!this.options.keepAlive, maxSockets: this.options.maxSockets || Infinity,
        defaultPort: 80, protocol: 'http:' });
    }
    getName({ host: name = 'localhost', port = '', localAddress = '' } = {}) { return `${name}:${port}:${localAddress}`; }
    destroy() {}
  }
  class SecureAgent extends Agent {
    constructor(options) {
      super(options);
      Object.assign(this, { defaultPort: 443, protocol: 'https:' });
    }
  }

  const ONCE = new Set(('age authorization content-length content-type etag expires from host if-modified-since '
    + 'if-unmodified-since last-modified location max-forwards proxy-authorization referer retry-after server '
    + 'user-agent').split(' '));
  class IncomingMessage extends Readable {
    constructor(socket) {
      super({ highWaterMark: 65536 });
      Object.assign(this, { httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1, complete: false,
        aborted: false, headers: {}, rawHeaders: [], trailers: {}, rawTrailers: [], url: '', method: null,
        statusCode: null, statusMessage: null, socket });
    }
    get connection() { return this.socket; }
    setTimeout() { return this; }
    _read() {}
    _field(name, value) {
      const key = name.toLowerCase();
      this.rawHeaders.push(name, value);
      if (key === 'set-cookie') (this.headers[key] = this.headers[key] || []).push(value);
      else if (!Object.hasOwn(this.headers, key)) this.headers[key] = value;
      else if (!ONCE.has(key)) this.headers[key] += (key === 'cookie' ? '; ' : ', ') + value;
    }
  }
  Object.defineProperty(IncomingMessage.prototype, '_field', { enumerable: false });

  // What sockets would say.
  const ERRNO = { ECONNREFUSED: -111, ENOTFOUND: -3008, ETIMEDOUT: -110, ECONNRESET: -104 };
  const failure = (error, { hostname, port }) => {
    if (error.name !== 'Network') return Object.assign(new Error(error.message), { code: error.name, cause: error });
    const { message } = error;
    const make = (text, code, syscall) => Object.assign(new Error(text), { errno: ERRNO[code], code, syscall });
    if (/refused/i.test(message)) {
      return Object.assign(make(`connect ECONNREFUSED ${hostname}:${port}`, 'ECONNREFUSED', 'connect'),
        { address: hostname, port: Number(port) });
    }
    if (/resolv|dns|lookup|no address|not known|no such host/i.test(message)) {
      return Object.assign(make(`getaddrinfo ENOTFOUND ${hostname}`, 'ENOTFOUND', 'getaddrinfo'), { hostname });
    }
    if (/time/i.test(message)) return make(`connect ETIMEDOUT ${hostname}:${port}`, 'ETIMEDOUT', 'connect');
    return make(message, 'ECONNRESET', 'read');
  };
  const reset = (message) => Object.assign(new Error(message), { code: 'ECONNRESET' });
  // What the host decides or undoes itself.
  const OURS = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'accept-encoding', 'keep-alive', 'te',
    'upgrade', 'expect', 'proxy-connection']);

  class ClientRequest extends Writable {
    #fields = new Map();
    #chunks = [];
    #timer;
    #wait = 0;
    #give = new global.AbortController();
    constructor(input, options, callback, secure) {
      super({ highWaterMark: 65536, autoDestroy: false });
      if (typeof input === 'string') input = builtins.url.urlToHttpOptions(new URL(input));
      else if (input instanceof URL) input = builtins.url.urlToHttpOptions(input);
      else [callback, options, input] = [options, input, null];
      if (typeof options === 'function') [callback, options] = [options, null];
      options = { ...input, ...options };
      const agent = options.agent || (secure ? builtins.https : builtins.http).globalAgent;
      const protocol = options.protocol || (secure ? 'https:' : 'http:');
      const wanted = agent.protocol || (secure ? 'https:' : 'http:');
      if (protocol !== wanted) {
        throw fault(TypeError, 'ERR_INVALID_PROTOCOL', `Protocol "${protocol}" not supported. Expected "${wanted}"`);
      }
      if (options.path && /[^\x21-\xff]/.test(options.path)) {
        throw fault(TypeError, 'ERR_UNESCAPED_CHARACTERS', 'Request path contains unescaped characters');
      }
      if (options.method !== undefined && options.method !== null && typeof options.method !== 'string') {
        throw wrongType('options.method', 'of type string', options.method);
      }
      this.method = String(options.method || 'GET').toUpperCase();
      validateHeaderName(this.method, 'Method');
      const name = options.hostname || options.host || 'localhost';
      const port = options.port || options.defaultPort || agent.defaultPort;
      Object.assign(this, { path: options.path || '/', protocol, host: name, agent, aborted: false, finished: false,
        reusedSocket: false, res: null, socket: new Socket(protocol === 'https:'), _place: { hostname: name, port } });
      const { headers } = options;
      if (Array.isArray(headers)) for (let i = 0; i + 1 < headers.length; i += 2) this.setHeader(headers[i], headers[i + 1]);
      else for (const key of Object.keys(headers || {})) this.setHeader(key, headers[key]);
      if (!this.hasHeader('host')) {
        const usual = Number(port) === (protocol === 'https:' ? 443 : 80);
        this.setHeader('Host', usual ? name : `${name}:${port}`);
      }
      if (options.auth && !this.hasHeader('authorization')) {
        this.setHeader('Authorization', 'Basic ' + Buffer.from(options.auth).toString('base64'));
      }
      if (callback) this.once('response', callback);
      if (options.timeout) this.setTimeout(options.timeout);
      if (options.signal) {
        const give = () => this.destroy(Object.assign(new Error('The operation was aborted'), { name: 'AbortError', code: 'ABORT_ERR', cause: options.signal.reason }));
        if (options.signal.aborted) later(give); else options.signal.addEventListener('abort', give);
      }
      later(() => { if (!this.destroyed) this.emit('socket', this.socket); });
    }
    get connection() { return this.socket; }
    get headersSent() { return this.finished; }
    setHeader(name, value) {
      validateHeaderName(name);
      for (const one of [].concat(value)) validateHeaderValue(name, one);
      this.#fields.set(name.toLowerCase(), [name, value]);
      return this;
    }
    appendHeader(name, value) { return this.setHeader(name, [].concat(this.getHeader(name) || [], value)); }
    getHeader(name) { const field = this.#fields.get(name.toLowerCase()); return field && field[1]; }
    hasHeader(name) { return this.#fields.has(name.toLowerCase()); }
    removeHeader(name) { this.#fields.delete(name.toLowerCase()); }
    getHeaderNames() { return [...this.#fields.keys()]; }
    getRawHeaderNames() { return [...this.#fields.values()].map(([name]) => name); }
    getHeaders() {
      return Object.assign(Object.create(null), Object.fromEntries([...this.#fields].map(([key, [, value]]) => [key, value])));
    }
    flushHeaders() {}
    setNoDelay() {}
    setSocketKeepAlive() {}
    // As with Node, time that passed is told, and whoever hears of it decides.
    setTimeout(milliseconds, callback) {
      if (callback) this.once('timeout', callback);
      this.#wait = Number(milliseconds) || 0;
      this.#rest();
      return this;
    }
    clearTimeout(callback) { return this.setTimeout(0, callback); }
    #rest() {
      global.clearTimeout(this.#timer);
      if (this.#wait > 0) this.#timer = global.setTimeout(() => this.emit('timeout'), this.#wait);
    }
    #still() { this.#wait = 0; global.clearTimeout(this.#timer); }
    abort() {
      if (this.aborted) return;
      this.aborted = true;
      later(() => this.emit('abort'));
      this.destroy();
    }
    _write(chunk, encoding, callback) {
      this.#chunks.push(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
      callback();
    }
    _final(callback) {
      this.finished = true;
      callback();
      this.#send();
    }
    _destroy(error, callback) {
      this.#still();
      this.#give.abort();
      // A response that is there ends with its request; without one nobody has heard anything yet.
      if (this.res && !this.res.complete) {
        const { res } = this;
        res.aborted = true;
        res.emit('aborted');
        // As in Node, nobody is made to listen for it.
        res.destroy(res.listenerCount('error') ? error || reset('aborted') : null);
        return callback(null);
      }
      callback(error || (this.res ? null : reset('socket hang up')));
    }
    async #send() {
      const { hostname, port } = this._place;
      const shown = hostname.includes(':') && hostname[0] !== '[' ? `[${hostname}]` : hostname;
      const headers = [];
      for (const [key, [name, value]] of this.#fields) {
        if (!OURS.has(key)) for (const one of [].concat(value)) headers.push([name, String(one)]);
      }
      const operation = { op: 'fetch', url: `${this.protocol}//${shown}:${port}${this.path}`, method: this.method, headers,
        redirect: 'manual' };
      if (this.#chunks.length) operation.base64 = Buffer.concat(this.#chunks).toString('base64');
      let answer;
      try {
        answer = await ask(operation, this.#give.signal);
      } catch (error) {
        if (!this.destroyed) this.destroy(failure(error, this._place));
        return;
      }
      if (this.destroyed) return;
      this.#still();
      const message = this.res = new IncomingMessage(this.socket);
      for (const [name, value] of answer.headers) message._field(name, value);
      Object.assign(message, { statusCode: answer.status,
        statusMessage: answer.statusText || STATUS_CODES[answer.status] || '', req: this });
      message.once('end', () => this.destroy());
      const body = answer.base64 === undefined ? Buffer.from(answer.text) : Buffer.from(answer.base64, 'base64');
      if (!this.emit('response', message)) message.resume();
      message.complete = true;
      if (body.length) message.push(body);
      message.push(null);
    }
  }
  Object.defineProperty(ClientRequest.prototype, '_place', { writable: true, enumerable: false });

  const none = (what) => () => {
    throw fault(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', `${what} is not available inside functions: they open no sockets`);
  };
  const make = (secure) => {
    const request = (...values) => new ClientRequest(values[0], values[1], values[2], secure);
    const name = secure ? 'https' : 'http';
    return {
      request,
      get(...values) { const made = request(...values); made.end(); return made; },
      Agent: secure ? SecureAgent : Agent,
      globalAgent: secure ? new SecureAgent({ keepAlive: true }) : new Agent({ keepAlive: true }),
      createServer: none(name + '.createServer'),
      Server: class Server extends EventEmitter { constructor() { super(); none(name + '.Server')(); } },
    };
  };
  class ServerResponse extends Writable {}
  builtins.http = Object.assign(make(false), { METHODS, STATUS_CODES, ClientRequest, IncomingMessage, ServerResponse,
    OutgoingMessage: Writable, validateHeaderName, validateHeaderValue, maxHeaderSize: 16384, setMaxIdleHTTPParsers() {} });
  builtins.https = make(true);
})
