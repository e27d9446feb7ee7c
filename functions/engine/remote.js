// Asking the host: operations that go on outside while the handler does something else.
(function (global, host) {
  'use strict';

  // Those whose answers have not come, by the number that the host gave.
  const asked = new Map();

  // A promise of the answer; `signal` gives it up.
  const ask = (operation, signal) => new Promise((resolve, reject) => {
    if (signal) signal.throwIfAborted();
    const id = host.ask(JSON.stringify(operation));
    if (!id) throw new Error(operation.op + ' can be used only while a handler runs');
    const giveUp = () => {
      if (!asked.delete(id)) return;
      host.ask(JSON.stringify({ op: 'cancel', id }));
      reject(signal.reason);
    };
    asked.set(id, { resolve, reject, done: () => { if (signal) signal.removeEventListener('abort', giveUp); } });
    if (signal) signal.addEventListener('abort', giveUp);
  });

  // Ends the operation whose answer this is; gives the milliseconds that were waited for it.
  const settle = (text) => {
    const { id, waited, value, error } = JSON.parse(text);
    const operation = asked.get(id);
    if (operation) {
      asked.delete(id);
      operation.done();
      if (error) operation.reject(Object.assign(new Error(error.message), error));
      else operation.resolve(value);
    }
    return waited;
  };

  // An error that came while somebody waited has their place, as Node's traces of what is awaited have it.
  const traced = (error, { stack }) => {
    const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
    if (!(error instanceof Error) || !frames.length || /\n\s+at /.test(error.stack)) return error;
    error.stack = [error.stack, ...frames.map((line) => line.replace('at ', 'at async '))].join('\n');
    return error;
  };
  const located = (action) => (...values) => {
    const called = new Error();
    return action(...values).catch((error) => { throw traced(error, called); });
  };

  class AbortSignal {
    #listeners = new Set();
    #aborted = false;
    onabort = null;
    reason = undefined;
    get aborted() { return this.#aborted; }
    throwIfAborted() { if (this.#aborted) throw this.reason; }
    addEventListener(type, listener) { if (type === 'abort' && listener) this.#listeners.add(listener); }
    removeEventListener(type, listener) { this.#listeners.delete(listener); }
    static _abort(signal, reason) {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
      const event = { type: 'abort', target: signal };
      const listeners = [...signal.#listeners];
      signal.#listeners.clear();
      if (signal.onabort) listeners.push(signal.onabort);
      for (const listener of listeners) {
        if (typeof listener === 'function') listener.call(signal, event); else listener.handleEvent(event);
      }
    }
    static abort(reason) {
      const signal = new AbortSignal();
      abort(signal, reason);
      return signal;
    }
    static timeout(milliseconds) {
      const signal = new AbortSignal();
      const reason = () => new DOMException('The operation was aborted due to timeout', 'TimeoutError');
      global.setTimeout(() => abort(signal, reason()), milliseconds);
      return signal;
    }
    static any(signals) {
      const signal = new AbortSignal();
      for (const one of signals) {
        if (one.aborted) { abort(signal, one.reason); break; }
        one.addEventListener('abort', () => abort(signal, one.reason));
      }
      return signal;
    }
  }
  const abort = AbortSignal._abort;
  delete AbortSignal._abort;

  class AbortController {
    #signal = new AbortSignal();
    get signal() { return this.#signal; }
    abort(reason) { abort(this.#signal, reason); }
  }

  Object.assign(global, { AbortController, AbortSignal });
  Object.assign(host.kit, { asked, ask, settle, traced, located });
})(globalThis, globalThis.__host);
