// Calls that phones make: the phone's user decides the caller ID, and the dialled text becomes a
// number. The same decision as samples/first/functions/sip-outbound.js; builds beside
// ../template/offhook.ts.
import { Event, Level, answer, attribute, document, log, text } from "./offhook";

export { oh_alloc } from "./offhook";

export function oh_handle(at: usize, length: i32): i64 {
  return answer(handle(Event.read(at, length)));
}

const DEFAULT_CALLER_ID = "+12223339999";

function callerIdOf(user: string): string {
  if (user == "home") return "+12223331234";
  if (user == "myuser") return "+12223335678";
  return DEFAULT_CALLER_ID;
}

function handle(event: Event): string {
  const from = event.get("From");
  const to = event.get("To");
  let callerId = event.get("callerId");
  if (!from && !callerId) return fail("Error placing the call. From caller is required.");
  if (!to) return fail("Error placing the call. To caller is required.");

  const user = userOf(from);
  if (!callerId) callerId = callerIdOf(user);
  const dialled = userOf(to);
  // One device of a user (RFC 5627): only the whole URI leads to it.
  if (isDevice(to)) return document(`<Dial><Sip>${text(to)}</Sip></Dial>`);
  if (hasLetter(dialled)) {
    // A colleague, not a number: rings all phones of that user.
    return document(`<Dial><Sip>${text(`sip:${dialled}@office.localhost`)}</Sip></Dial>`);
  }
  const number = numberOf(dialled);
  log(Level.Info, `${user} calls ${number} as ${callerId}`);
  return document(
    `<Dial callerId="${attribute(callerId)}" record="do-not-record">${text(number)}</Dial>`);
}

function fail(reason: string): string {
  return document(`<Say voice="alice" language="en-CA">${text(reason)}</Say>`);
}

// The part between "sip:" and "@".
function userOf(uri: string): string {
  const start = uri.startsWith("sip:") ? 4 : uri.startsWith("sips:") ? 5 : 0;
  const end = uri.indexOf("@", start);
  return end < 0 ? uri.substring(start) : uri.substring(start, end);
}

function isLetter(c: i32): bool {
  return (c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a;
}

function hasLetter(value: string): bool {
  for (let i = 0; i < value.length; i++) if (isLetter(value.charCodeAt(i))) return true;
  return false;
}

function isDevice(uri: string): bool {
  for (let i = uri.indexOf(";gr"); i >= 0; i = uri.indexOf(";gr", i + 3)) {
    if (i + 3 >= uri.length) return true;
    const c = uri.charCodeAt(i + 3);
    if (!isLetter(c) && !(c >= 0x30 && c <= 0x39) && c != 0x5f) return true;
  }
  return false;
}

// New Zealand (64…) and Singapore (65…) numbers of ten digits lack their plus; 650… is California.
function numberOf(dialled: string): string {
  if (dialled.length != 10) return dialled.startsWith("+") ? dialled : "+" + dialled;
  if (dialled.startsWith("650")) return "+1" + dialled;
  if (dialled.startsWith("64") || dialled.startsWith("65")) return "+" + dialled;
  return "+1" + dialled;
}
