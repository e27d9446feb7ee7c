// Twilio, Runtime, process, and the modules that `require` knows without a file.
(function (global, host) {
  'use strict';
  const { twiml, Response, format, getSync, restClient } = host.kit;

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
  global.Runtime = { getSync };
  global.process = { env: {}, nextTick: (f, ...values) => { Promise.resolve().then(() => f(...values)); } };
  global.global = global;

  Object.assign(host.kit, { builtins: modules });
})(globalThis, globalThis.__host);
