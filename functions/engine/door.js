// What comes in and goes out besides text: the request's method, and answers that are bytes (a
// Buffer or any other typed array, alone or as the body of a Response).
(function (global, host) {
  'use strict';

  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const base64 = (bytes) => {
    const parts = [];
    for (let at = 0; at < bytes.length; at += 3) {
      const word = (bytes[at] << 16) | ((bytes[at + 1] || 0) << 8) | (bytes[at + 2] || 0);
      parts.push(
        ALPHABET[word >> 18],
        ALPHABET[(word >> 12) & 63],
        at + 1 < bytes.length ? ALPHABET[(word >> 6) & 63] : '=',
        at + 2 < bytes.length ? ALPHABET[word & 63] : '=',
      );
    }
    return parts.join('');
  };

  const bytesOf = (value) => {
    const whole = ArrayBuffer.isView(value) ? { statusCode: 200, headers: {}, body: value } : value;
    const { buffer, byteOffset, byteLength } = whole.body;
    return {
      status: whole.statusCode,
      type: 'application/octet-stream',
      headers: whole.headers,
      body64: base64(new Uint8Array(buffer, byteOffset, byteLength)),
    };
  };

  // Twilio's events have no method: ours is there to be read, but not to be listed or copied.
  const received = (input) => {
    const { request } = input.event;
    if (request && typeof request.method === 'string' && request.headers && request.cookies) {
      Object.defineProperty(request, 'method', { enumerable: false });
    }
    return input;
  };

  Object.assign(host.kit, { bytesOf, received });
})(globalThis, globalThis.__host);
