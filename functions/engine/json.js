// What JSON.parse and JSON.stringify say when they fail, as V8 says it: handlers show it to callers.
(function () {
  'use strict';
  const { parse, stringify } = JSON;

  // The engine counts bytes of UTF-8.
  const index = (text, bytes) => {
    let at = 0;
    for (const c of text) {
      if (bytes <= 0) break;
      const code = c.codePointAt(0);
      bytes -= code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
      at += c.length;
    }
    return at;
  };
  const BESIDE = 10;
  const NAMES = new Set(['undefined', 'NaN', 'Infinity', '[object Object]']);
  const unexpected = (text, at) => {
    const c = text[at];
    if (/[-\d]/.test(c)) return `Unexpected number in JSON at position ${at}`;
    if (c === '"') return `Unexpected string in JSON at position ${at}`;
    if (NAMES.has(text)) return `"${text}" is not valid JSON`;
    let shown = `"${text}"`;
    if (text.length > 2 * BESIDE) {
      const from = Math.max(at - BESIDE, 0), to = Math.min(at + BESIDE, text.length);
      shown = `${from > 0 ? '...' : ''}"${text.slice(from, to)}"${to < text.length ? '...' : ''}`;
    }
    return `Unexpected token '${c}', ${shown} is not valid JSON`;
  };
  const WORDS = ['true', 'false', 'null'];
  const worded = (text, message) => {
    let found = /^Unexpected token at (\d+) /.exec(message);
    if (found) {
      let at = index(text, Number(found[1]));
      // The first letter that is wrong, not the word.
      const word = WORDS.find((each) => each[0] === text[at]) || '';
      let same = 0;
      while (same < word.length && text[at + same] === word[same]) same++;
      if (same < word.length) at += same;
      if (at >= text.length) return 'Unexpected end of JSON input';
      return unexpected(text, at);
    }
    if (message === 'Unexpected end of JSON input') {
      const open = text.replace(/"(?:[^"\\]|\\.)*"/gs, '').includes('"');
      return open ? `Unterminated string in JSON at position ${text.length}` : message;
    }
    found = /^(.*) in JSON at position (\d+)$/s.exec(message);
    if (!found) return message;
    const at = index(text, Number(found[2]));
    let [, what] = found;
    if (what.startsWith('Expected property name') && /,\s*$/.test(text.slice(0, at))) {
      what = 'Expected double-quoted property name';
    }
    return `${what} in JSON at position ${at}`;
  };
  JSON.parse = function (text, reviver) {
    try {
      return parse(text, reviver);
    } catch (error) {
      if (error instanceof SyntaxError && error.message) error.message = worded(String(text), error.message);
      throw error;
    }
  };

  // The way from the first object that contains itself.
  const circle = (value, keys, path) => {
    const seen = path.indexOf(value);
    if (seen >= 0) return { path: path.slice(seen), keys: keys.slice(seen) };
    if (value === null || typeof value !== 'object') return null;
    for (const key of Object.keys(value)) {
      const found = circle(value[key], [...keys, Array.isArray(value) ? `index ${key}` : `property '${key}'`], [...path, value]);
      if (found) return found;
    }
    return null;
  };
  const kind = (object) => `object with constructor '${object.constructor ? object.constructor.name : 'Object'}'`;
  const circular = (value) => {
    const found = circle(value, [], []);
    if (!found) return undefined;
    const { path, keys } = found;
    const middle = path.slice(1).map((object, at) => `\n    |     ${keys[at]} -> ${kind(object)}`);
    if (middle.length > 2) middle.splice(1, middle.length - 2, '\n    |     ...');
    return `Converting circular structure to JSON\n    --> starting at ${kind(path[0])}${middle.join('')}` +
      `\n    --- ${keys.at(-1)} closes the circle`;
  };
  JSON.stringify = function (value, replacer, space) {
    try {
      return stringify(value, replacer, space);
    } catch (error) {
      if (error instanceof TypeError && error.message === 'circular reference') {
        error.message = circular(value) || 'Converting circular structure to JSON';
      }
      throw error;
    }
  };
  for (const [name, length] of [['parse', 2], ['stringify', 3]]) {
    Object.defineProperty(JSON, name, { enumerable: false });
    Object.defineProperty(JSON[name], 'name', { value: name });
    Object.defineProperty(JSON[name], 'length', { value: length });
  }
})();
