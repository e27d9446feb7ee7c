// What a Twilio-style handler finds around it: Twilio.twiml, Twilio.Response, Runtime, console,
// timers, require. Evaluated once; every function starts from a copy of the heap it leaves.
// `__host` is the shim's object {log, random, wait, done}; it is gone before a request runs.
(function (global) {
  'use strict';
  const host = global.__host;

  // --- TwiML ------------------------------------------------------------------------------

  const escapeText = (text) =>
    text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/\r/g, '&#xD;');
  const escapeAttribute = (text) =>
    text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;')
      .replace(/\t/g, '&#x9;').replace(/\n/g, '&#xA;').replace(/\r/g, '&#xD;');
  // XML 1.0 section 2.2: what may not stand in a document even when escaped.
  const ILLEGAL =
    /[\0-\x08\x0B\f\x0E-\x1F\uFFFE\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?:[^\uD800-\uDBFF]|^)[\uDC00-\uDFFF]/;
  const legal = (text) => {
    const found = ILLEGAL.exec(text);
    if (found) throw new Error('Invalid character in string: ' + text + ' at index ' + found.index);
    return text;
  };
  const isObject = (value) =>
    value !== null && (typeof value === 'object' || typeof value === 'function');

  class TwiML {
    #name;
    #attributes = [];
    #children = [];
    #around = { before: [], after: [] };

    constructor(name, attributes, text) {
      this.#name = name;
      // As the helper library has it: a first argument that is not an object is the text.
      if (attributes !== undefined && attributes !== null && !isObject(attributes)) {
        [attributes, text] = [text, attributes];
      }
      for (const key in attributes) {
        let value = attributes[key];
        if (typeof value === 'function') value = value();
        if (value === undefined || value === null) continue;
        value = Array.isArray(value) ? value.join(' ') : String(value);
        this.#attributes.push(key, legal(value));
      }
      if (text !== undefined && text !== null) this.addText(text);
    }
    addText(text) {
      this.#children.push(legal(escapeText(String(text))));
    }
    addChild(name, attributes) {
      return this._add(new TwiML(legal(String(name)), attributes));
    }
    _add(child) {
      this.#children.push(child);
      return child;
    }
    _comment(text, place) {
      text = String(text);
      if (text.includes('--')) {
        throw new Error('Comment text cannot contain double-hypen: ' + text);
      }
      const comment = { toXml: () => '<!-- ' + legal(text) + ' -->' };
      (place ? this.#around[place] : this.#children).push(comment);
      return this;
    }
    toXml() {
      let xml = '<' + this.#name;
      const attributes = this.#attributes;
      for (let i = 0; i < attributes.length; i += 2) {
        xml += ' ' + attributes[i] + '="' + escapeAttribute(attributes[i + 1]) + '"';
      }
      if (this.#children.every((child) => child === '')) return xml + '/>';
      xml += '>';
      for (const child of this.#children) xml += typeof child === 'string' ? child : child.toXml();
      return xml + '</' + this.#name + '>';
    }
    toString() {
      const join = (list) => list.map((comment) => comment.toXml()).join('');
      return '<?xml version="1.0" encoding="UTF-8"?>' +
        join(this.#around.before) + this.toXml() + join(this.#around.after);
    }
  }

  // One line per element: its builders. `name` is the method; `:Tag` the element when it is not
  // the capitalised name; `*` means that it takes a text; `>Class` the class when not the element.
  const SSML = 'break:break>SsmlBreak emphasis:emphasis*>SsmlEmphasis lang:lang*>SsmlLang ' +
    'phoneme:phoneme*>SsmlPhoneme prosody:prosody*>SsmlProsody sayAs:say-as*>SsmlSayAs ' +
    'sub:sub*>SsmlSub ';
  const SENTENCE = SSML + 'w:w*>SsmlW ';
  const PARAGRAPH = SENTENCE + 's:s*>SsmlS ';
  const ANY_SSML = PARAGRAPH + 'p:p*>SsmlP';
  const PROMPTS = 'pause play* say*';
  const VOICE = {
    VoiceResponse: 'connect dial* echo enqueue* gather hangup leave pause pay play* prompt queue* ' +
      'record redirect* refer reject say* sms* start stop',
    Application: 'applicationSid* parameter',
    Client: 'identity* parameter',
    Connect: 'aiSession autopilot* conversation conversationRelay conversationRelaySession ' +
      'room* stream virtualAgent assistant*',
    ConversationRelay: 'language parameter',
    Dial: 'application* client* conference* number* queue* sim* sip* whatsApp*',
    Enqueue: 'task*',
    Gather: PROMPTS,
    Hangup: 'parameter',
    Headers: 'header',
    Pay: 'parameter prompt',
    Prompt: PROMPTS,
    Refer: 'sip*>ReferSip referSip:Sip*>ReferSip',
    Reject: 'parameter',
    Say: ANY_SSML,
    Sip: 'headers uri*>SipUri',
    Siprec: 'parameter',
    SsmlEmphasis: SENTENCE,
    SsmlLang: ANY_SSML,
    SsmlP: PARAGRAPH,
    SsmlProsody: ANY_SSML,
    SsmlS: SENTENCE,
    SsmlW: SSML,
    Start: 'recording siprec stream transcription',
    Stop: 'siprec stream transcription',
    Stream: 'parameter',
    Transcription: 'config parameter',
    VirtualAgent: 'config parameter',
  };
  const MESSAGING = { MessagingResponse: 'message* redirect*', Message: 'body* media*' };

  const defineClasses = (rootName, spec) => {
    const classes = {};
    const classNamed = (name) => {
      if (classes[name]) return classes[name];
      const made = { [name]: class extends TwiML {} }[name];
      classes[name] = made;
      for (const entry of (spec[name] || '').split(' ')) if (entry) addBuilder(made, entry);
      return made;
    };
    const addBuilder = (owner, entry) => {
      const [, method, tag, text, className] = /^(\w+)(?::([\w-]+))?(\*)?(?:>(\w+))?$/.exec(entry);
      const element = tag || method[0].toUpperCase() + method.slice(1);
      const name = className || element;
      const build = function (attributes, content) {
        const Child = classNamed(name);
        return this._add(new Child(element, attributes, text ? content : undefined));
      };
      const define = (alias) =>
        Object.defineProperty(owner.prototype, alias, { value: build, writable: true, configurable: true });
      define(method);
      // Names from older releases of the helper library.
      if (name.startsWith('Ssml')) define(name[0].toLowerCase() + name.slice(1));
      if (method === 'break') define('break_');
    };
    const Root = { [rootName]: class extends TwiML {
      constructor() { super('Response'); }
      comment(text) { return this._comment(text); }
      commentBefore(text) { return this._comment(text, 'before'); }
      commentAfter(text) { return this._comment(text, 'after'); }
    } }[rootName];
    for (const entry of spec[rootName].split(' ')) addBuilder(Root, entry);
    for (const name in spec) if (name !== rootName) Root[name] = classNamed(name);
    return Root;
  };
  const twiml = {
    VoiceResponse: defineClasses('VoiceResponse', VOICE),
    MessagingResponse: defineClasses('MessagingResponse', MESSAGING),
  };

  // --- Twilio.Response --------------------------------------------------------------------

  class Response {
    constructor() {
      this.body = null;
      this.statusCode = 200;
      this.headers = {};
    }
    setBody(body) { this.body = body; return this; }
    setStatusCode(statusCode) { this.statusCode = statusCode; return this; }
    setHeaders(headers) {
      if (isObject(headers)) this.headers = headers;
      return this;
    }
    appendHeader(name, value) {
      const old = this.headers[name];
      this.headers[name] = old === undefined ? value : [].concat(old, value);
      return this;
    }
    setCookie(name, value, attributes = []) {
      const parts = [encodeURIComponent(name) + '=' + encodeURIComponent(value)].concat(attributes);
      return this.appendHeader('Set-Cookie', parts.join(';'));
    }
    removeCookie(name) { return this.setCookie(name, '', ['Max-Age=0']); }
  }

  // --- console, Math.random, timers -------------------------------------------------------

  const describe = (error) => String(error) + (error.stack ? '\n' + error.stack.trimEnd() : '');
  const format = (value) => {
    if (value instanceof Error) return describe(value);
    if (!isObject(value) || typeof value === 'function') return String(value);
    try { return JSON.stringify(value); } catch (_) { return String(value); }
  };
  const logger = (level) => (...values) => host.log(level, values.map(format).join(' '));
  global.console = {
    debug: logger(0), log: logger(1), info: logger(1), dir: logger(1), table: logger(1),
    trace: logger(1), warn: logger(2), error: logger(3),
    assert: (truth, ...values) => { if (!truth) global.console.error('Assertion failed', ...values); },
    time() {}, timeEnd() {}, group() {}, groupEnd() {},
  };

  // The engine's own generator would give every call the numbers frozen into the image.
  Math.random = () => {
    const [high, low] = new Uint32Array(host.random(8));
    return (high * 2097152 + (low >>> 11)) / 9007199254740992;
  };

  // A virtual clock for order; the host waits for the difference.
  const timers = new Map();
  let timerNumber = 0;
  let timerNow = 0;
  const addTimer = (repeat) => (callback, delay, ...values) => {
    const wait = Math.max(Number(delay) || 0, repeat ? 1 : 0);
    timers.set(++timerNumber, { due: timerNow + wait, callback, values, every: repeat && wait });
    return timerNumber;
  };
  const clearTimer = (number) => { timers.delete(number); };
  const runTimer = () => {
    let next = 0;
    for (const [number, timer] of timers) {
      if (!next || timer.due < timers.get(next).due) next = number;
    }
    const timer = timers.get(next);
    if (timer.due > timerNow) host.wait(timer.due - timerNow);
    timerNow = timer.due;
    if (timer.every) timer.due += timer.every; else timers.delete(next);
    timer.callback(...timer.values);
  };
  global.setTimeout = addTimer(false);
  global.setInterval = addTimer(true);
  global.setImmediate = (callback, ...values) => global.setTimeout(callback, 0, ...values);
  global.clearTimeout = global.clearInterval = global.clearImmediate = clearTimer;

  // --- modules ----------------------------------------------------------------------------

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

  const unavailable = (what) => () => {
    throw new Error(what + ' is not available inside functions');
  };
  const restClient = unavailable('the REST client (getTwilioClient)');
  global.Twilio = Object.assign(restClient, { twiml, Response });
  const querystring = {
    parse: (text) => {
      const parsed = {};
      for (const [key, value] of new URLSearchParams(text)) {
        parsed[key] = key in parsed ? [].concat(parsed[key], value) : value;
      }
      return parsed;
    },
    stringify: (object) => Object.keys(object).flatMap((key) => [].concat(object[key])
      .map((value) => encodeURIComponent(key) + '=' + encodeURIComponent(value))).join('&'),
    escape: encodeURIComponent,
    unescape: decodeURIComponent,
  };
  const modules = {
    twilio: global.Twilio,
    url: { URLSearchParams },
    querystring,
    util: { inspect: format, format: (...values) => values.map(format).join(' ') },
  };
  global.require = (name) => {
    const module = modules[String(name).replace(/^node:/, '')];
    if (module) return module;
    throw Object.assign(new Error("Cannot find module '" + name + "'"), { code: 'MODULE_NOT_FOUND' });
  };
  const assets = {};
  global.Runtime = {
    getAssets: () => assets,
    getFunctions: () => ({}),
    getSync: unavailable('Runtime.getSync'),
  };
  global.process = { env: {}, nextTick: (f, ...values) => { Promise.resolve().then(() => f(...values)); } };
  global.global = global;

  // --- deploying and handling -------------------------------------------------------------

  let exported;
  host.prepare = (environment) => { Object.assign(global.process.env, JSON.parse(environment)); };
  host.define = (filename, body) => {
    const module = { exports: {} };
    exported = module;
    body.call(module.exports, module.exports, global.require, module, filename, '/');
    if (typeof module.exports.handler !== 'function') {
      throw new TypeError('exports.handler is not a function');
    }
  };

  const textOf = (body) =>
    body === null || body === undefined ? '' : isObject(body) ? JSON.stringify(body) : String(body);
  const plain = (status, type, body) => ({ status, type, headers: {}, body });
  const responseOf = (value) => {
    if (value instanceof TwiML) return plain(200, 'text/xml', value.toString());
    if (value instanceof Response) {
      const json = isObject(value.body);
      return {
        status: value.statusCode,
        type: json ? 'application/json' : 'text/plain',
        headers: value.headers,
        body: textOf(value.body),
      };
    }
    if (value === undefined || value === null || typeof value === 'string') {
      return plain(200, 'text/plain', textOf(value));
    }
    return plain(200, 'application/json', JSON.stringify(value));
  };
  const errorResponse = (error) => {
    host.log(3, format(error));
    if (!(error instanceof Error)) {
      return plain(500, isObject(error) ? 'application/json' : 'text/plain', textOf(error));
    }
    const { name, message, stack } = error;
    return plain(500, 'application/json', JSON.stringify({ name, message, stack: describe(error), }));
  };

  let finished = false;
  const finish = (make, value) => {
    if (finished) return;
    let response;
    try { response = make(value); } catch (error) { response = errorResponse(error); }
    finished = true;
    host.done(JSON.stringify(response));
  };
  const callback = (error, value) => finish(error ? errorResponse : responseOf, error ? error : value);
  const fail = (error) => {
    // What a handler throws after its callback cannot change the answer any more.
    if (finished) host.log(2, 'after the callback: ' + format(error)); else finish(errorResponse, error);
  };

  host.handle = (input) => {
    const { context, event } = JSON.parse(input);
    const full = Object.assign({}, global.process.env, context, { getTwilioClient: restClient });
    try {
      const returned = exported.exports.handler(full, event, callback);
      if (returned && typeof returned.then === 'function') returned.then(undefined, fail);
    } catch (error) {
      fail(error);
    }
  };
  host.pump = () => {
    if (timers.size) {
      try { runTimer(); } catch (error) { fail(error); }
    } else {
      fail(new Error('the handler ended without calling its callback'));
    }
  };
})(globalThis);
