// console, Math.random and timers.
(function (global, host) {
  'use strict';
  const { format, asked, settle } = host.kit;

  const logger = (level) => (...values) => host.log(level, values.map(format).join(' '));
  global.console = {
    debug: logger(0), log: logger(1), info: logger(1), dir: logger(1), table: logger(1),
    trace: logger(1), warn: logger(2), error: logger(3),
    assert: (truth, ...values) => { if (!truth) global.console.error('Assertion failed', ...values); },
    time() {}, timeEnd() {}, group() {}, groupEnd() {},
  };

  // The engine's own generator would give every call the numbers frozen into the image.
  Math.random = () => {
    const [high, low] = new Uint32Array(host.random(8));
    return (high * 2097152 + (low >>> 11)) / 9007199254740992;
  };

  // A virtual clock for order; the host waits for the difference, or for an answer before it.
  const timers = new Map();
  let timerNumber = 0;
  let timerNow = 0;
  const addTimer = (repeat) => (callback, delay, ...values) => {
    const wait = Math.max(Number(delay) || 0, repeat ? 1 : 0);
    timers.set(++timerNumber, { due: timerNow + wait, callback, values, every: repeat && wait });
    return timerNumber;
  };
  const clearTimer = (number) => { timers.delete(number); };
  const runTimer = () => {
    let next = 0;
    for (const [number, timer] of timers) {
      if (!next || timer.due < timers.get(next).due) next = number;
    }
    const timer = timers.get(next);
    const rest = timer ? Math.max(timer.due - timerNow, 0) : -1;
    if (rest > 0 || asked.size) {
      const answer = host.wait(rest);
      if (answer !== undefined) {
        timerNow += settle(answer);
        return;
      }
    }
    // No answer will come any more of what was asked.
    if (!timer) return asked.clear();
    timerNow = timer.due;
    if (timer.every) timer.due += timer.every; else timers.delete(next);
    timer.callback(...timer.values);
  };
  global.setTimeout = addTimer(false);
  global.setInterval = addTimer(true);
  global.setImmediate = (callback, ...values) => global.setTimeout(callback, 0, ...values);
  global.clearTimeout = global.clearInterval = global.clearImmediate = clearTimer;

  Object.assign(host.kit, { timers, runTimer });
})(globalThis, globalThis.__host);
