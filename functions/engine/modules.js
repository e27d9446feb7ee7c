// Twilio, Runtime, process, and what `require` knows.
(function (global, host) {
  'use strict';
  const { builtins, twilio } = host.kit;

  const unavailable = (what) => () => {
    throw new Error(what + ' is not available inside functions');
  };
  const restClient = unavailable('the REST client (getTwilioClient)');
  global.Twilio = Object.assign(restClient, twilio);
  builtins.twilio = global.Twilio;
  global.require = (name) => {
    name = String(name).replace(/^node:/, '');
    if (Object.hasOwn(builtins, name)) return builtins[name];
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

  Object.assign(host.kit, { restClient });
})(globalThis, globalThis.__host);
