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

  host.kit.toAscii = toAscii;
})(globalThis, globalThis.__host);
