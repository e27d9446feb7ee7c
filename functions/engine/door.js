// What comes in besides text: the request's method.
(function (global, host) {
  'use strict';

  // Twilio's events have no method: ours is there to be read, but not to be listed or copied.
  const received = (input) => {
    const { request } = input.event;
    if (request && typeof request.method === 'string' && request.headers && request.cookies) {
      Object.defineProperty(request, 'method', { enumerable: false });
    }
    return input;
  };

  Object.assign(host.kit, { received });
})(globalThis, globalThis.__host);
