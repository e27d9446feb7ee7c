// Twilio, Runtime, process, and the modules that `require` knows without a file.
(function (global, host) {
  'use strict';
  const { builtins, twilio, getSync, restClient } = host.kit;

  global.Twilio = Object.assign(restClient, twilio);
  builtins.twilio = global.Twilio;
  global.Runtime = { getSync };
  global.process = { env: {}, nextTick: (f, ...values) => { Promise.resolve().then(() => f(...values)); } };
  global.global = global;
})(globalThis, globalThis.__host);
