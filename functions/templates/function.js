// Answers each call that asks /functions/{{name}}: name it in offhook.toml as
//   voice = "function:{{name}}"
// or try it with
//   offhook preview function:{{name}}
//   {{ask}}
//
// `context` holds what [functions] env of offhook.toml grants, DOMAIN_NAME and PATH; `event` holds
// the parameters of the request: From, To, CallSid, Digits, … Whatever is saved runs at the next
// call; `offhook fn test {{name}}` compares what it answers with {{name}}.test/*.xml.
/** @type {Offhook.Handler} */
exports.handler = function (context, event, callback) {
  const twiml = new Twilio.twiml.VoiceResponse();
  twiml.say(`Hello. You are calling from ${event.From || 'nowhere'}.`);
  twiml.hangup();
  callback(null, twiml);
};
