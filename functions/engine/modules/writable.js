// Of the module stream, what is written to: Writable, Duplex, Transform and PassThrough. Compiled by stream.js.
(function (global, host) {
  'use strict';
  const { fault, wrongType } = host.kit;
  const { Buffer } = global;
  const { Stream, Readable, none, inherit, hide, later, destroy, options, state, sizeOf, ended, shown, startReading } =
    host.kit.demanded['stream.js'];

  function Writable(given) {
    if (!(this instanceof Writable) && !(this instanceof Duplex)) return new Writable(given);
    Stream.call(this);
    startWriting(this, given);
    options(this, given, ['write', 'writev', 'final', 'destroy']);
  }
  const startWriting = (stream, given) => {
    const object = !!given && !!(given.objectMode || given.writableObjectMode);
    hide(stream, '_writableState', Object.assign(state(given, object), {
      queue: [], finishing: [], length: 0, writing: false, ending: false, ended: false, finished: false, needDrain: false, corked: 0,
      decodeStrings: !given || given.decodeStrings !== false,
      defaultEncoding: (given && given.defaultEncoding) || 'utf8',
    }));
    stream.writable = true;
  };
  inherit(Writable, Stream);
  Object.defineProperty(Writable, Symbol.hasInstance, { configurable: true, writable: true,
    value(object) {
      return Function.prototype[Symbol.hasInstance].call(this, object) ||
        (this === Writable && !!object && object._writableState !== undefined);
    } });
  const advance = (stream) => {
    const held = stream._writableState;
    if (held.writing || held.destroyed || held.corked) return;
    const entry = held.queue.shift();
    if (!entry) {
      if (held.needDrain && !held.ending) { held.needDrain = false; later(() => stream.emit('drain')); }
      if (held.ending && !held.ended) finishWriting(stream);
      return;
    }
    held.writing = true;
    let called = false;
    const done = (error) => {
      if (called) return;
      called = true;
      held.length -= sizeOf(held, entry.chunk);
      later(() => {
        held.writing = false;
        entry.callback(error);
        if (error) stream.destroy(error); else advance(stream);
      });
    };
    try {
      if (stream._writev && !stream._write) stream._writev([entry], done);
      else stream._write(entry.chunk, entry.encoding, done);
    } catch (error) { done(error); }
  };
  const finishWriting = (stream) => {
    const held = stream._writableState;
    held.ended = true;
    const done = (error) => {
      if (error) return void stream.destroy(error);
      later(() => {
        if (held.destroyed && held.errored) return;
        held.finished = true;
        for (const callback of held.finishing.splice(0)) callback();
        stream.emit('finish');
        if (!stream._readableState) { if (held.autoDestroy) stream.destroy(); } else ended(stream);
      });
    };
    if (!stream._final) return done();
    try { stream._final(done); } catch (error) { done(error); }
  };
  const writing = {
    _write(chunk, encoding, callback) {
      if (this._writev) return this._writev([{ chunk, encoding }], callback);
      throw fault(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'The _write() method is not implemented');
    },
    write(chunk, encoding, callback) {
      const held = this._writableState;
      if (typeof encoding === 'function') [encoding, callback] = [undefined, encoding];
      callback = callback || none;
      if (chunk === null) throw fault(TypeError, 'ERR_STREAM_NULL_VALUES', 'May not write null values to stream');
      const failure = held.ending ? fault(Error, 'ERR_STREAM_WRITE_AFTER_END', 'write after end')
        : held.destroyed ? fault(Error, 'ERR_STREAM_DESTROYED', 'Cannot call write after a stream was destroyed') : null;
      if (failure) {
        later(callback, failure);
        if (held.ending) this.destroy(failure);
        return false;
      }
      if (!held.objectMode) {
        if (typeof chunk === 'string') {
          if (held.decodeStrings) [chunk, encoding] = [Buffer.from(chunk, encoding || held.defaultEncoding), 'buffer'];
        } else if (chunk instanceof Uint8Array) {
          encoding = 'buffer';
        } else {
          throw wrongType('chunk', 'of type string or an instance of Buffer, TypedArray, or DataView', chunk);
        }
      }
      held.length += sizeOf(held, chunk);
      const room = held.length < held.highWaterMark;
      if (!room) held.needDrain = true;
      held.queue.push({ chunk, encoding: encoding || held.defaultEncoding, callback });
      advance(this);
      return room;
    },
    end(chunk, encoding, callback) {
      const held = this._writableState;
      if (typeof chunk === 'function') [chunk, encoding, callback] = [undefined, undefined, chunk];
      else if (typeof encoding === 'function') [encoding, callback] = [undefined, encoding];
      if (chunk !== undefined && chunk !== null) this.write(chunk, encoding);
      held.corked = 0;
      if (callback) { if (held.finished) later(callback); else held.finishing.push(callback); }
      if (held.ending) return this;
      held.ending = true;
      this.writable = false;
      advance(this);
      return this;
    },
    cork() { this._writableState.corked++; },
    uncork() {
      const held = this._writableState;
      if (held.corked && !--held.corked) advance(this);
    },
    setDefaultEncoding(encoding) { this._writableState.defaultEncoding = encoding; return this; },
  };
  Object.assign(Writable.prototype, writing, {
    _destroy(error, callback) { callback(error); },
    destroy,
    pipe() { this.emit('error', fault(Error, 'ERR_STREAM_CANNOT_PIPE', 'Cannot pipe, not readable')); },
  });
  const WRITABLE = { writableLength: 'length', writableEnded: 'ending', writableFinished: 'finished',
    writableHighWaterMark: 'highWaterMark', writableObjectMode: 'objectMode', writableNeedDrain: 'needDrain',
    writableCorked: 'corked' };
  shown(Writable, '_writableState', { ...WRITABLE, destroyed: 'destroyed', closed: 'closed', errored: 'errored' });

  function Duplex(given) {
    if (!(this instanceof Duplex)) return new Duplex(given);
    Stream.call(this);
    startReading(this, given);
    startWriting(this, given);
    this.allowHalfOpen = !given || given.allowHalfOpen !== false;
    options(this, given, ['read', 'write', 'writev', 'final', 'destroy']);
  }
  inherit(Duplex, Readable);
  Object.assign(Duplex.prototype, writing);
  shown(Duplex, '_writableState', WRITABLE);

  function Transform(given) {
    if (!(this instanceof Transform)) return new Transform(given);
    Duplex.call(this, given);
    options(this, given, ['transform', 'flush']);
  }
  inherit(Transform, Duplex);
  Object.assign(Transform.prototype, {
    _transform() { throw fault(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'The _transform() method is not implemented'); },
    _write(chunk, encoding, callback) {
      this._transform(chunk, encoding, (error, value) => {
        if (error) return callback(error);
        if (value !== undefined && value !== null) this.push(value);
        callback();
      });
    },
    _final(callback) {
      const done = (error, value) => {
        if (error) return callback(error);
        if (value !== undefined && value !== null) this.push(value);
        this.push(null);
        callback();
      };
      if (this._flush) this._flush(done); else done();
    },
    _read() {},
  });

  function PassThrough(given) {
    if (!(this instanceof PassThrough)) return new PassThrough(given);
    Transform.call(this, given);
  }
  inherit(PassThrough, Transform);
  PassThrough.prototype._transform = function (chunk, encoding, callback) { callback(null, chunk); };

  host.kit.demanded['writable.js'] = { Writable, Duplex, Transform, PassThrough };
})
