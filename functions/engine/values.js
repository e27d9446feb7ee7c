// What the files of the prelude share, in `host.kit`. They are evaluated once, in the order of
// `javascript::PRELUDE`; every function starts from a copy of the heap that they leave. `__host` is
// the shim's object {log, random, ask, wait, done}; it is gone before a request runs.
(function (global, host) {
  'use strict';

  host.kit = {};

  const isObject = (value) =>
    value !== null && (typeof value === 'object' || typeof value === 'function');
  const describe = (error) => String(error.stack || error);
  const format = (value) => {
    if (value instanceof Error) return describe(value);
    if (!isObject(value) || typeof value === 'function') return String(value);
    try { return JSON.stringify(value); } catch (_) { return String(value); }
  };

  Object.assign(host.kit, { isObject, describe, format });
})(globalThis, globalThis.__host);
