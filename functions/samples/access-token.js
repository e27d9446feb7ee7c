// Gives a client its token: call it as /functions/access-token?identity=alice.
exports.handler = (context, event, callback) => {
  const { AccessToken } = Twilio.jwt;
  const response = new Twilio.Response();
  if (!event.identity) {
    response.setStatusCode(400).setBody({ error: 'identity is missing' });
    return callback(null, response);
  }
  const token = new AccessToken(context.ACCOUNT_SID, context.API_KEY, context.API_SECRET, { identity: event.identity });
  token.addGrant(new AccessToken.VoiceGrant({ outgoingApplicationSid: context.APP_SID, incomingAllow: true }));
  response.appendHeader('Cache-Control', 'no-store');
  response.setBody({ identity: event.identity, token: token.toJwt() });
  return callback(null, response);
};
