// console and Math.random, with timers.
(function (global, host) {
  'use strict';
  const { formatWithOptions, inspect, isObject, wrongType, asked, settle } = host.kit;

  // What Node writes to standard output is information here, and what it writes to standard error
  // keeps its severity; a line of a group is indented.
  const GROUP = '  ';
  let indent = '';
  const write = (level, text) => host.log(level, indent ? text.replace(/^/gm, indent) : text);
  const logger = (level) => (...values) => {
    const [first] = values;
    write(level, values.length === 1 && typeof first === 'string' ? first : formatWithOptions({}, ...values));
  };
  const counts = new Map();
  const started = new Map();
  const label = (name) => (name === undefined ? 'default' : String(name));
  const passed = (milliseconds) => {
    if (milliseconds >= 60000) {
      const minutes = Math.floor(milliseconds / 60000);
      const seconds = (milliseconds % 60000 / 1000).toFixed(3).padStart(6, '0');
      return `${minutes}:${seconds} (m:ss.mmm)`;
    }
    return milliseconds >= 1000 ? `${(milliseconds / 1000).toFixed(3)}s` : `${Number(milliseconds.toFixed(3))}ms`;
  };

  // A frame of box characters around cells.
  const frame = (head, rows) => {
    const widths = head.map((cell, column) => 2 + rows.reduce((most, row) => Math.max(most, row[column].length), cell.length));
    const line = (cells) => `│${cells.map((cell, column) => ` ${cell}`.padEnd(widths[column])).join('│')}│\n`;
    const rule = (left, cross, right) => left + widths.map((width) => '─'.repeat(width)).join(cross) + right;
    return rule('┌', '┬', '┐') + '\n' + line(head) + rule('├', '┼', '┤') + '\n' + rows.map(line).join('') + rule('└', '┴', '┘');
  };
  const shown = (value) => inspect(value, { maxArrayLength: 3, breakLength: Infinity,
    depth: isObject(value) && !Array.isArray(value) && Object.keys(value).length > 2 ? -1 : 0 });
  const table = (data, columns) => {
    if (!isObject(data)) return global.console.log(data);
    const isMap = data instanceof Map;
    const listed = isMap || data instanceof Set;
    const entries = isMap ? [...data].map(([key, value], at) => [String(at), value, key])
      : listed ? [...data].map((value, at) => [String(at), value]) : Object.keys(data).map((key) => [key, data[key]]);
    const keys = columns ? [...columns] : [];
    const rows = entries.map(([index, value]) => {
      const whole = !isObject(value) || typeof value === 'function';
      const cells = new Map();
      if (!whole) {
        for (const name of columns || Object.keys(value)) {
          if (!columns && !keys.includes(name)) keys.push(name);
          if (Object.hasOwn(value, name)) cells.set(name, shown(value[name]));
        }
      }
      return { index, cells, value: whole ? shown(value) : undefined };
    });
    if (isMap) {
      const pairs = entries.map(([index, value, key]) => [index, shown(key), shown(value)]);
      return write(1, frame(['(iteration index)', 'Key', 'Values'], pairs));
    }
    const values = rows.some((row) => row.value !== undefined);
    const head = [listed ? '(iteration index)' : '(index)', ...keys, ...(values ? ['Values'] : [])];
    return write(1, frame(head, rows.map((row) => [row.index, ...keys.map((name) => row.cells.get(name) || ''),
      ...(values ? [row.value === undefined ? '' : row.value] : [])])));
  };

  const say = (level, name, tail) => write(level, tail === undefined ? name : `${name}: ${tail}`);
  const clock = (name, what) => {
    if (started.has(name)) return Date.now() - started.get(name);
    write(2, `Warning: No such label '${name}' for console.${what}()`);
    return undefined;
  };
  global.console = {
    debug: logger(0),
    log: logger(1),
    info: logger(1),
    warn: logger(2),
    error: logger(3),
    dir: (value, options) => write(1, inspect(value, { customInspect: false, ...options })),
    dirxml: logger(1),
    table,
    trace(...values) {
      const { stack } = new Error();
      const head = formatWithOptions({}, ...values);
      write(1, `Trace${head && ': ' + head}\n${stack.slice(stack.indexOf('\n') + 1).trimEnd()}`);
    },
    assert(truth, ...values) {
      if (truth) return;
      if (typeof values[0] === 'string') values[0] = `Assertion failed: ${values[0]}`;
      else values[0] = `Assertion failed${values.length ? `: ${values[0]}` : ''}`;
      global.console.warn(...values);
    },
    count(name) {
      counts.set(label(name), (counts.get(label(name)) || 0) + 1);
      say(1, label(name), counts.get(label(name)));
    },
    countReset(name) { counts.delete(label(name)); },
    time(name) { started.set(label(name), Date.now()); },
    timeEnd(name) {
      const time = clock(label(name), 'timeEnd');
      if (time !== undefined) say(1, label(name), passed(time));
      started.delete(label(name));
    },
    timeLog(name, ...values) {
      const time = clock(label(name), 'timeLog');
      if (time !== undefined) write(1, formatWithOptions({}, `${label(name)}: ${passed(time)}`, ...values));
    },
    group(...values) {
      if (values.length) global.console.log(...values);
      indent += GROUP;
    },
    groupEnd() { indent = indent.slice(GROUP.length); },
  };
  global.console.groupCollapsed = global.console.group;
  global.console.Console = function Console() { return global.console; };
  host.kit.builtins.console = global.console;

  // The engine's own generator would give every call the numbers frozen into the image.
  Math.random = () => {
    const [high, low] = new Uint32Array(host.random(8));
    return (high * 2097152 + (low >>> 11)) / 9007199254740992;
  };

  // A virtual clock for order; the host waits for the difference, or for an answer before it.
  const timers = new Map();
  let timerNumber = 0;
  let timerNow = 0;
  class Timeout {
    #number;
    #wait;
    #entry;
    constructor(callback, wait, values, repeat) {
      this.#number = ++timerNumber;
      this.#wait = wait;
      this.#entry = { due: timerNow + wait, callback, values, every: repeat && wait };
      timers.set(this.#number, this.#entry);
    }
    // A handler's answer ends everything: nothing is kept alive by a timer, nor let go.
    ref() { return this; }
    unref() { return this; }
    hasRef() { return true; }
    refresh() {
      this.#entry.due = timerNow + this.#wait;
      timers.set(this.#number, this.#entry);
      return this;
    }
    close() { timers.delete(this.#number); return this; }
    [Symbol.toPrimitive]() { return this.#number; }
  }
  const addTimer = (repeat) => (callback, delay, ...values) => {
    if (typeof callback !== 'function') throw wrongType('callback', 'of type function', callback);
    return new Timeout(callback, Math.max(Number(delay) || 0, repeat ? 1 : 0), values, repeat);
  };
  const clearTimer = (timer) => { timers.delete(Number(timer)); };
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
