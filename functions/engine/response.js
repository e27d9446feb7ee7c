// Twilio.Response: an answer with a status, headers and cookies.
(function (global, host) {
  'use strict';
  const { isObject } = host.kit;

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

  Object.assign(host.kit, { Response });
})(globalThis, globalThis.__host);
