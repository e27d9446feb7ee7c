// Each phone gets a caller ID of its own, from a table; rings another phone when one is dialled.
const callerIds = { home: '+15550100001', desk: '+15550100002' };

exports.handler = async function (context, event, callback) {
  const response = new Twilio.twiml.VoiceResponse();
  const user = /^sip:([^@]+)@/.exec(event.From || '');
  const callerId = (user && callerIds[user[1]]) || '+15550100000';
  const dial = response.dial({ callerId, timeout: 20, answerOnBridge: true });
  if (/^sip:[a-z]/.test(event.To)) dial.sip(event.To); else dial.number(event.To);
  await Promise.resolve();
  return callback(null, response);
};
