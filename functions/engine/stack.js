// Stacks as in Node: the message line first, then frames of the project's own files and packages.
(function (global, host) {
  'use strict';

  // Frames of this prelude and of the engine say nothing about the code that failed.
  const INNER = /^\s*at (?:.*\(offhook:[^)]*\)|offhook:\S*|.*\(native\))$/;
  const clean = (stack) => stack.split('\n').filter((line) => line && !INNER.test(line)).join('\n');
  const { coded } = host.kit;
  const head = (error) => {
    try {
      if (coded.has(error)) return `${error.name} [${error.code}]: ${error.message}`;
      return Error.prototype.toString.call(error);
    } catch (_) { return 'Error'; }
  };
  const { get, set } = Object.getOwnPropertyDescriptor(Error.prototype, 'stack');
  Object.defineProperty(Error.prototype, 'stack', {
    configurable: true,
    set,
    get() {
      const stack = get.call(this);
      // What a script assigned, or its Error.prepareStackTrace made, stays as it is.
      if (typeof stack !== 'string' || (stack && !/^\s+at /.test(stack))) return stack;
      const frames = clean(stack);
      return frames ? head(this) + '\n' + frames : head(this);
    },
  });
  const capture = Error.captureStackTrace;
  Error.captureStackTrace = (target, above) => {
    capture(target, above);
    const own = Object.getOwnPropertyDescriptor(target, 'stack');
    if (own && typeof own.value === 'string' && /^\s+at /.test(own.value)) {
      target.stack = head(target) + '\n' + clean(own.value);
    }
  };
  // Inner frames count, too, before they are taken out.
  Error.stackTraceLimit = 30;
})(globalThis, globalThis.__host);
