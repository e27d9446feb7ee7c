// What JSON.parse and JSON.stringify say when they fail, as V8 says it: handlers show it to callers. The words are in
// modules/json.js, for those who need them.
(function (global, host) {
  'use strict';
  const { parse, stringify } = JSON;

  JSON.parse = function (text, reviver) {
    try {
      return parse(text, reviver);
    } catch (error) {
      if (error instanceof SyntaxError && error.message) {
        error.message = host.kit.onDemand('json.js').fault(String(text)) || error.message;
      }
      throw error;
    }
  };
  JSON.stringify = function (value, replacer, space) {
    try {
      return stringify(value, replacer, space);
    } catch (error) {
      if (error instanceof TypeError && error.message === 'circular reference') {
        error.message = host.kit.onDemand('json.js').circular(value) || 'Converting circular structure to JSON';
      }
      throw error;
    }
  };
  for (const [name, length] of [['parse', 2], ['stringify', 3]]) {
    Object.defineProperty(JSON, name, { enumerable: false });
    Object.defineProperty(JSON[name], 'name', { value: name });
    Object.defineProperty(JSON[name], 'length', { value: length });
  }
})(globalThis, globalThis.__host);
