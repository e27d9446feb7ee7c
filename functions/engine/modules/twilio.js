// Paths within the package twilio, as code and types name them: its own parts, in the way that release 6 has them.
(function (global, host) {
  'use strict';
  const { builtins, twilio, TwiML, sign } = host.kit;
  const { jwt, twiml } = twilio;

  // Releases 4 and later have some classes as `default`, earlier ones as all there is.
  const asDefault = (made) => Object.defineProperty(made, 'default', { value: made, configurable: true });

  class Policy {
    constructor({ url, method, queryFilter, postFilter, allow } = {}) {
      Object.assign(this, { url: url || '', method: method || 'GET', queryFilter: queryFilter || {},
        postFilter: postFilter || {}, allow: allow || true });
    }
    payload() {
      const { url, method, queryFilter, postFilter, allow } = this;
      return { url, method, query_filter: queryFilter, post_filter: postFilter, allow };
    }
  }
  const KINDS = { WK: 'worker_sid', WQ: 'taskqueue_sid' };
  class TaskRouterCapability {
    constructor(options) {
      if (!options) throw new Error('Required parameter "options" missing.');
      for (const name of ['accountSid', 'authToken', 'workspaceSid', 'channelId']) {
        if (!options[name]) throw new Error(`Required parameter "options.${name}" missing.`);
        this[name] = options[name];
      }
      Object.assign(this, { friendlyName: options.friendlyName, ttl: options.ttl || 3600, version: options.version || 'v1',
        policies: [] });
    }
    addPolicy(policy) { this.policies.push(policy); }
    toJwt() {
      const now = Math.floor(Date.now() / 1000);
      const payload = { iss: this.accountSid, exp: now + this.ttl, version: this.version, friendly_name: this.friendlyName,
        account_sid: this.accountSid, channel: this.channelId, workspace_sid: this.workspaceSid,
        policies: this.policies.map((policy) => policy.payload()) };
      const kind = KINDS[this.channelId.slice(0, 2)];
      if (kind) payload[kind] = this.channelId;
      payload.iat = now;
      return sign({ alg: 'HS256', typ: 'JWT' }, payload, this.authToken);
    }
  }
  asDefault(Object.assign(TaskRouterCapability, { Policy }));

  const BASE = 'https://taskrouter.twilio.com';
  const joined = (...parts) => parts.filter((part) => typeof part === 'string').join('/');
  const workspacesUrl = (workspace) => joined(BASE, 'v1', 'Workspaces', workspace);
  const below = (name) => (workspace, sid) => joined(workspacesUrl(workspace), name, sid);
  const workersUrl = below('Workers');
  const allowed = (url, method) => new Policy({ url, method, allow: true });
  const util = {
    workspacesUrl, taskQueuesUrl: below('TaskQueues'), tasksUrl: below('Tasks'), activitiesUrl: below('Activities'), workersUrl,
    reservationsUrl: (workspace, worker, sid) => joined(workersUrl(workspace, worker), 'Reservations', sid),
    defaultWorkerPolicies: (version, workspace, worker) => {
      const at = [BASE, version, 'Workspaces', workspace].join('/');
      return ['Activities', 'Tasks/**', `Workers/${worker}/Reservations/**`, `Workers/${worker}`]
        .map((path) => allowed(`${at}/${path}`, 'GET'));
    },
    defaultEventBridgePolicies: (account, channel) => {
      const url = ['https://event-bridge.twilio.com/v1/wschannels', account, channel].join('/');
      return [allowed(url, 'GET'), allowed(url, 'POST')];
    },
  };

  // Errors of the client have its name and members; there is no class behind them.
  class RestException extends Error {
    static [Symbol.hasInstance](value) { return value instanceof Error && value.name === 'RestException'; }
  }

  const { validateRequest, validateBody, validateRequestWithBody, getExpectedBodyHash, getExpectedTwilioSignature } = twilio;
  const parts = {
    'package.json': { name: 'twilio', version: '6.2.0', main: 'lib' },
    index: builtins.twilio,
    lib: builtins.twilio,
    'lib/index': builtins.twilio,
    'lib/rest/Twilio': asDefault(function Twilio() { return builtins.twilio(); }),
    'lib/twiml/TwiML': TwiML,
    'lib/twiml/VoiceResponse': twiml.VoiceResponse,
    'lib/twiml/MessagingResponse': twiml.MessagingResponse,
    'lib/twiml/FaxResponse': twiml.FaxResponse,
    'lib/jwt/AccessToken': asDefault(jwt.AccessToken),
    'lib/jwt/ClientCapability': asDefault(jwt.ClientCapability),
    'lib/jwt/taskrouter/TaskRouterCapability': TaskRouterCapability,
    'lib/jwt/taskrouter/util': util,
    'lib/base/RestException': asDefault(RestException),
    'lib/webhooks/webhooks': { validateRequest, validateBody, validateRequestWithBody, getExpectedBodyHash,
      getExpectedTwilioSignature },
  };
  const define = (name, value) => Object.defineProperty(builtins, name, { value, configurable: true });
  for (const path in parts) {
    define('twilio/' + path, parts[path]);
    if (!path.endsWith('.json')) define(`twilio/${path}.js`, parts[path]);
  }
  Object.defineProperty(jwt, 'taskrouter', { value: { TaskRouterCapability, util }, enumerable: true, configurable: true });
  // It has types alone: whoever imports them need not have it installed.
  for (const path of ['', '/types']) define('@twilio-labs/serverless-runtime-types' + path, {});
});
