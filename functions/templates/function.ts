// Answers each call that asks /functions/{{name}}: name it in offhook.toml as
//   voice = "function:{{name}}"
// or try it with
//   offhook preview function:{{name}}
//   {{ask}}
//
// There is nothing to build: types are taken out when the file is loaded, not checked. Editors check
// them by offhook.d.ts and tsconfig.json, and so does `npx -p typescript tsc` in the project's folder.
export const handler: Offhook.Handler = (context, event, callback) => {
  const response = new Twilio.twiml.VoiceResponse();
  response.say(`Hello. You are calling from ${event.From ?? 'nowhere'}.`);
  response.hangup();
  callback(null, response);
};
