// Deploying a script, and handing it an event.
(function (global, host) {
  'use strict';
  const { TwiML, Response, answerOf, format, timers, runTimer, asked, ownClient, invoke } = host.kit;

  host.prepare = (environment) => { Object.assign(global.process.env, JSON.parse(environment)); };

  const plain = (status, type, body) => ({ status, type, headers: {}, body });
  const responseOf = (value) => {
    if (typeof value === 'number' || ArrayBuffer.isView(value)) return answerOf({ statusCode: 200, headers: {}, body: value });
    if (value instanceof TwiML) return plain(200, 'text/xml', value.toString());
    if (value instanceof Response) return answerOf(value);
    if (value === undefined || value === null || typeof value === 'string') {
      return plain(200, 'text/plain', value || '');
    }
    return plain(200, 'application/json', JSON.stringify(value));
  };
  const errorResponse = (error) => {
    host.log(3, format(error));
    if (!(error instanceof Error)) return answerOf({ statusCode: 500, headers: {}, body: error });
    const { name, message, stack } = error;
    return plain(500, 'application/json', JSON.stringify({ message, name, stack }));
  };

  let finished = false;
  const finish = (make, value) => {
    if (finished) return;
    let response;
    try { response = make(value); } catch (error) { response = errorResponse(error); }
    finished = true;
    host.done(JSON.stringify(response));
  };
  const callback = (error, value) => finish(error ? errorResponse : responseOf, error ? error : value);
  const fail = (error) => {
    // What a handler throws after its callback cannot change the answer any more.
    if (finished) host.log(2, 'after the callback: ' + format(error)); else finish(errorResponse, error);
  };

  host.kit.uncaught = fail;

  // What the handler returned, until its failure is told.
  let pending;

  host.handle = (input) => {
    const { context, event } = host.kit.received(JSON.parse(input));
    const full = Object.assign({}, global.process.env, context, { getTwilioClient: () => ownClient() });
    try {
      const returned = invoke(full, event, callback);
      if (returned && typeof returned.then === 'function') {
        pending = returned;
        returned.then(undefined, (error) => { pending = undefined; fail(error); });
      }
    } catch (error) {
      fail(error);
    }
  };
  // Whenever there is no job to do, and at the end.
  host.pump = () => {
    if (!finished && (timers.size || asked.size)) {
      try { runTimer(); } catch (error) { fail(error); }
      return;
    }
    // As in Node, a rejection that nobody listened to is what went wrong.
    const lost = host.lost(pending);
    lost.forEach(fail);
    if (!finished) fail(new Error('the handler ended without calling its callback: what it returns is not used'));
  };
})(globalThis, globalThis.__host);
