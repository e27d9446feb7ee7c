// stream: what is read, pipeline and finished; what is written to is in writable.js. Compiled only where a script
// requires it.
(function (global, host) {
  'use strict';
  const { builtins, fault, wrongType } = host.kit;
  const { Buffer, process } = global;
  const EventEmitter = builtins.events;
  const BYTES = 16384, OBJECTS = 16;
  const none = () => {};
  const later = (action, ...values) => process.nextTick(action, ...values);
  const inherit = (Type, Base) => {
    Object.setPrototypeOf(Type.prototype, Base.prototype);
    Object.setPrototypeOf(Type, Base);
  };
  const hide = (object, name, value) =>
    Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });

  function Stream() {
    if (!(this instanceof Stream)) return new Stream();
    EventEmitter.call(this);
  }
  inherit(Stream, EventEmitter);
  // The oldest kind of pipe, which packages that inherit from Stream itself rely on.
  Stream.prototype.pipe = function (to, options) {
    this.on('data', (chunk) => { if (to.writable && to.write(chunk) === false && this.pause) this.pause(); });
    to.on('drain', () => { if (this.readable && this.resume) this.resume(); });
    let ended = false;
    if (!to._isStdio && (!options || options.end !== false)) {
      this.on('end', () => { if (!ended) { ended = true; to.end(); } });
      this.on('close', () => { if (!ended) { ended = true; if (typeof to.destroy === 'function') to.destroy(); } });
    }
    to.emit('pipe', this);
    return to;
  };

  // Both sides of a stream end through here: 'error' first, then 'close', once.
  const destroy = function (error, callback) {
    const { _readableState: read, _writableState: write } = this;
    if ((read && read.destroyed) || (write && write.destroyed)) {
      if (callback) callback(error);
      return this;
    }
    for (const state of [read, write]) if (state) { state.destroyed = true; if (error) state.errored = error; }
    const done = (failure) => later(() => {
      const reason = failure || error;
      for (const state of [read, write]) if (state) { state.closed = true; if (reason) state.errored = reason; }
      if (callback) callback(reason);
      if (reason && !(write && write.errorEmitted) && !(read && read.errorEmitted)) {
        for (const state of [read, write]) if (state) state.errorEmitted = true;
        this.emit('error', reason);
      }
      if ((read || write).emitClose) this.emit('close');
    });
    try { this._destroy(error || null, done); } catch (thrown) { done(thrown); }
    return this;
  };
  const options = (stream, given, names) => {
    if (given) for (const name of names) if (typeof given[name] === 'function') stream['_' + name] = given[name];
    if (given && given.signal) {
      given.signal.addEventListener('abort', () => stream.destroy(given.signal.reason));
    }
  };
  const state = (given, object) => ({
    objectMode: object, destroyed: false, closed: false, errored: null, errorEmitted: false,
    emitClose: !given || given.emitClose !== false, autoDestroy: !given || given.autoDestroy !== false,
    highWaterMark: given && given.highWaterMark !== undefined ? given.highWaterMark : object ? OBJECTS : BYTES,
  });
  const sizeOf = (held, chunk) => (held.objectMode ? 1 : chunk.length);
  const ended = (stream) => {
    const { _readableState: read, _writableState: write } = stream;
    if (read && read.autoDestroy && (!read || read.endEmitted) && (!write || write.finished)) stream.destroy();
  };

  function Readable(given) {
    if (!(this instanceof Readable)) return new Readable(given);
    Stream.call(this);
    startReading(this, given);
    options(this, given, ['read', 'destroy']);
  }
  const startReading = (stream, given) => {
    const object = !!given && !!(given.objectMode || given.readableObjectMode);
    hide(stream, '_readableState', Object.assign(state(given, object), {
      buffer: [], length: 0, flowing: null, ended: false, endEmitted: false, reading: false, pipes: [],
      decoder: null, encoding: null, scheduled: false, needReadable: false,
    }));
    if (given && given.encoding) stream.setEncoding(given.encoding);
    stream.readable = true;
  };
  inherit(Readable, Stream);
  const add = (stream, chunk, encoding, front) => {
    const held = stream._readableState;
    held.reading = false;
    if (chunk === null) {
      if (held.ended) return false;
      if (held.decoder) {
        const rest = held.decoder.end();
        if (rest) { held.buffer.push(rest); held.length += rest.length; }
      }
      held.ended = true;
      flow(stream);
      return false;
    }
    if (!held.objectMode) {
      if (typeof chunk === 'string') chunk = Buffer.from(chunk, encoding);
      else if (chunk instanceof Uint8Array) chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      else if (chunk !== undefined) {
        stream.destroy(wrongType('chunk', 'of type string or an instance of Buffer, TypedArray, or DataView', chunk));
        return false;
      }
      if (held.decoder && chunk) chunk = held.decoder.write(chunk);
      if (!chunk || chunk.length === 0) return held.length < held.highWaterMark;
    }
    if (held.ended && !front) {
      stream.destroy(fault(Error, 'ERR_STREAM_PUSH_AFTER_EOF', 'stream.push() after EOF'));
      return false;
    }
    if (front) held.buffer.unshift(chunk); else held.buffer.push(chunk);
    held.length += sizeOf(held, chunk);
    flow(stream);
    return held.length < held.highWaterMark;
  };
  // Asks the source for more, when there is room.
  const fill = (stream) => {
    const held = stream._readableState;
    if (held.ended || held.reading || held.destroyed || held.length >= Math.max(held.highWaterMark, 1)) return;
    held.reading = true;
    try { stream._read(held.highWaterMark); } catch (error) { stream.destroy(error); }
  };
  const finishReading = (stream) => {
    const held = stream._readableState;
    if (!held.ended || held.endEmitted || held.length || held.destroyed) return;
    held.endEmitted = true;
    stream.readable = false;
    stream.emit('end');
    if (stream._writableState && stream.allowHalfOpen === false) stream.end();
    ended(stream);
  };
  const flow = (stream) => {
    const held = stream._readableState;
    if (held.scheduled) return;
    held.scheduled = true;
    later(() => {
      held.scheduled = false;
      if (held.destroyed) return;
      while (held.flowing && held.buffer.length && !held.destroyed) stream.emit('data', take(held, undefined));
      if (!held.flowing && (held.length || held.ended) && stream.listenerCount('readable')) {
        if (held.ended && !held.length) finishReading(stream); else stream.emit('readable');
      }
      if (held.flowing) {
        finishReading(stream);
        fill(stream);
        if (held.buffer.length) flow(stream);
      } else if (stream.listenerCount('readable')) {
        fill(stream);
      }
    });
  };
  const take = (held, size) => {
    if (!held.buffer.length) return null;
    if (held.objectMode || size === undefined && held.flowing) {
      const chunk = held.buffer.shift();
      held.length -= sizeOf(held, chunk);
      return chunk;
    }
    if (size > held.length && !held.ended) return null;
    const whole = held.decoder ? held.buffer.join('') : Buffer.concat(held.buffer);
    const most = size === undefined || size > whole.length ? whole.length : size;
    const rest = whole.slice(most);
    held.buffer = rest.length ? [rest] : [];
    held.length = rest.length;
    return whole.slice(0, most);
  };
  Object.assign(Readable.prototype, {
    _read() { throw fault(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'The _read() method is not implemented'); },
    _destroy(error, callback) { callback(error); },
    destroy,
    push(chunk, encoding) { return add(this, chunk, encoding, false); },
    unshift(chunk, encoding) { return add(this, chunk, encoding, true); },
    read(size) {
      const held = this._readableState;
      if (size === 0) { fill(this); flow(this); return null; }
      const chunk = take(held, size);
      fill(this);
      if (chunk !== null && held.flowing !== true) hide(this, 'readableDidRead', true);
      if (held.ended && !held.length) later(finishReading, this); else if (chunk === null) flow(this);
      return chunk;
    },
    on(name, listener) {
      const held = this._readableState;
      Stream.prototype.on.call(this, name, listener);
      if (name === 'data' && held && held.flowing !== false && !this.listenerCount('readable')) this.resume();
      if (name === 'readable' && held) { held.flowing = false; fill(this); flow(this); }
      return this;
    },
    addListener(name, listener) { return this.on(name, listener); },
    resume() { this._readableState.flowing = true; fill(this); flow(this); return this; },
    pause() {
      if (this._readableState.flowing !== false) { this._readableState.flowing = false; this.emit('pause'); }
      return this;
    },
    isPaused() { return this._readableState.flowing === false; },
    setEncoding(encoding) {
      const held = this._readableState;
      held.decoder = new builtins.string_decoder.StringDecoder(encoding);
      held.encoding = held.decoder.encoding;
      const text = held.buffer.map((chunk) => held.decoder.write(chunk)).join('');
      held.buffer = text ? [text] : [];
      held.length = text.length;
      return this;
    },
    pipe(to, given) {
      const held = this._readableState;
      const write = (chunk) => { if (to.write(chunk) === false) this.pause(); };
      const drain = () => this.resume();
      const end = () => to.end();
      const stop = () => {
        this.removeListener('data', write);
        this.removeListener('end', end);
        to.removeListener('drain', drain);
      };
      held.pipes.push({ to, stop });
      to.on('drain', drain);
      if (!given || given.end !== false) this.on('end', end);
      this.on('data', write);
      to.emit('pipe', this);
      return to;
    },
    unpipe(to) {
      const held = this._readableState;
      for (const pipe of held.pipes) if (!to || pipe.to === to) { pipe.stop(); pipe.to.emit('unpipe', this); }
      held.pipes = to ? held.pipes.filter((pipe) => pipe.to !== to) : [];
      if (!held.pipes.length) held.flowing = false;
      return this;
    },
    wrap(old) {
      old.on('data', (chunk) => { if (!this.push(chunk) && old.pause) old.pause(); });
      old.on('end', () => this.push(null));
      old.on('error', (error) => this.destroy(error));
      this._read = () => { if (old.resume) old.resume(); };
      return this;
    },
    [Symbol.asyncIterator]() {
      const chunks = [], waiting = [];
      let over = false, failure = null;
      const next = () => {
        while (waiting.length && (chunks.length || over)) {
          const { resolve, reject } = waiting.shift();
          if (chunks.length) resolve({ value: chunks.shift(), done: false });
          else if (failure) { reject(failure); failure = null; } else resolve({ value: undefined, done: true });
        }
      };
      const stop = (error) => { if (!over) { over = true; failure = error || null; } next(); };
      this.on('data', (chunk) => { chunks.push(chunk); next(); });
      this.on('end', () => stop());
      this.on('error', stop);
      this.on('close', () => stop());
      return {
        next: () => new Promise((resolve, reject) => { waiting.push({ resolve, reject }); next(); }),
        return: async (value) => { this.destroy(); return { value, done: true }; },
        [Symbol.asyncIterator]() { return this; },
      };
    },
  });
  const shown = (Type, member, names) => {
    for (const [name, key] of Object.entries(names)) {
      Object.defineProperty(Type.prototype, name, { configurable: true, enumerable: false,
        get() { return this[member] ? this[member][key] : undefined; }, set() {} });
    }
  };
  shown(Readable, '_readableState', { readableLength: 'length', readableFlowing: 'flowing', readableEnded: 'endEmitted',
    readableHighWaterMark: 'highWaterMark', readableObjectMode: 'objectMode', readableEncoding: 'encoding',
    destroyed: 'destroyed', closed: 'closed', errored: 'errored' });
  Readable.from = (source, given) => {
    const whole = typeof source === 'string' || source instanceof Uint8Array;
    const each = whole ? [source][Symbol.iterator]() : (source[Symbol.asyncIterator] || source[Symbol.iterator]).call(source);
    return new Readable({ objectMode: true, highWaterMark: 1, ...given,
      read() {
        Promise.resolve(each.next()).then(async ({ value, done }) => this.push(done ? null : await value))
          .catch((error) => this.destroy(error));
      } });
  };

  host.kit.demanded['stream.js'] = { Stream, Readable, none, inherit, hide, later, destroy, options, state, sizeOf, ended, shown,
    startReading };
  const { Writable, Duplex, Transform, PassThrough } = host.kit.onDemand('writable.js');

  const premature = () => fault(Error, 'ERR_STREAM_PREMATURE_CLOSE', 'Premature close');
  const finished = (stream, given, callback) => {
    if (typeof given === 'function') [given, callback] = [{}, given];
    const { _readableState: read, _writableState: write } = stream;
    let reading = (read || stream.readable) && given.readable !== false && !(read && read.endEmitted);
    let writing = (write || (stream.writable && !read)) && given.writable !== false && !(write && write.finished);
    let over = false;
    const finish = (error) => { if (!over) { over = true; stop(); callback.call(stream, error); } };
    const check = () => { if (!reading && !writing) finish(); };
    const onEnd = () => { reading = false; check(); }, onFinish = () => { writing = false; check(); };
    const onClose = () => (reading || writing ? finish(premature()) : finish());
    const stop = () => {
      stream.removeListener('end', onEnd);
      stream.removeListener('finish', onFinish);
      stream.removeListener('close', onClose);
      if (given.cleanup !== false) stream.removeListener('error', finish);
    };
    stream.on('end', onEnd).on('finish', onFinish).on('close', onClose).on('error', finish);
    const failed = (read && read.errored) || (write && write.errored);
    if (failed) later(finish, failed); else if (!reading && !writing) later(finish);
    return stop;
  };
  const isStream = (value) => !!value && typeof value.pipe === 'function';
  const pipeline = (...streams) => {
    const callback = typeof streams.at(-1) === 'function' ? streams.pop() : none;
    if (Array.isArray(streams[0])) streams = streams[0];
    streams = streams.map((one) => (isStream(one) || one._writableState ? one : Readable.from(one)));
    let left = streams.length, failure;
    streams.forEach((stream, at) => {
      const sides = { readable: at < streams.length - 1, writable: at > 0 };
      finished(stream, sides, (error) => {
        if (error && !failure) {
          failure = error;
          for (const one of streams) if (typeof one.destroy === 'function') one.destroy();
        }
        if (!--left) callback(failure);
      });
    });
    for (let at = 0; at + 1 < streams.length; at++) streams[at].pipe(streams[at + 1]);
    return streams.at(-1);
  };
  const promised = (action) => (...values) => new Promise((resolve, reject) =>
    action(...values, (error) => (error ? reject(error) : resolve())));
  const promises = {
    pipeline: promised(pipeline), finished: (stream, given = {}) => promised(finished)(stream, given),
  };

  Object.assign(Stream, { Stream, Readable, Writable, Duplex, Transform, PassThrough, pipeline, finished, promises,
    isReadable: (stream) => !!stream && !!stream.readable && !stream.destroyed,
    isErrored: (stream) => !!stream && !!stream.errored });
  builtins.stream = Stream;
  builtins['stream/promises'] = promises;
})
