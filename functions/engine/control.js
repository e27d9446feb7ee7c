// context.getTwilioClient(): calls and recordings of this server.
(function (global, host) {
  'use strict';
  const { ask, restError, traced } = host.kit;

  const shown = (record, extend) => {
    const own = { ...record };
    for (const name of ['startTime', 'answerTime', 'endTime']) {
      if (name in own) own[name] = own[name] === null ? null : new Date(own[name]);
    }
    own.dateCreated = own.startTime;
    own.dateUpdated = own.endTime || own.answerTime || own.startTime;
    return Object.assign(own, extend(own.sid));
  };
  const control = async (what, fields) => {
    const called = new Error();
    try {
      return await ask({ op: 'control', what, ...fields });
    } catch (error) {
      let told = error;
      if (error.code) told = restError(error.status, error.code, error.message);
      if (error.name === 'NotFound') told = restError(404, 20404, 'The requested resource was not found: ' + error.message);
      throw traced(told, called);
    }
  };
  // What is not there says so, instead of being undefined.
  const only = (known, path) => new Proxy(known, {
    get: (target, name) => {
      if (name in target || typeof name === 'symbol' || name === 'then' || name === 'toJSON') return target[name];
      throw new Error(path + '.' + name + ' is not available inside functions');
    },
  });
  const refuse = (what) => async () => { throw new Error(what + ' is not available inside functions yet'); };
  // Options as the REST API names them; whether they are known and meant is for the server to say.
  const parameters = (options) => Object.entries(Object(options)).flatMap(([name, value]) => {
    const values = value === undefined || value === null ? [] : [].concat(value);
    return values.map((one) => [name.slice(0, 1).toUpperCase() + name.slice(1), String(one)]);
  });
  const listOf = (what, fields, extend) => async (options = {}) => {
    const { limit = 50, pageSize, ...filter } = typeof options === 'number' ? { limit: options } : options;
    for (const name of Object.keys(filter)) {
      if (!fields.includes(name)) throw new Error(what + ': the filter ' + name + ' is not available inside functions');
    }
    return (await control(what, { limit, ...filter })).map((record) => shown(record, extend));
  };

  const call = (sid) => ({
    fetch: async () => shown(await control('call', { sid }), call),
    update: async (options) => shown(await control('update', { sid, parameters: parameters(options) }), call),
    recordings: only(Object.assign((recordingSid) => only({
      ...recording(recordingSid),
      update: refuse('calls(sid).recordings(sid).update'),
    }, 'calls(sid).recordings(sid)'), {
      list: (options = {}) => recordingsOf({ ...options, callSid: sid }),
      create: refuse('calls(sid).recordings.create'),
    }), 'calls(sid).recordings'),
  });
  const recording = (sid) => ({
    fetch: async () => shown(await control('recording', { sid }), recording),
    remove: () => control('removeRecording', { sid }),
  });
  const recordingsOf = listOf('recordings', ['callSid'], recording);

  // The account's own credentials are the only ones there are, whatever a script has.
  const ownClient = () => {
    const calls = Object.assign((sid) => only(call(sid), 'calls(sid)'), {
      list: listOf('calls', ['status', 'from', 'to'], call),
      create: async (options) => shown(await control('create', { parameters: parameters(options) }), call),
      get: (sid) => only(call(sid), 'calls(sid)'),
    });
    const recordings = Object.assign((sid) => only(recording(sid), 'recordings(sid)'), {
      list: recordingsOf,
      get: (sid) => only(recording(sid), 'recordings(sid)'),
    });
    const account = { calls: only(calls, 'calls'), recordings: only(recordings, 'recordings') };
    return only(account, 'getTwilioClient()');
  };
  // twilio(username, password, options), which may be called with `new`.
  const restClient = function (username, password, options) {
    const given = Object(options).accountSid || username || global.process.env.TWILIO_ACCOUNT_SID || '';
    if (given && !given.startsWith('AC')) {
      throw new Error('accountSid must start with AC' + (given.startsWith('SK')
        ? '. The given SID indicates an API Key which requires the accountSid to be passed as an additional option' : ''));
    }
    return ownClient();
  };
  Object.assign(host.kit, { ownClient, restClient });
})(globalThis, globalThis.__host);
