// Calls back whoever calls: rings one of our phones, and joins it with the caller. It is the handler of a number
// (voice = "function:call-back"); protected, so that nobody else can order calls by it. Granted by
//   [[function]]
//   name = "call-back"
//   calls = ["client:*"]
exports.handler = async (context, event, callback) => {
  const twiml = new Twilio.twiml.VoiceResponse();
  if (event.number) {
    // Our phone has answered: the trunk's prefixes say whom it may be joined with.
    twiml.say('This is a call back.');
    twiml.dial({ callerId: event.From, answerOnBridge: true }, event.number);
    return callback(null, twiml);
  }
  try {
    const call = await context.getTwilioClient().calls.create({
      to: 'client:' + (context.CALL_BACK_USER || 'alice'),
      from: event.To,
      url: 'function:call-back?number=' + encodeURIComponent(event.From),
      timeout: 20,
    });
    console.log('calling back', event.From, 'as', call.sid);
    twiml.say('Thank you. We call you back at once.');
  } catch (error) {
    console.warn(error);
    twiml.say('Nobody can call you back. Please try again later.');
  }
  callback(null, twiml);
};
