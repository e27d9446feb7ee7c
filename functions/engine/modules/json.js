// What is wrong with a text that JSON.parse refuses, and with a value that JSON.stringify does, as V8 words it.
(function (global, host) {
  'use strict';

  const BESIDE = 10;
  const NAMES = new Set(['undefined', 'NaN', 'Infinity', '[object Object]']);
  const unexpected = (text, at) => {
    if (at >= text.length) return 'Unexpected end of JSON input';
    const c = String.fromCodePoint(text.codePointAt(at));
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

  // Reads a text that is no JSON (RFC 8259), and throws what is wrong with it where V8 sees it first.
  const check = (text) => {
    let at = 0;
    const fail = (what) => { throw `${what} in JSON at position ${at}`; };
    const expect = () => { throw unexpected(text, at); };
    const skip = () => { while (at < text.length && ' \t\n\r'.includes(text[at])) at++; };
    const digit = () => /\d/.test(text[at] || '');
    const number = () => {
      if (text[at] === '-') { at++; if (!digit()) fail('No number after minus sign'); }
      if (text[at] === '0') { at++; if (digit()) fail('Unexpected number'); }
      while (digit()) at++;
      if (text[at] === '.') { at++; if (!digit()) fail('Unterminated fractional number'); while (digit()) at++; }
      if (/^[eE]$/.test(text[at])) {
        at++;
        if (/^[-+]$/.test(text[at])) at++;
        if (!digit()) fail('Exponent part is missing a number');
        while (digit()) at++;
      }
    };
    const string = () => {
      for (at++; text[at] !== '"'; at++) {
        if (at >= text.length) fail('Unterminated string');
        if (text[at] < ' ') fail('Bad control character in string literal');
        if (text[at] !== '\\') continue;
        at++;
        if (at >= text.length) throw 'Unexpected end of JSON input';
        if (text[at] === 'u') {
          for (let i = 0; i < 4; i++) { at++; if (!/[\da-f]/i.test(text[at] || '')) fail('Bad Unicode escape'); }
        } else if (!'"\\/bfnrt'.includes(text[at])) {
          fail('Bad escaped character');
        }
      }
      at++;
    };
    const word = (name) => {
      for (const c of name) { if (text[at] !== c) expect(); at++; }
    };
    const WORDS = { t: 'true', f: 'false', n: 'null' };
    // One value without what it holds; that is looked at in turn, so that depth is no matter.
    const ends = [];
    const property = (first) => {
      skip();
      if (text[at] !== '"') fail(first ? "Expected property name or '}'" : 'Expected double-quoted property name');
      string();
      skip();
      if (text[at] !== ':') fail("Expected ':' after property name");
      at++;
    };
    for (;;) {
      skip();
      const c = text[at];
      let open = false;
      if (c === '{' || c === '[') {
        at++;
        skip();
        if (text[at] === (c === '{' ? '}' : ']')) at++;
        else { ends.push(c === '{' ? '}' : ']'); open = true; if (c === '{') property(true); }
      } else if (c === '"') string();
      else if (c === '-' || digit()) number();
      else if (Object.hasOwn(WORDS, c)) word(WORDS[c]);
      else expect();
      while (!open && ends.length) {
        const end = ends.at(-1);
        skip();
        if (text[at] === end) { at++; ends.pop(); continue; }
        if (text[at] !== ',') fail(end === '}' ? "Expected ',' or '}' after property value" : "Expected ',' or ']' after array element");
        at++;
        if (end === '}') property(false);
        open = true;
      }
      if (open) continue;
      skip();
      if (at < text.length) throw `Unexpected non-whitespace character after JSON at position ${at}`;
      return;
    }
  };
  const fault = (text) => {
    try { check(text); } catch (what) { return what; }
    return undefined;
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

  host.kit.demanded['json.js'] = { fault, circular };
});
