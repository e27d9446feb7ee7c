// events, EventTarget's little sisters: EventEmitter and once.
(function (global, host) {
  'use strict';
  const { builtins, fault, wrongType, inspect } = host.kit;

  const check = (listener) => {
    if (typeof listener !== 'function') throw wrongType('listener', 'of type function', listener);
  };
  const DEFAULT_MOST = 10;
  // By emitter, so that classes which never call `super` work, too.
  const table = (emitter) => {
    if (!Object.hasOwn(emitter, '_events') || !emitter._events) {
      Object.defineProperty(emitter, '_events', { value: new Map(), writable: true, configurable: true });
    }
    return emitter._events;
  };
  const add = (emitter, name, listener, { first, once }) => {
    check(listener);
    const events = table(emitter);
    if (events.has('newListener')) emitter.emit('newListener', name, listener);
    const list = events.get(name) || [];
    const entry = { listener, once };
    // A new list each time: who is emitting goes on with the old one.
    events.set(name, first ? [entry, ...list] : [...list, entry]);
    const most = emitter.getMaxListeners();
    if (most > 0 && list.length + 1 === most + 1) {
      console.error(`MaxListenersExceededWarning: Possible EventEmitter memory leak detected. ${list.length + 1} ` +
        `${String(name)} listeners added.`);
    }
    return emitter;
  };

  function EventEmitter() {
    table(this);
  }
  EventEmitter.prototype = {
    constructor: EventEmitter,
    on(name, listener) { return add(this, name, listener, {}); },
    addListener(name, listener) { return add(this, name, listener, {}); },
    prependListener(name, listener) { return add(this, name, listener, { first: true }); },
    once(name, listener) { return add(this, name, listener, { once: true }); },
    prependOnceListener(name, listener) { return add(this, name, listener, { first: true, once: true }); },
    off(name, listener) { return this.removeListener(name, listener); },
    removeListener(name, listener) {
      check(listener);
      const events = table(this);
      const list = events.get(name) || [];
      const at = list.findLastIndex((entry) => entry.listener === listener || entry.wrapper === listener);
      if (at < 0) return this;
      if (list.length === 1) events.delete(name); else events.set(name, list.toSpliced(at, 1));
      if (events.has('removeListener')) this.emit('removeListener', name, list[at].listener);
      return this;
    },
    removeAllListeners(name) {
      const events = table(this);
      const names = name === undefined ? [...events.keys()].filter((each) => each !== 'removeListener') : [name];
      for (const each of names) {
        for (const { listener } of [...(events.get(each) || [])].reverse()) this.removeListener(each, listener);
      }
      if (name === undefined) events.clear();
      return this;
    },
    emit(name, ...values) {
      const list = table(this).get(name);
      if (!list) {
        if (name !== 'error') return false;
        const [error] = values;
        if (error instanceof Error) throw error;
        const shown = typeof error === 'string' ? `'${error}'` : inspect(error);
        throw Object.assign(fault(Error, 'ERR_UNHANDLED_ERROR', `Unhandled error. (${shown})`), { context: error });
      }
      for (const { listener, once } of list) {
        if (once) this.removeListener(name, listener);
        listener.apply(this, values);
      }
      return true;
    },
    listeners(name) { return (table(this).get(name) || []).map(({ listener }) => listener); },
    rawListeners(name) {
      return (table(this).get(name) || []).map((entry) => {
        if (!entry.once) return entry.listener;
        const emitter = this;
        entry.wrapper = function (...values) {
          emitter.removeListener(name, entry.listener);
          return entry.listener.apply(emitter, values);
        };
        entry.wrapper.listener = entry.listener;
        return entry.wrapper;
      });
    },
    listenerCount(name, listener) {
      return this.listeners(name).filter((each) => listener === undefined || each === listener).length;
    },
    eventNames() { return [...table(this).keys()]; },
    getMaxListeners() { return this._most === undefined ? EventEmitter.defaultMaxListeners : this._most; },
    setMaxListeners(most) {
      Object.defineProperty(this, '_most', { value: most, writable: true, configurable: true });
      return this;
    },
  };
  for (const name in EventEmitter.prototype) {
    Object.defineProperty(EventEmitter.prototype, name, { enumerable: name !== 'constructor' });
  }
  EventEmitter.defaultMaxListeners = DEFAULT_MOST;
  EventEmitter.once = (emitter, name) => new Promise((resolve, reject) => {
    const failed = (error) => { emitter.off(name, came); reject(error); };
    const came = (...values) => { emitter.off('error', failed); resolve(values); };
    emitter.once(name, came);
    if (name !== 'error') emitter.once('error', failed);
  });
  EventEmitter.listenerCount = (emitter, name) => emitter.listenerCount(name);
  EventEmitter.EventEmitter = EventEmitter;
  EventEmitter.errorMonitor = Symbol('events.errorMonitor');
  builtins.events = EventEmitter;
})(globalThis, globalThis.__host);
