// Internationalised host names in their ASCII form (RFC 3492). The mapping before it is that of
// Unicode normalisation and small letters, not the whole table of UTS #46.
(function (global, host) {
  'use strict';

  // RFC 3492 section 5.
  const [BASE, T_MIN, T_MAX, SKEW, DAMP, FIRST_BIAS, FIRST] = [36, 1, 26, 38, 700, 72, 128];
  const adapt = (delta, count, first) => {
    delta = Math.floor(delta / (first ? DAMP : 2));
    delta += Math.floor(delta / count);
    let k = 0;
    for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE) delta = Math.floor(delta / (BASE - T_MIN));
    return k + Math.floor((BASE - T_MIN + 1) * delta / (delta + SKEW));
  };
  const digit = (value) => String.fromCharCode(value < 26 ? value + 97 : value + 22);
  const number = (value, bias) => {
    let text = '';
    for (let k = BASE; ; k += BASE) {
      const t = Math.min(Math.max(k - bias, T_MIN), T_MAX);
      if (value < t) return text + digit(value);
      text += digit(t + (value - t) % (BASE - t));
      value = Math.floor((value - t) / (BASE - t));
    }
  };
  const encode = (label) => {
    const points = Array.from(label, (character) => character.codePointAt(0));
    const basic = points.filter((point) => point < FIRST);
    let out = String.fromCharCode(...basic) + (basic.length ? '-' : '');
    let [n, delta, bias, done] = [FIRST, 0, FIRST_BIAS, basic.length];
    while (done < points.length) {
      const next = Math.min(...points.filter((point) => point >= n));
      delta += (next - n) * (done + 1);
      n = next;
      for (const point of points) {
        if (point < n) delta++;
        if (point !== n) continue;
        out += number(delta, bias);
        bias = adapt(delta, done + 1, done === basic.length);
        delta = 0;
        done++;
      }
      delta++;
      n++;
    }
    return out;
  };
  const toAscii = (name) => {
    if (!/[^\0-\x7f]/.test(name)) return name.toLowerCase();
    const mapped = name.normalize('NFKC').toLowerCase().normalize('NFC').replace(/[\u3002\uFF0E\uFF61]/g, '.').replace(/\u00AD/g, '');
    return mapped.split('.').map((label) => (/[^\0-\x7f]/.test(label) ? 'xn--' + encode(label) : label)).join('.');
  };

  // RFC 3492 section 6.2.
  const decode = (text) => {
    const end = text.lastIndexOf('-');
    const points = Array.from(text.slice(0, Math.max(end, 0)), (character) => character.codePointAt(0));
    let [n, i, bias] = [FIRST, 0, FIRST_BIAS];
    for (let at = end > 0 ? end + 1 : 0; at < text.length;) {
      const before = i;
      for (let [weight, k] = [1, BASE]; ; k += BASE) {
        const value = parseInt(text[at++], BASE);
        if (Number.isNaN(value)) throw new RangeError('Invalid input');
        // In RFC 3492 letters are 0 to 25 and digits 26 to 35; parseInt has it the other way round.
        const digit = value < 10 ? value + 26 : value - 10;
        i += digit * weight;
        const t = Math.min(Math.max(k - bias, T_MIN), T_MAX);
        if (digit < t) break;
        weight *= BASE - t;
      }
      bias = adapt(i - before, points.length + 1, before === 0);
      n += Math.floor(i / (points.length + 1));
      i %= points.length + 1;
      points.splice(i++, 0, n);
    }
    return String.fromCodePoint(...points);
  };
  const byLabel = (name, change) => {
    const parts = name.split('@');
    const labels = parts.pop().replace(/[\u3002\uFF0E\uFF61]/g, '.').split('.');
    return [...parts, labels.map(change).join('.')].join('@');
  };
  const toUnicode = (name) => byLabel(name, (label) => (label.startsWith('xn--') ? decode(label.slice(4).toLowerCase()) : label));

  host.kit.builtins.punycode = {
    version: '2.1.0', encode, decode, toUnicode,
    toASCII: (name) => byLabel(name, (label) => (/[^\0-\x7f]/.test(label) ? 'xn--' + encode(label) : label)),
    ucs2: {
      decode: (text) => Array.from(text, (character) => character.codePointAt(0)),
      encode: (points) => String.fromCodePoint(...points),
    },
  };
  host.kit.toAscii = toAscii;
})(globalThis, globalThis.__host);
