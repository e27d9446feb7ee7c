// What the files of the prelude share, in `host.kit`. They are evaluated once, in the order of
// `prelude::FILES`; every function starts from a copy of the heap that they leave. `__host` is
// the shim's object {log, random, kind, xml, digest, hmac, zone, ask, wait, done, …}; it is gone before
// a script is loaded.
(function (global, host) {
  'use strict';

  // `builtins` is what `require` knows by name, `twilio` what its module and the global Twilio hold.
  host.kit = { builtins: {}, twilio: {} };

  const isObject = (value) =>
    value !== null && (typeof value === 'object' || typeof value === 'function');
  // Errors whose stacks and texts show their `code`, as those of Node's own modules do.
  const coded = new WeakSet();
  const fault = (Type, code, message) => {
    const error = new Type(message);
    const { name } = error;
    error.code = code;
    coded.add(error);
    Object.defineProperty(error, 'toString', {
      value() { return `${name} [${code}]: ${this.message}`; }, writable: true, configurable: true,
    });
    return error;
  };
  const received = (value) => {
    if (value === null || value === undefined) return ' Received ' + value;
    if (typeof value === 'function') return ` Received function ${value.name}`;
    if (typeof value === 'object') {
      const { constructor } = value;
      return constructor && constructor.name ? ` Received an instance of ${constructor.name}`
        : ` Received ${host.kit.inspect(value, { depth: -1 })}`;
    }
    let shown = host.kit.inspect(value, { colors: false });
    if (shown.length > 28) shown = shown.slice(0, 25) + '...';
    return ` Received type ${typeof value} (${shown})`;
  };
  const wrongType = (name, expected, value) => fault(TypeError, 'ERR_INVALID_ARG_TYPE',
    `The ${name.includes('.') ? `"${name}" property` : `"${name}" argument`} must be ${expected}.` + received(value));
  const mustBe = (type, name, value) => {
    if (typeof value !== type) throw wrongType(name, `of type ${type}`, value);
  };
  const grouped = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, '_');
  const outOfRange = (name, range, value) => {
    let shown = typeof value === 'string' ? `'${value}'` : String(value);
    const wide = Number.isInteger(value) && Math.abs(value) > 2 ** 32;
    if (wide || (typeof value === 'bigint' && (value > 2n ** 32n || value < -(2n ** 32n)))) shown = grouped(value);
    if (typeof value === 'bigint') shown += 'n';
    return fault(RangeError, 'ERR_OUT_OF_RANGE',
      `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`);
  };

  Object.assign(host.kit, { isObject, coded, fault, received, wrongType, mustBe, outOfRange });
})(globalThis, globalThis.__host);
