// Greets who calls. `offhook fn build {{name}}` makes functions/{{name}}.wasm of it; by hand:
//
//   npm install && npm run build && cp function.wasm ../../functions/{{name}}.wasm
import { Event, Level, answer, document, log, text } from "./offhook";

export { oh_alloc } from "./offhook";

export function oh_handle(at: usize, length: i32): i64 {
  return answer(handle(Event.read(at, length)));
}

function handle(event: Event): string {
  let from = event.get("From");
  if (!from) from = "stranger";
  log(Level.Info, from);
  return document(`<Say>Hello, ${text(from)}</Say>`);
}
