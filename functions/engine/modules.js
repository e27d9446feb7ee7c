// Twilio, Runtime, process, and the modules that `require` knows without a file.
(function (global, host) {
  'use strict';
  const { builtins, twilio, getSync, restClient } = host.kit;

  global.Twilio = Object.assign(restClient, twilio);
  builtins.twilio = global.Twilio;
  global.Runtime = { getSync };

  // What packages look at to find out where they are. The version is the one whose behaviour is copied.
  const VERSION = '20.20.2';
  const started = global.performance.now();
  const elapsed = () => BigInt(Math.round((global.performance.now() - started) * 1e6));
  const SECOND = 1_000_000_000n;
  const hrtime = (since) => {
    let time = elapsed();
    if (since) time -= BigInt(since[0]) * SECOND + BigInt(since[1]);
    const seconds = (time < 0n ? time - SECOND + 1n : time) / SECOND;
    return [Number(seconds), Number(time - seconds * SECOND)];
  };
  hrtime.bigint = elapsed;
  const output = (level) => ({ isTTY: false, fd: level, columns: 80, on() { return this; }, once() { return this; },
    write(text) { host.log(level, String(text).replace(/\n$/, '')); return true; } });
  const leave = () => { throw new Error('process.exit() is not available inside functions: call the callback'); };
  const listen = function () { return this; };
  const process = {
    env: {}, argv: ['node', 'function'], execArgv: [], title: 'node', pid: 1, ppid: 0, platform: 'linux', arch: 'x64',
    version: 'v' + VERSION, versions: { node: VERSION }, release: { name: 'node', lts: 'Iron' }, config: {}, features: {},
    exitCode: undefined, browser: false, stdout: output(1), stderr: output(3),
    nextTick(action, ...values) {
      Promise.resolve().then(() => { try { action(...values); } catch (error) { host.kit.uncaught(error); } });
    },
    hrtime, cwd: () => '/', uptime: () => Number(elapsed()) / 1e9, umask: () => 18,
    memoryUsage: Object.assign(() => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }), { rss: () => 0 }),
    emitWarning(warning, type = 'Warning') { global.console.warn(`${warning.name || type}: ${warning.message || warning}`); },
    exit: leave, abort: leave, emit: () => false, listeners: () => [], listenerCount: () => 0,
  };
  for (const name of ['on', 'once', 'off', 'addListener', 'removeListener', 'removeAllListeners', 'prependListener']) {
    process[name] = listen;
  }
  Object.defineProperty(process, Symbol.toStringTag, { value: 'process', configurable: true });
  global.process = builtins.process = process;
  global.global = global;

  const { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate } = global;
  const waits = (set) => (delay, value, { signal } = {}) => new Promise((resolve, reject) => {
    const failed = () => Object.assign(new Error('The operation was aborted', { cause: signal.reason }),
      { name: 'AbortError', code: 'ABORT_ERR' });
    if (signal && signal.aborted) return reject(failed());
    const timer = set(resolve, delay, value);
    if (signal) signal.addEventListener('abort', () => { clearTimeout(timer); reject(failed()); });
  });
  const promises = {
    setTimeout: waits(setTimeout),
    setImmediate: (value, options) => waits((resolve) => setImmediate(resolve, value))(0, value, options),
    async* setInterval(delay, value) { for (;;) yield promises.setTimeout(delay, value); },
    scheduler: { wait: (delay, options) => promises.setTimeout(delay, undefined, options), yield: () => promises.setImmediate() },
  };
  builtins.timers = { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate, promises };
  builtins['timers/promises'] = promises;
  builtins.perf_hooks = { performance: global.performance };
  Object.defineProperty(setTimeout, builtins.util.promisify.custom, { value: promises.setTimeout });
})(globalThis, globalThis.__host);
