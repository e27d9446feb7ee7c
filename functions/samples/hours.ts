// Sends callers to the office while it is open, in TypeScript with a helper of its own.
import { isOpen } from './calendar.private';
import twilio from 'twilio';

type Callback = (error: unknown, response?: unknown) => void;

export const handler = (context: Record<string, string>, event: { From?: string }, callback: Callback): void => {
  const response = new twilio.twiml.VoiceResponse();
  if (isOpen(new Date(), Number(context.UTC_OFFSET ?? 0))) {
    response.dial(context.OFFICE as string);
  } else {
    response.say('We are closed. Please call again on Monday.');
  }
  callback(null, response);
};
