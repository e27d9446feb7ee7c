// Calls that phones make: the phone's user decides the caller ID, and the dialled text becomes a number.
// Try it without a phone:
//   curl 'http://127.0.0.1:8080/functions/sip-outbound?From=sip:home@office.localhost&To=sip:15551231234@office.localhost'

const CALLER_IDS = {
  home: '+12223331234',
  myuser: '+12223335678',
};
const DEFAULT_CALLER_ID = '+12223339999';

exports.handler = function (context, event, callback) {
  const twiml = new Twilio.twiml.VoiceResponse();
  const fail = (text) => {
    twiml.say({ voice: 'alice', language: 'en-CA' }, text);
    callback(null, twiml);
  };
  if (!event.From && !event.callerId) return fail('Error placing the call. From caller is required.');
  if (!event.To) return fail('Error placing the call. To caller is required.');

  const user = userOf(event.From || '');
  const callerId = event.callerId || CALLER_IDS[user] || DEFAULT_CALLER_ID;
  const dialled = userOf(event.To);
  if (/;gr\b/.test(event.To)) {
    // One device of a user (RFC 5627): only the whole URI leads to it.
    twiml.dial().sip(event.To);
    return callback(null, twiml);
  }
  if (/[a-z]/i.test(dialled)) {
    // A colleague, not a number: rings all phones of that user.
    twiml.dial().sip(`sip:${dialled}@office.localhost`);
    return callback(null, twiml);
  }
  const number = numberOf(dialled);
  console.log(`${user} calls ${number} as ${callerId}`);

  twiml.dial({ callerId, record: 'do-not-record' }, number);
  callback(null, twiml);
};

// The part between "sip:" and "@".
function userOf(uri) {
  return uri.replace(/^sips?:/, '').split('@')[0];
}

// New Zealand (64…) and Singapore (65…) numbers of ten digits lack their plus; 650… is California.
function numberOf(dialled) {
  if (dialled.length !== 10) return dialled.startsWith('+') ? dialled : '+' + dialled;
  if (dialled.startsWith('64')) return '+' + dialled;
  if (dialled.startsWith('650')) return '+1' + dialled;
  if (dialled.startsWith('65')) return '+' + dialled;
  return '+1' + dialled;
}
