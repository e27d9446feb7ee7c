// Lets phones dial out: the address they dial becomes a number, the phone a caller ID. Goes on
// after an error's callback, as many handlers in the wild do; the first callback counts.
exports.handler = function(context, event, callback) {
    let twiml = new Twilio.twiml.VoiceResponse();
    let from = event.callerId || event.From || null;
    let to = event.To || null;
    console.log("+ from: " + from);
    console.log("+ to: " + to);
    if (from !== null && from.startsWith("sip:home@")) {
        from = "+15550100001";
    }
    if (from === null) {
        twiml.say({voice: 'alice', language: 'en-CA',}, 'Error placing the call. From is required.');
        callback(null, twiml);
    }
    if (to === null) {
        twiml.say({voice: 'alice', language: 'en-CA',}, 'Error placing the call. To is required.');
        callback(null, twiml);
    }
    if (to.startsWith("sip:")) {
        to = to.substr(4)
    }
    var at = to.indexOf("@");
    if (at > 0) {
        to = to.substr(0, at)
    }
    if (to.startsWith("64") && to.length === 10) {
        to = "+" + to;
    }
    let dialParams = {};
    dialParams.callerId = from
    dialParams.record = "do-not-record"
    twiml.dial(dialParams, to);
    callback(null, twiml);
};
