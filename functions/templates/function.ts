// Answers each call that asks /functions/{{name}}: name it in offhook.toml as
//   voice = "function:{{name}}"
// or try it with
//   offhook preview function:{{name}}
//   curl -H 'Accept: text/plain' 'http://127.0.0.1:8080/functions/{{name}}?From=%2B15550001111'
//
// There is nothing to build: types are taken out when the file is loaded, not checked. For an
// editor that checks them: npm install --save-dev twilio typescript.
import twilio from 'twilio';

interface Event {
  From?: string;
  To?: string;
  CallSid?: string;
  Digits?: string;
}

type Callback = (error: unknown, response?: unknown) => void;

export const handler = (context: Record<string, string>, event: Event, callback: Callback): void => {
  const response = new twilio.twiml.VoiceResponse();
  response.say(`Hello. You are calling from ${event.From ?? 'nowhere'}.`);
  response.hangup();
  callback(null, response);
};
