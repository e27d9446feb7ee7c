// Twilio.Response: an answer with a status, headers and cookies.
(function (global, host) {
  'use strict';
  const { builtins, isObject, fault } = host.kit;
  const COOKIE = 'Set-Cookie';

  class Response {
    constructor(options) {
      this.body = null;
      this.statusCode = 200;
      this.headers = {};
      if (options && options.statusCode) this.statusCode = options.statusCode;
      if (options && options.body) this.body = options.body;
      if (options && options.headers) this.headers = options.headers;
      const cookies = this.headers[COOKIE];
      if (!(COOKIE in this.headers)) this.headers[COOKIE] = [];
      else if (!Array.isArray(cookies) && cookies !== undefined) this.headers[COOKIE] = [cookies];
    }
    setStatusCode(statusCode) { this.statusCode = statusCode; return this; }
    setBody(body) { this.body = body; return this; }
    setHeaders(headers) {
      if (typeof headers !== 'object') return this;
      this.headers = {};
      for (const name in headers) this.appendHeader(name, headers[name]);
      return this;
    }
    appendHeader(name, value) {
      this.headers = this.headers || {};
      if (typeof value === 'object' && !Array.isArray(value)) throw new Error('Header value cannot be an object');
      const isCookie = name.toLowerCase() === COOKIE.toLowerCase();
      const known = isCookie ? COOKIE : name;
      const old = this.headers[known];
      if (old) this.headers[known] = [old, value].flat();
      else this.headers[known] = isCookie && !Array.isArray(value) ? [value] : value;
      if (!(COOKIE in this.headers)) this.headers[COOKIE] = [];
      return this;
    }
    setCookie(name, value, attributes = []) {
      const tail = attributes.length > 0 ? ';' + attributes.join(';') : '';
      return this.appendHeader(COOKIE, `${name}=${value}${tail}`);
    }
    removeCookie(name) {
      const cookies = [].concat(this.headers[COOKIE]).filter((cookie) =>
        typeof cookie === 'string' && !cookie.startsWith(name + '='));
      this.headers[COOKIE] = [...cookies, name + '=;Max-Age=0'];
      return this;
    }
    serialize() {
      const type = this.headers['Content-Type'];
      const json = typeof type === 'string' && type.startsWith('application/json');
      return { statusCode: this.statusCode, body: json ? JSON.stringify(this.body) : this.body, headers: this.headers };
    }
  }

  // What leaves for one: the kind of its body decides the type when no header does. As Express has it, a number is a status.
  const typed = (body) => {
    if (typeof body === 'number') return { type: 'text/plain', status: body, body: builtins.http.STATUS_CODES[body] || '' };
    if (body === null || body === undefined) return { type: 'text/plain', body: '' };
    if (typeof body === 'string') return { type: 'text/html', body };
    if (ArrayBuffer.isView(body)) {
      const bytes = new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
      return { type: 'application/octet-stream', body64: bytes.toBase64() };
    }
    if (isObject(body) || typeof body === 'boolean') return { type: 'application/json', body: JSON.stringify(body) };
    return { type: 'text/plain', body: String(body) };
  };
  const STATUS = { least: 100, most: 999 };
  // Text leaves as UTF-8, whatever was said about it.
  const inUtf8 = (type) => String(type).replace(/;\s*charset=[^;]*/i, '') + '; charset=utf-8';
  const answerOf = ({ statusCode, headers, body }) => {
    const answer = { status: statusCode, headers: { ...headers }, ...typed(body) };
    if (!(Math.trunc(answer.status) >= STATUS.least && answer.status <= STATUS.most)) {
      throw fault(RangeError, 'ERR_HTTP_INVALID_STATUS_CODE', `Invalid status code: ${answer.status}`);
    }
    for (const name in answer.headers) {
      if (/^content-type$/i.test(name) && answer.body) answer.headers[name] = inUtf8(answer.headers[name]);
    }
    return answer;
  };

  host.kit.twilio.Response = Response;
  Object.assign(host.kit, { Response, answerOf });
})(globalThis, globalThis.__host);
