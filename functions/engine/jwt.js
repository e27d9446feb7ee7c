// Twilio.jwt: tokens for clients, signed with the account's key (RFC 7519, HMAC only).
(function (global, host) {
  'use strict';
  const { builtins, twilio } = host.kit;

  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const HASHES = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' };
  const sign = (header, payload, secret) => {
    const input = part(header) + '.' + part(payload);
    return input + '.' + builtins.crypto.createHmac(HASHES[header.alg], secret).update(input).digest('base64url');
  };
  const seconds = () => Math.floor(Date.now() / 1000);

  class AccessToken {
    constructor(accountSid, keySid, secret, options) {
      for (const [name, value] of Object.entries({ accountSid, keySid, secret })) {
        if (!value) throw new Error(name + ' is required');
      }
      if (!options || !options.identity) throw new Error('identity is required to be specified in options');
      Object.assign(this, { accountSid, keySid, secret, ttl: options.ttl || 3600, identity: options.identity,
        nbf: options.nbf, region: options.region, grants: [] });
    }
    addGrant(grant) { this.grants.push(grant); }
    toJwt(algorithm = AccessToken.DEFAULT_ALGORITHM) {
      algorithm = algorithm || AccessToken.DEFAULT_ALGORITHM;
      if (!AccessToken.ALGORITHMS.includes(algorithm)) {
        throw new Error('Algorithm not supported. Allowed values are ' + AccessToken.ALGORITHMS.join(', '));
      }
      if (!Number.isInteger(this.ttl)) throw new Error('ttl has to be a whole number of seconds');
      const grants = {};
      if (Number.isInteger(this.identity) || typeof this.identity === 'string') {
        grants.identity = String(this.identity);
      }
      for (const grant of this.grants) grants[grant.key] = grant.toPayload();
      // The order of members is that of the helper library: tokens agree to the byte.
      const now = seconds();
      const payload = { jti: this.keySid + '-' + now, grants };
      if (typeof this.nbf === 'number') payload.nbf = this.nbf;
      Object.assign(payload, { iat: now, exp: now + this.ttl, iss: this.keySid, sub: this.accountSid });
      const header = { alg: algorithm, typ: 'JWT', cty: 'twilio-fpa;v=1' };
      if (this.region && typeof this.region === 'string') header.twr = this.region;
      return sign(header, payload, this.secret);
    }
  }
  AccessToken.DEFAULT_ALGORITHM = 'HS256';
  AccessToken.ALGORITHMS = Object.keys(HASHES);

  class Grant {
    constructor(key) { this.key = key; }
  }
  AccessToken.Grant = Grant;
  // A grant whose options are written down under other names, in this order, when they are given.
  const defineGrant = (name, key, names) => {
    const made = { [name]: class extends Grant {
      constructor(options = {}) {
        super(key);
        for (const option in names) this[option] = (options || {})[option];
      }
      toPayload() {
        const payload = {};
        for (const option in names) if (this[option]) payload[names[option]] = this[option];
        return payload;
      }
    } }[name];
    AccessToken[name] = made;
  };
  defineGrant('TaskRouterGrant', 'task_router',
    { workspaceSid: 'workspace_sid', workerSid: 'worker_sid', role: 'role' });
  defineGrant('ChatGrant', 'chat', { serviceSid: 'service_sid', endpointId: 'endpoint_id',
    deploymentRoleSid: 'deployment_role_sid', pushCredentialSid: 'push_credential_sid' });
  defineGrant('VideoGrant', 'video', { room: 'room' });
  defineGrant('SyncGrant', 'data_sync', { serviceSid: 'service_sid', endpointId: 'endpoint_id' });
  AccessToken.VoiceGrant = class VoiceGrant extends Grant {
    constructor(options) {
      super('voice');
      const { incomingAllow, outgoingApplicationSid, outgoingApplicationParams, pushCredentialSid, endpointId } =
        options || {};
      Object.assign(this, { incomingAllow, outgoingApplicationSid, outgoingApplicationParams, pushCredentialSid,
        endpointId });
    }
    toPayload() {
      const payload = {};
      if (this.incomingAllow === true) payload.incoming = { allow: true };
      if (this.outgoingApplicationSid) {
        payload.outgoing = { application_sid: this.outgoingApplicationSid };
        if (this.outgoingApplicationParams) payload.outgoing.params = this.outgoingApplicationParams;
      }
      if (this.pushCredentialSid) payload.push_credential_sid = this.pushCredentialSid;
      if (this.endpointId) payload.endpoint_id = this.endpointId;
      return payload;
    }
  };
  AccessToken.PlaybackGrant = class PlaybackGrant extends Grant {
    constructor(options) {
      super('player');
      this.grant = (options || {}).grant;
    }
    toPayload() { return this.grant || {}; }
  };

  // The older token, of three scopes.
  const { escape } = builtins.querystring;
  const query = (object) => Object.entries(object).map(([key, value]) => `${escape(key)}=${escape(value)}`).join('&');
  class EventStreamScope {
    constructor(filters) {
      this.scope = 'scope:stream:subscribe';
      this.filters = filters || {};
    }
    payload() {
      const filters = query(this.filters);
      return `${this.scope}?path=/2010-04-01/Events` + (filters && `&appParams=${escape(filters)}`);
    }
  }
  class IncomingClientScope {
    constructor(clientName) {
      this.scope = 'scope:client:incoming';
      this.clientName = clientName;
    }
    payload() { return `${this.scope}?clientName=${escape(this.clientName)}`; }
  }
  const checkOptions = (options, names) => {
    if (!options) throw new Error('Required parameter "options" missing.');
    if (typeof options !== 'object') throw new TypeError('Parameter "options" must be a type Object');
    for (const name of names) if (!options[name]) throw new Error(`Required parameter "options.${name}" missing.`);
  };
  class OutgoingClientScope {
    constructor(options) {
      this.scope = 'scope:client:outgoing';
      checkOptions(options, ['applicationSid']);
      this.applicationSid = options.applicationSid;
      this.clientName = options.clientName;
      this.params = options.params;
    }
    payload() {
      let text = `${this.scope}?appSid=${escape(this.applicationSid)}`;
      if (typeof this.clientName === 'string') text += `&clientName=${escape(this.clientName)}`;
      if (typeof this.params === 'object') text += `&appParams=${escape(query(this.params))}`;
      return text;
    }
  }
  class ClientCapability {
    constructor(options) {
      checkOptions(options, ['accountSid', 'authToken']);
      Object.assign(this, { accountSid: options.accountSid, authToken: options.authToken,
        ttl: options.ttl || 3600, scopes: [] });
    }
    addScope(scope) { this.scopes.push(scope); }
    toJwt() {
      const now = seconds();
      const scope = this.scopes.map((each) => each.payload()).join(' ');
      return sign({ alg: 'HS256', typ: 'JWT' }, { scope, iss: this.accountSid, exp: now + this.ttl, iat: now },
        this.authToken);
    }
  }
  Object.assign(ClientCapability, { EventStreamScope, IncomingClientScope, OutgoingClientScope });

  twilio.jwt = { AccessToken, ClientCapability };
  Object.assign(host.kit, { sign });
})(globalThis, globalThis.__host);
