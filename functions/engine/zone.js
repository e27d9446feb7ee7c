// Time zones: files of the tz database (RFC 9636), which the host gives by name.
(function (global, host) {
  'use strict';
  const { zone: zoneFile } = host;

  // RFC 9636 section 3: a header of counts, then the data of version 1, and all again with eight
  // bytes for a time.
  const HEADER = 44;
  const counts = (view, at) => Array.from({ length: 6 }, (_, i) => view.getUint32(at + 20 + 4 * i));
  const sizeOf = ([utc, standard, leaps, times, types, chars], width) =>
    times * width + times + types * 6 + chars + leaps * (width + 4) + standard + utc;
  const read = (bytes) => {
    const view = new DataView(bytes);
    const at = HEADER + sizeOf(counts(view, 0), 4);
    const found = counts(view, at);
    const [, , , times, types, chars] = found;
    const start = at + HEADER;
    const typesAt = start + 9 * times;
    const names = String.fromCharCode(...new Uint8Array(bytes, typesAt + 6 * types, chars));
    const kinds = Array.from({ length: types }, (_, i) => {
      const from = view.getUint8(typesAt + 6 * i + 5);
      return { offset: view.getInt32(typesAt + 6 * i), name: names.slice(from, names.indexOf('\0', from)) };
    });
    const footer = String.fromCharCode(...new Uint8Array(bytes, start + sizeOf(found, 8))).trim();
    // Looked at where they are: a zone has hundreds of transitions, and a request wants one.
    const timeOf = (number) => Number(view.getBigInt64(start + 8 * number));
    const kindOf = (number) => kinds[view.getUint8(start + 8 * times + number)];
    return { times, timeOf, kindOf, first: kinds[0], rule: parseRule(footer) };
  };

  // The rule for times after the last transition, as in POSIX's TZ: `EST5EDT,M3.2.0,M11.1.0`.
  const NAME = '(<[^>]+>|[A-Za-z]+)';
  const TIME = '([+-]?\\d+(?::\\d+){0,2})';
  const RULE = new RegExp(`^${NAME}${TIME}(?:${NAME}${TIME}?,([^,]+),([^,]+))?$`);
  const seconds = (text) => {
    const [hours, minutes = 0, rest = 0] = text.replace(/^[+-]/, '').split(':').map(Number);
    return (text[0] === '-' ? -1 : 1) * (hours * 3600 + minutes * 60 + rest);
  };
  const bare = (name) => name.replace(/[<>]/g, '');
  const parseRule = (text) => {
    const found = RULE.exec(text);
    if (!found) return undefined;
    const standard = { name: bare(found[1]), offset: -seconds(found[2]) };
    if (!found[3]) return { standard };
    const daylight = { name: bare(found[3]), offset: found[4] ? -seconds(found[4]) : standard.offset + 3600 };
    const [start, end] = [found[5], found[6]].map((each) => {
      const [date, time = '2'] = each.split('/');
      return { date, time: seconds(time) };
    });
    return { standard, daylight, start, end };
  };
  const DAY = 86400;
  // When a rule's day begins in that year, in seconds as if there were no offset.
  const dayOf = (year, date) => {
    if (date[0] !== 'M') {
      const [leap, number] = [date[0] !== 'J', Number(date.replace('J', ''))];
      const isLeap = new Date(Date.UTC(year, 1, 29)).getUTCMonth() === 1;
      return Date.UTC(year, 0, 1) / 1000 + (leap ? number : number - 1 + (isLeap && number > 59 ? 1 : 0)) * DAY;
    }
    const [month, week, weekday] = date.slice(1).split('.').map(Number);
    const first = new Date(Date.UTC(year, month - 1, 1)).getUTCDay();
    let day = 1 + (weekday - first + 7) % 7 + (week - 1) * 7;
    if (day > new Date(Date.UTC(year, month, 0)).getUTCDate()) day -= 7;
    return Date.UTC(year, month - 1, day) / 1000;
  };
  const byRule = (rule, time) => {
    if (!rule.daylight) return rule.standard;
    const year = new Date((time + rule.standard.offset) * 1000).getUTCFullYear();
    const start = dayOf(year, rule.start.date) + rule.start.time - rule.standard.offset;
    const end = dayOf(year, rule.end.date) + rule.end.time - rule.daylight.offset;
    const summer = start < end ? time >= start && time < end : time >= start || time < end;
    return summer ? { ...rule.daylight, summer } : rule.standard;
  };

  const zones = new Map();
  const UTC = /^(?:utc|gmt|etc\/utc|etc\/gmt|etc\/uct|uct|zulu|universal)$/i;
  const unknown = (name) => new RangeError(`Invalid time zone specified: ${name}`);
  const zoneNamed = (name) => {
    const key = name.toLowerCase();
    if (!zones.has(key)) {
      const bytes = zoneFile(name);
      if (!bytes) throw unknown(name);
      zones.set(key, read(bytes));
    }
    return zones.get(key);
  };
  // {name, offset in seconds} of a zone at a time in milliseconds.
  const localTime = (name, milliseconds) => {
    if (UTC.test(name)) return { name: 'UTC', offset: 0 };
    const fixed = /^([+-])(\d{2}):?(\d{2})?$/.exec(name);
    if (fixed) {
      const offset = (Number(fixed[2]) * 60 + Number(fixed[3] || 0)) * 60 * (fixed[1] === '-' ? -1 : 1);
      return { name: '', offset };
    }
    const { times, timeOf, kindOf, first, rule } = zoneNamed(name);
    const time = Math.floor(milliseconds / 1000);
    if (rule && (!times || time >= timeOf(times - 1))) return byRule(rule, time);
    // The last transition that is not later.
    let [low, high] = [0, times];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (timeOf(middle) <= time) low = middle + 1; else high = middle;
    }
    return low ? kindOf(low - 1) : first;
  };

  Object.assign(host.kit, { localTime });
})(globalThis, globalThis.__host);
