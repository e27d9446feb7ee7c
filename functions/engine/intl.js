// Intl for English, and the toLocaleString of numbers and dates. Anything else says what is missing.
(function (global, host) {
  'use strict';
  const { localTime, isObject } = host.kit;

  const WHOLE_YEAR = { year: 'numeric', month: 'numeric', day: 'numeric' }; // where the shortest style has it
  // How languages put a date of numbers, and whether they count hours to twelve.
  const LOCALES = {
    'en-US': { date: 'mdy', twelve: true },
    'en-CA': { date: 'iso', twelve: true, short: WHOLE_YEAR },
    'en-GB': { date: 'dmy', twelve: false, short: WHOLE_YEAR },
    'sv-SE': { date: 'iso', twelve: false, numbersOnly: true },
  };
  const localeOf = (wanted) => {
    const list = wanted === undefined ? [] : [].concat(wanted);
    if (!list.length) return 'en-US';
    for (const each of list) {
      const tag = String(each);
      const found = Object.keys(LOCALES).find((name) => name.toLowerCase() === tag.toLowerCase());
      if (found) return found;
      if (/^en(?:-u-.*)?$/i.test(tag)) return 'en-US';
    }
    throw new RangeError(`The locale ${list.join(', ')} is not available inside functions: there are ` +
      `${Object.keys(LOCALES).join(', ')}; put texts in other languages together from formatToParts or getters`);
  };
  const missing = (what) => new RangeError(`${what} is not available inside functions`);

  const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October',
    'November', 'December'];
  const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
  const DATE = ['weekday', 'year', 'month', 'day'];
  const TIME = ['hour', 'minute', 'second', 'fractionalSecondDigits'];
  const STYLES = {
    date: {
      full: { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' },
      long: { year: 'numeric', month: 'long', day: 'numeric' },
      medium: { year: 'numeric', month: 'short', day: 'numeric' },
      short: { year: '2-digit', month: 'numeric', day: 'numeric' },
    },
    time: {
      full: { hour: 'numeric', minute: '2-digit', second: '2-digit', timeZoneName: 'long' },
      long: { hour: 'numeric', minute: '2-digit', second: '2-digit', timeZoneName: 'short' },
      medium: { hour: 'numeric', minute: '2-digit', second: '2-digit' },
      short: { hour: 'numeric', minute: '2-digit' },
    },
  };
  const two = (value) => String(value).padStart(2, '0');
  const literal = (value) => ({ type: 'literal', value });

  // The fields that are to be shown; `defaults` when none is asked for.
  const fieldsOf = (options, defaults) => {
    if (options.dateStyle || options.timeStyle) {
      return { ...(options.dateStyle && STYLES.date[options.dateStyle]), ...(options.timeStyle && STYLES.time[options.timeStyle]) };
    }
    const fields = {};
    for (const name of [...DATE, ...TIME, 'timeZoneName']) if (options[name] !== undefined) fields[name] = options[name];
    if (![...DATE, ...TIME].some((name) => fields[name])) {
      if (defaults !== 'time') Object.assign(fields, { year: 'numeric', month: 'numeric', day: 'numeric' });
      if (defaults !== 'date') Object.assign(fields, { hour: 'numeric', minute: '2-digit', second: '2-digit' });
    }
    return fields;
  };
  const offsetOf = (offset, sign) => {
    const minutes = Math.abs(offset) / 60;
    return `GMT${sign}${Math.floor(minutes / 60)}${minutes % 60 ? ':' + two(minutes % 60) : ''}`;
  };
  const ZONE_NAMES = ['short', 'shortOffset', 'longOffset'];
  // A language has names for the zones of its own part of the world.
  const NAMED = { 'en-GB': /^Europe\// };
  const nameOfZone = ({ name, offset }, zone, locale, style) => {
    const sign = offset < 0 ? '-' : '+';
    if (style === 'longOffset') {
      const minutes = Math.abs(offset) / 60;
      return `GMT${sign}${two(Math.floor(minutes / 60))}:${two(Math.floor(minutes % 60))}`;
    }
    if (style === 'shortOffset') return offset ? offsetOf(offset, sign) : 'GMT+0';
    if (name === 'UTC') return name;
    const named = NAMED[locale] || /^(?:America|US|Canada)\/|^Pacific\/Honolulu$/;
    if (/^[A-Z]{3,5}$/.test(name) && named.test(zone)) return name;
    return offset ? offsetOf(offset, sign) : 'GMT';
  };

  class DateTimeFormat {
    #locale;
    #zone;
    #fields;
    #twelve;
    #cycle;
    #options;
    constructor(locales, options = {}, defaults = 'date') {
      this.#locale = localeOf(locales);
      this.#options = options || {};
      const { timeZone = 'UTC', hour12, hourCycle } = this.#options;
      this.#zone = String(timeZone);
      localTime(this.#zone, 0);
      this.#fields = fieldsOf(this.#options, defaults);
      this.#twelve = hour12 === undefined ? hourCycle ? /^h1[12]$/.test(hourCycle) : LOCALES[this.#locale].twelve : Boolean(hour12);
      // ICU's pattern for en-US without AM and PM counts from 1 to 24 when only `hour12` says so.
      this.#cycle = hour12 === false && LOCALES[this.#locale].twelve ? 'h24' : hourCycle;
      const { timeZoneName } = this.#fields;
      if (timeZoneName !== undefined && !ZONE_NAMES.includes(timeZoneName)) throw missing(`timeZoneName: ${timeZoneName}`);
      if (LOCALES[this.#locale].numbersOnly && ['short', 'long'].some((style) => style === this.#fields.month || this.#fields.weekday)) {
        throw missing(`A name of a month or day in ${this.#locale}`);
      }
      this.format = (date) => this.formatToParts(date).map(({ value }) => value).join('');
    }
    static supportedLocalesOf(locales) {
      return [].concat(locales || []).filter((each) => { try { return Boolean(localeOf(each)); } catch (_) { return false; } });
    }
    resolvedOptions() {
      return { locale: this.#locale, calendar: 'gregory', numberingSystem: 'latn', timeZone: this.#zone, ...this.#fields };
    }
    formatToParts(date) {
      const time = date === undefined ? Date.now() : Number(date);
      if (!Number.isFinite(time)) throw new RangeError('Invalid time value');
      const zone = localTime(this.#zone, time);
      const local = new Date(time + zone.offset * 1000);
      const [days, clock] = [this.#date(local), this.#time(local, zone)];
      if (!days.length || !clock.length) return days.length ? days : clock;
      const wide = this.#options.dateStyle ? /full|long/.test(this.#options.dateStyle) : this.#fields.month === 'long';
      const iso = LOCALES[this.#locale].date === 'iso' && this.#locale === 'sv-SE';
      // An hour without its minutes is written as a number after a day is.
      const bare = days.length === 1 && days[0].type === 'weekday' && !this.#fields.timeZoneName
        && (this.#twelve || !this.#fields.hour || this.#fields.minute);
      return [...days, literal(wide ? ' at ' : iso || bare ? ' ' : ', '), ...clock];
    }
    #date(local) {
      const style = this.#options.dateStyle === 'short' && LOCALES[this.#locale].short;
      const { weekday, year, month, day } = style || this.#fields;
      const part = (type, value) => ({ type, value });
      const name = weekday && part('weekday', weekday === 'long' ? DAYS[local.getUTCDay()] : weekday === 'narrow'
        ? DAYS[local.getUTCDay()][0] : DAYS[local.getUTCDay()].slice(0, 3));
      const y = year && part('year', year === '2-digit' ? two(local.getUTCFullYear() % 100) : String(local.getUTCFullYear()));
      const d = day && part('day', day === '2-digit' ? two(local.getUTCDate()) : String(local.getUTCDate()));
      const words = month === 'long' || month === 'short' || month === 'narrow';
      const full = MONTHS[local.getUTCMonth()];
      const british = this.#locale === 'en-GB';
      const short = british && full === 'September' ? 'Sept' : full.slice(0, 3);
      const m = month && part('month', month === 'long' ? full : month === 'short' ? short : month === 'narrow' ? full[0]
        : month === '2-digit' ? two(local.getUTCMonth() + 1) : String(local.getUTCMonth() + 1));
      return words ? this.#words(name, y, m, d, british) : this.#numbers(name, y, m, d);
    }
    #words(name, y, m, d, british) {
      if (british) {
        const rest = [d, m, y].filter(Boolean).flatMap((each, at) => (at ? [literal(' '), each] : [each]));
        return name ? [name, literal(d && (this.#fields.weekday !== 'long' || this.#options.dateStyle) ? ', ' : ' '), ...rest] : rest;
      }
      const parts = name ? [name, literal(', ')] : [];
      parts.push(m);
      if (d) parts.push(literal(' '), d);
      if (y) parts.push(literal(d ? ', ' : ' '), y);
      return parts;
    }
    #numbers(name, y, m, d) {
      const order = LOCALES[this.#locale].date;
      const padded = (each, least) => each && { ...each, value: each.value.padStart(least, '0') };
      let list = [m, d, y];
      let separator = '/';
      if (order === 'dmy') list = m && d ? [padded(d, 2), padded(m, 2), y] : [d, m && y ? padded(m, 2) : m, y];
      if (order === 'iso') {
        list = y && m ? [y, padded(m, 2), padded(d, 2)] : [m && d ? padded(m, 2) : m, m && d ? padded(d, 2) : d, y];
        separator = '-';
      }
      const shown = list.filter(Boolean).flatMap((each, at) => (at ? [literal(separator), each] : [each]));
      if (!name) return shown;
      if (!shown.length) return [name];
      if (d && !m && !y) return order === 'dmy' ? [name, literal(' '), d] : [d, literal(' '), name];
      return [name, literal(order === 'dmy' && !y ? ' ' : ', '), ...shown];
    }
    #time(local, zone) {
      const { hour, minute, second, fractionalSecondDigits, timeZoneName } = this.#fields;
      const parts = [];
      const add = (type, value, before) => {
        if (parts.length) parts.push(literal(before));
        parts.push({ type, value });
      };
      const hours = local.getUTCHours();
      if (hour) {
        let shown = hours;
        if (this.#twelve) shown = this.#cycle === 'h11' ? hours % 12 : hours % 12 || 12;
        else if (this.#cycle === 'h24') shown = hours || 24;
        add('hour', hour === '2-digit' || !this.#twelve ? two(shown) : String(shown));
      }
      if (minute) add('minute', hour || second || minute === '2-digit' && hour ? two(local.getUTCMinutes()) : String(local.getUTCMinutes()), ':');
      if (second) add('second', minute ? two(local.getUTCSeconds()) : String(local.getUTCSeconds()), ':');
      if (fractionalSecondDigits) {
        add('fractionalSecond', String(local.getUTCMilliseconds()).padStart(3, '0').slice(0, fractionalSecondDigits), '.');
      }
      if (hour && this.#twelve) {
        const [am, pm] = { 'en-US': ['AM', 'PM'], 'en-CA': ['a.m.', 'p.m.'] }[this.#locale] || ['am', 'pm'];
        add('dayPeriod', hours < 12 ? am : pm, ' ');
      }
      if (timeZoneName) add('timeZoneName', nameOfZone(zone, this.#zone, this.#locale, timeZoneName), parts.length ? ' ' : ', ');
      return parts;
    }
  }

  const SIGNS = { USD: '$', EUR: '€', GBP: '£', JPY: '¥', INR: '₹', CNY: 'CN¥', KRW: '₩', CAD: 'CA$', AUD: 'A$', NZD: 'NZ$',
    MXN: 'MX$', BRL: 'R$', ILS: '₪', VND: '₫', TWD: 'NT$', HKD: 'HK$', XAF: 'FCFA', PHP: '₱' };
  // Where a country writes its own money, or somebody else's, differently.
  const OWN = { 'en-CA': { CAD: '$', USD: 'US$', JPY: 'JP¥' }, 'en-GB': { USD: 'US$', JPY: 'JP¥' } };
  const WHOLE = new Set(['JPY', 'KRW', 'VND', 'XAF', 'CLP', 'ISK', 'UGX']);
  // Rounds half away from zero on the shortest decimal form, as ICU does; `shift` is 2 for percent.
  const rounded = (value, digits, shift = 0) => {
    const [mantissa, exponent = '0'] = String(Math.abs(value)).split('e');
    const [whole, part = ''] = mantissa.split('.');
    const point = whole.length + Number(exponent) + shift + digits;
    const all = whole + part;
    if (point < 0) return digits ? '0.' + '0'.repeat(digits) : '0';
    let kept = BigInt(all.slice(0, point).padEnd(point, '0') || '0');
    if ((all[point] || '0') >= '5') kept += 1n;
    const text = kept.toString().padStart(digits + 1, '0');
    return digits ? `${text.slice(0, -digits)}.${text.slice(-digits)}` : text;
  };
  const COMPACT = [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'K']];

  class NumberFormat {
    #options;
    constructor(locales, options = {}) {
      const locale = localeOf(locales);
      if (locale === 'sv-SE') throw missing('Intl.NumberFormat for sv-SE');
      const given = options || {};
      const { style = 'decimal', currency } = given;
      if (!['decimal', 'percent', 'currency'].includes(style)) throw missing(`The number style ${style}`);
      if (style === 'currency' && !currency) throw new TypeError('Currency code is required with currency style.');
      const usual = style === 'currency' ? (WHOLE.has(String(currency).toUpperCase()) ? 0 : 2) : 0;
      const compact = given.notation === 'compact';
      let { minimumFractionDigits: least, maximumFractionDigits: most } = given;
      if (least === undefined) least = Math.min(compact ? 0 : usual, most === undefined ? 100 : most);
      if (most === undefined) most = Math.max(least, style === 'currency' ? usual : style === 'percent' || compact ? 0 : 3);
      if (least > most || least < 0 || most > 100) throw new RangeError('maximumFractionDigits value is out of range.');
      this.#options = { ...given, locale, style, currency, least, most, compact };
      this.format = (value) => this.#format(value);
    }
    resolvedOptions() {
      const { locale, style, currency, least, most } = this.#options;
      return { locale, numberingSystem: 'latn', style, ...(currency && { currency }), minimumFractionDigits: least, maximumFractionDigits: most };
    }
    #digits(value) {
      const { style, least, most, maximumSignificantDigits: significant, minimumIntegerDigits = 1, useGrouping = true } = this.#options;
      let text;
      const shift = style === 'percent' ? 2 : 0;
      if (significant) {
        const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value))) + shift;
        const digits = significant - 1 - magnitude;
        text = digits >= 0 ? rounded(value, digits, shift)
          : rounded(value, 0, shift + digits) + '0'.repeat(-digits);
      } else {
        text = rounded(value, most, shift);
      }
      let [whole, part = ''] = text.split('.');
      while (part.length > (significant ? 0 : least) && part.endsWith('0')) part = part.slice(0, -1);
      whole = whole.padStart(minimumIntegerDigits, '0');
      if (useGrouping !== false) whole = whole.replace(/\B(?=(\d{3})+$)/g, ',');
      return part ? `${whole}.${part}` : whole;
    }
    #format(given) {
      const { locale, style, currency, currencyDisplay = 'symbol', compact } = this.#options;
      let value = typeof given === 'bigint' ? given : Number(given);
      if (typeof value === 'bigint') return this.#bigint(value);
      const negative = value < 0 || Object.is(value, -0);
      let tail = '';
      if (style === 'percent') tail = '%';
      let text;
      if (!Number.isFinite(value)) {
        text = Number.isNaN(value) ? 'NaN' : '∞';
      } else if (compact) {
        const [unit, letter] = COMPACT.find(([each]) => Math.abs(value) >= each * 0.9995) || [1, ''];
        const small = Math.abs(value) / unit;
        text = small < 100 && !this.#options.maximumFractionDigits ? String(Number(Number(small).toPrecision(2))) : this.#digits(small);
        tail = (locale === 'en-GB' ? letter.toLowerCase().replace('b', 'bn').replace('t', 'tn') : letter) + tail;
      } else {
        text = this.#digits(value);
      }
      let sign = '';
      if (style === 'currency') {
        const code = String(currency).toUpperCase();
        const local = (OWN[locale] || {})[code] || SIGNS[code];
        sign = currencyDisplay === 'code' || !local ? `${code}\u00A0` : currencyDisplay === 'narrowSymbol' ? local.replace(/^[A-Z]+(?=[$¥])/, '') : local;
      }
      const { signDisplay = 'auto' } = this.#options;
      const minus = negative && signDisplay !== 'never' ? '-' : signDisplay === 'always' ? '+' : '';
      return minus + sign + text + tail;
    }
    #bigint(value) {
      return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
    }
  }

  class PluralRules {
    #ordinal;
    constructor(locales, { type } = {}) {
      if (!localeOf(locales).startsWith('en')) throw missing('Intl.PluralRules for other languages than English');
      this.#ordinal = type === 'ordinal';
    }
    select(number) {
      if (!this.#ordinal) return Math.abs(number) === 1 ? 'one' : 'other';
      const [last, tens] = [Math.abs(number) % 10, Math.abs(number) % 100];
      return last === 1 && tens !== 11 ? 'one' : last === 2 && tens !== 12 ? 'two' : last === 3 && tens !== 13 ? 'few' : 'other';
    }
  }

  // `Intl.DateTimeFormat()` without `new` is usual.
  const callable = (Class) => new Proxy(Class, { apply: (target, receiver, values) => new target(...values) });
  const Intl = {
    DateTimeFormat: callable(DateTimeFormat), NumberFormat: callable(NumberFormat), PluralRules,
    getCanonicalLocales: (locales) => [].concat(locales || []).map(String),
  };
  for (const name of ['Collator', 'DisplayNames', 'ListFormat', 'RelativeTimeFormat', 'Segmenter']) {
    Object.defineProperty(Intl, name, { get() { throw missing(`Intl.${name}`); }, configurable: true });
  }
  Object.defineProperty(Intl, Symbol.toStringTag, { value: 'Intl' });
  Object.defineProperty(global, 'Intl', { value: Intl, writable: true, configurable: true });

  const define = (prototype, name, value) => Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  const dated = (defaults, allowed) => function (locales, options) {
    if (!Number.isFinite(this.getTime())) return 'Invalid Date';
    const given = isObject(options) ? { ...options } : {};
    // toLocaleDateString shows a date even where only a time is asked for, and the other way round.
    if (allowed && !given.dateStyle && !given.timeStyle && !allowed.some((field) => given[field] !== undefined)) {
      Object.assign(given, defaults === 'date' ? { year: 'numeric', month: 'numeric', day: 'numeric' }
        : { hour: 'numeric', minute: '2-digit', second: '2-digit' });
    }
    return new DateTimeFormat(locales, given, defaults).format(this);
  };
  define(Date.prototype, 'toLocaleString', dated('both'));
  define(Date.prototype, 'toLocaleDateString', dated('date', DATE));
  define(Date.prototype, 'toLocaleTimeString', dated('time', TIME));
  define(Number.prototype, 'toLocaleString', function (locales, options) { return new NumberFormat(locales, options).format(Number(this)); });
  define(BigInt.prototype, 'toLocaleString', function (locales, options) { return new NumberFormat(locales, options).format(BigInt(this)); });
})(globalThis, globalThis.__host);
