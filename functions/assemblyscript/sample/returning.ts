// Greets who called before, and asks another service for the name of who did not; granted by
//   [[function]]
//   name = "returning"
//   hosts = ["crm.example.com"]
//   store = true
// The same decision as functions/samples/returning.js; builds beside ../template/offhook.ts.
import { Event, Json, Level, answer, call, document, log, quote, text } from "./offhook";

export { oh_alloc } from "./offhook";

export function oh_handle(at: usize, length: i32): i64 {
  return answer(document(`<Say>${text(greeting(Event.read(at, length)))}</Say>`));
}

function greeting(event: Event): string {
  const key = quote("callers/" + event.get("From"));
  while (true) {
    const found = call(`{"op":"kv.get","key":${key}}`);
    if (found.failed) return failed(found.error + ": " + found.message);
    const known = found.value.get("value");
    const calls = known.there ? I32.parseInt(known.get("calls").text) + 1 : 1;
    const name = known.there ? known.get("name").text : nameOf(event);
    const revision = found.value.there ? found.value.get("revision").text : "0";
    const value = `{"calls":${calls},"name":${quote(name)}}`;
    const set = call(`{"op":"kv.set","key":${key},"value":${value},"revision":${revision}}`);
    // Another call of the same caller was quicker.
    if (set.error == "Conflict") continue;
    if (set.failed) return failed(set.error + ": " + set.message);
    if (calls == 1) return "Welcome";
    return "Welcome back, " + (name.length > 0 ? name : `caller number ${calls}`);
  }
}

function failed(reason: string): string {
  log(Level.Error, reason);
  return "Welcome";
}

// What the service at CRM_URL calls this number; empty where it does not know it.
function nameOf(event: Event): string {
  const url = event.context("CRM_URL") + "?number=" + encodeURIComponent(event.get("From"));
  const found = call(`{"op":"fetch","url":${quote(url)}}`);
  if (found.failed) {
    log(Level.Warning, found.error + ": " + found.message);
    return "";
  }
  return new Json(found.value.get("text").text).get("name").text;
}
