// Deploying a script, and handing it an event.
(function (global, host) {
  'use strict';
  const { TwiML, Response, answerOf, format, timers, runTimer, asked, restClient, invoke } = host.kit;

  host.prepare = (environment) => { Object.assign(global.process.env, JSON.parse(environment)); };

  const plain = (status, type, body) => ({ status, type, headers: {}, body });
  const responseOf = (value) => {
    if (ArrayBuffer.isView(value)) return answerOf({ statusCode: 200, headers: {}, body: value });
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

  host.handle = (input) => {
    const { context, event } = host.kit.received(JSON.parse(input));
    const full = Object.assign({}, global.process.env, context, { getTwilioClient: restClient });
    try {
      const returned = invoke(full, event, callback);
      if (returned && typeof returned.then === 'function') returned.then(undefined, fail);
    } catch (error) {
      fail(error);
    }
  };
  host.pump = () => {
    if (timers.size || asked.size) {
      try { runTimer(); } catch (error) { fail(error); }
    } else {
      // As in Node, a rejection that nobody listened to is what went wrong.
      const lost = host.lost();
      fail(lost ? lost[0] : new Error('the handler ended without calling its callback'));
    }
  };
})(globalThis, globalThis.__host);
