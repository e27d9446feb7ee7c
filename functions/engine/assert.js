// assert.
(function (global, host) {
  'use strict';
  const { builtins, inspect, equal, wrongType, coded } = host.kit;

  class AssertionError extends Error {
    constructor({ message, actual, expected, operator }) {
      super(message);
      this.name = 'AssertionError';
      this.code = 'ERR_ASSERTION';
      this.generatedMessage = false;
      Object.assign(this, { actual, expected, operator });
      coded.add(this);
    }
    toString() { return `${this.name} [${this.code}]: ${this.message}`; }
  }
  const check = (good, given, actual, expected, operator, worded) => {
    if (good) return;
    if (given instanceof Error) throw given;
    const message = given === undefined ? worded() : given;
    const error = new AssertionError({ message, actual, expected, operator });
    error.generatedMessage = given === undefined;
    throw error;
  };
  const both = (actual, expected, text) => () => `${text}\n\n${inspect(actual)} should ${inspect(expected)}`
    .replace(' should ', text.includes('not') ? ' and ' : ' !== ') + '\n';

  const ok = (...values) => {
    const [value, message] = values;
    check(value, message, value, true, '==', () => (values.length
      ? `The expression evaluated to a falsy value: ${inspect(value)}` : 'No value argument passed to `assert.ok()`'));
  };
  const assert = (...values) => ok(...values);
  // Is `error` what `expected` describes: a class, a pattern, members, or a function that says so?
  const matches = (error, expected) => {
    if (expected === undefined) return true;
    if (expected instanceof RegExp) return expected.test(String(error));
    if (typeof expected === 'function') {
      if (expected.prototype !== undefined && error instanceof expected) return true;
      if (Error.isPrototypeOf(expected) || expected === Error) return false;
      return expected.call({}, error) === true;
    }
    return Object.keys(expected).every((key) => (expected[key] instanceof RegExp && typeof error[key] === 'string'
      ? expected[key].test(error[key]) : equal(error[key], expected[key], true)));
  };
  const thrown = (error, expected, message, operator) => {
    if (typeof expected === 'string') [expected, message] = [undefined, expected];
    if (matches(error, expected)) return;
    check(false, message, error, expected, operator, () => (typeof expected === 'function' && error instanceof Error
      ? `The error is expected to be an instance of "${expected.name}". Received "${error.name}"\n\n` +
        `Error message:\n\n${error.message}`
      : `The error did not match what was expected: ${inspect(error)}`));
  };
  const missing = (expected, message, operator, what) => {
    if (typeof expected === 'string') [expected, message] = [undefined, expected];
    const name = expected && expected.name ? ` (${expected.name})` : '';
    const text = `Missing expected ${what}${name}${message ? `: ${message}` : '.'}`;
    check(false, message instanceof Error ? message : text, undefined, expected, operator);
  };

  const define = (name, operator, holds, worded) => {
    assert[name] = (actual, expected, message) =>
      check(holds(actual, expected), message, actual, expected, operator, worded(actual, expected));
  };
  const words = (text) => (actual, expected) => both(actual, expected, text);
  /* eslint-disable eqeqeq -- the old comparisons are loose */
  define('equal', '==', (a, b) => a == b || (a !== a && b !== b), (a, b) => () => `${inspect(a)} == ${inspect(b)}`);
  define('notEqual', '!=', (a, b) => !(a == b || (a !== a && b !== b)), (a, b) => () => `${inspect(a)} != ${inspect(b)}`);
  /* eslint-enable eqeqeq */
  define('strictEqual', 'strictEqual', Object.is, words('Expected values to be strictly equal:'));
  define('notStrictEqual', 'notStrictEqual', (a, b) => !Object.is(a, b),
    (a) => () => `Expected "actual" to be strictly unequal to: ${inspect(a)}`);
  define('deepEqual', 'deepEqual', (a, b) => equal(a, b, false), words('Expected values to be loosely deep-equal:'));
  define('deepStrictEqual', 'deepStrictEqual', (a, b) => equal(a, b, true), words('Expected values to be strictly deep-equal:'));
  define('notDeepEqual', 'notDeepEqual', (a, b) => !equal(a, b, false), words('Expected "actual" not to be loosely deep-equal to:'));
  define('notDeepStrictEqual', 'notDeepStrictEqual', (a, b) => !equal(a, b, true), words('Expected "actual" not to be strictly deep-equal to:'));
  define('match', 'match', (a, b) => typeof a === 'string' && b.test(a),
    (a, b) => () => `The input did not match the regular expression ${inspect(b)}. Input:\n\n${inspect(a)}\n`);
  define('doesNotMatch', 'doesNotMatch', (a, b) => !(typeof a === 'string' && b.test(a)),
    (a, b) => () => `The input was expected to not match the regular expression ${inspect(b)}. Input:\n\n${inspect(a)}\n`);
  Object.assign(assert, {
    ok,
    fail(message = 'Failed') {
      if (message instanceof Error) throw message;
      throw new AssertionError({ message, operator: 'fail' });
    },
    ifError(value) {
      if (value !== null && value !== undefined) {
        const text = value instanceof Error ? value.message : inspect(value);
        check(false, undefined, value, null, 'ifError', () => `ifError got unwanted exception: ${text}`);
      }
    },
    throws(run, expected, message) {
      if (typeof run !== 'function') throw wrongType('fn', 'of type function', run);
      try { run(); } catch (error) { return thrown(error, expected, message, 'throws'); }
      return missing(expected, message, 'throws', 'exception');
    },
    doesNotThrow(run) { run(); },
    async rejects(promise, expected, message) {
      try { await (typeof promise === 'function' ? promise() : promise); } catch (error) {
        return thrown(error, expected, message, 'rejects');
      }
      return missing(expected, message, 'rejects', 'rejection');
    },
    async doesNotReject(promise) { await (typeof promise === 'function' ? promise() : promise); },
    AssertionError,
  });
  const strict = (...values) => ok(...values);
  Object.assign(strict, assert, { equal: assert.strictEqual, notEqual: assert.notStrictEqual,
    deepEqual: assert.deepStrictEqual, notDeepEqual: assert.notDeepStrictEqual });
  assert.strict = strict.strict = strict;
  builtins.assert = assert;
  builtins['assert/strict'] = strict;
})(globalThis, globalThis.__host);
