// Twilio.validateRequest and its like: is a request signed with the account's token?
(function (global, host) {
  'use strict';
  const { builtins, twilio } = host.kit;
  const { createHash, createHmac, timingSafeEqual } = builtins.crypto;

  // The parts of an address without changing a character of it: the signature covers them as sent.
  const split = (url) => {
    const found = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)/i.exec(url);
    if (!found) return undefined;
    const [prefix, scheme, authority] = found;
    const host = authority.slice(authority.lastIndexOf('@') + 1);
    // Behind the bracket of an IPv6 address.
    const colon = host.indexOf(':', host.lastIndexOf(']') + 1);
    return {
      before: scheme + authority.slice(0, authority.length - host.length),
      secure: scheme.toLowerCase() === 'https://',
      host: colon < 0 ? host : host.slice(0, colon),
      port: colon < 0 ? '' : host.slice(colon + 1),
      after: url.slice(prefix.length),
    };
  };
  const withPort = (url) => {
    const parts = split(url);
    if (!parts || parts.port) return url;
    return parts.before + parts.host + (parts.secure ? ':443' : ':80') + parts.after;
  };
  const withoutPort = (url) => {
    const parts = split(url);
    return parts ? parts.before + parts.host + parts.after : url;
  };
  const reencoded = (url) => {
    const at = url.indexOf('?');
    if (at < 0 || at === url.length - 1) return url;
    const { parse, stringify } = builtins.querystring;
    return url.slice(0, at + 1) + stringify(parse(url.slice(at + 1)));
  };

  const parameter = (name, value) => {
    if (!Array.isArray(value)) return name + value;
    return [...new Set(value)].sort().map((each) => parameter(name, each)).join('');
  };
  const getExpectedTwilioSignature = (authToken, url, params) => {
    if (params === null && url.includes('bodySHA256')) params = {};
    const data = Object.keys(params).sort().reduce((text, name) => text + parameter(name, params[name]), url);
    return createHmac('sha1', authToken).update(data).digest('base64');
  };
  const getExpectedBodyHash = (body) => createHash('sha256').update(Buffer.from(body)).digest('hex');
  const same = (one, other) => {
    const [left, right] = [Buffer.from(one), Buffer.from(other)];
    return left.length === right.length && timingSafeEqual(left, right);
  };
  const validateBody = (body, hash) => same(hash, getExpectedBodyHash(body));
  const validateRequest = (authToken, signature, url, params) => {
    const valid = (each) => same(signature || '', getExpectedTwilioSignature(authToken, each, params));
    if (valid(withoutPort(url)) || valid(withPort(url))) return true;
    // Signers that write the address anew, with either encoding of its query.
    const normal = new URL(url).toString();
    const both = [withoutPort(normal), withPort(normal)];
    return both.some(valid) || both.map(reencoded).some(valid);
  };
  const validateRequestWithBody = (authToken, signature, url, body) =>
    validateRequest(authToken, signature, url, {}) &&
    validateBody(body, new URL(url).searchParams.get('bodySHA256') || '');

  Object.assign(twilio, { validateRequest, validateBody, validateRequestWithBody, getExpectedBodyHash,
    getExpectedTwilioSignature });
})(globalThis, globalThis.__host);
