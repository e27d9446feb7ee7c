// Functions for Offhook in AssemblyScript: the event, escaping, the host. Copy it beside yours.
// Memory is only ever taken, never given back: an instance lives for one event.

@external("offhook", "log")
declare function hostLog(level: i32, at: usize, length: i32): void;
@external("offhook", "random")
declare function hostRandom(at: usize, length: i32): void;
@external("offhook", "ask")
declare function hostAsk(at: usize, length: i32): i32;
@external("offhook", "next")
declare function hostNext(milliseconds: f64): i32;
@external("offhook", "take")
declare function hostTake(at: usize): void;

export enum Level { Debug, Info, Warning, Error }

/** Writes a line to the log. */
export function log(level: Level, text: string): void {
  const bytes = String.UTF8.encode(text);
  hostLog(level, changetype<usize>(bytes), bytes.byteLength);
}

/** So many bytes that nobody can foresee. */
export function random(length: i32): Uint8Array {
  const bytes = new Uint8Array(length);
  hostRandom(bytes.dataStart, length);
  return bytes;
}

/** Starts an operation, `{"op": "fetch", …}`, and gives its number. A module that calls this or
 * `next` loads only where offhook.toml grants it something. */
export function ask(operation: string): i32 {
  const bytes = String.UTF8.encode(operation);
  return hostAsk(changetype<usize>(bytes), bytes.byteLength);
}

/** Waits for the end of an operation (negative: without a limit); null when none has ended. */
export function next(milliseconds: f64): string | null {
  const length = hostNext(milliseconds);
  if (length < 0) return null;
  const at = heap.alloc(length);
  hostTake(at);
  return String.UTF8.decodeUnsafe(at, length);
}

/** How an operation ended: with a value, or with an error that has a name and a message. */
export class Reply {
  constructor(private reply: Json) {}

  get failed(): bool { return this.reply.get("error").there; }

  /** "NotGranted", "Conflict", "Network" and so on; empty where it succeeded. */
  get error(): string { return this.reply.get("error").get("name").text; }

  get message(): string { return this.reply.get("error").get("message").text; }

  get value(): Json { return this.reply.get("value"); }
}

/** One operation from its start to its end. For several at one time use `ask` and `next`; an answer
 * to one of those that comes meanwhile is lost. */
export function call(operation: string): Reply {
  const id = ask(operation).toString();
  while (true) {
    const answer = next(-1);
    if (answer == null) throw new Error("the operation has no answer");
    const reply = new Json(answer);
    if (reply.get("id").text == id) return new Reply(reply);
  }
}

/** A text as it stands in JSON, with its quotes. */
export function quote(value: string): string {
  let quoted = '"';
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c < 0x20) quoted += "\\u00" + (c < 16 ? "0" : "") + c.toString(16);
    else quoted += c == 0x22 || c == 0x5c ? "\\" + value.charAt(i) : value.charAt(i);
  }
  return quoted + '"';
}

/** A value in a JSON text; or none. */
export class Json {
  constructor(private json: string, private at: i32 = 0) {}

  get there(): bool {
    if (this.at < 0) return false;
    const at = blank(this.json, this.at);
    return at < this.json.length && this.json.charCodeAt(at) != 0x6e; // null
  }

  /** The member of an object. */
  get(name: string): Json {
    return new Json(this.json, member(this.json, this.at, name));
  }

  /** A string decoded, anything else as it is written; empty where there is none. */
  get text(): string {
    return this.there ? first(this.json, blank(this.json, this.at)) : "";
  }
}

/** What the program ends with when it throws: the reason goes to the log. */
export function aborted(message: string | null, file: string | null, line: u32, column: u32): void {
  log(Level.Error, `${file ? file : "?"}:${line}:${column}: ${message ? message : "aborted"}`);
  unreachable();
}

/** What a function is asked: `{"context": {…}, "event": {"request": {…}, …parameters}}`. */
export class Event {
  private parameters: i32;

  constructor(private json: string) {
    this.parameters = member(json, 0, "event");
  }

  static read(at: usize, length: i32): Event {
    return new Event(String.UTF8.decodeUnsafe(at, length));
  }

  /** A parameter, "From" and so on: the first of that name; empty where there is none. */
  get(name: string): string {
    return first(this.json, member(this.json, this.parameters, name));
  }

  /** A value of the environment. */
  context(name: string): string {
    return first(this.json, member(this.json, member(this.json, 0, "context"), name));
  }

  /** A header field of the request; its name in small letters. */
  header(name: string): string {
    const request = member(this.json, this.parameters, "request");
    return first(this.json, member(this.json, member(this.json, request, "headers"), name));
  }
}

/** Where the host is to put the event. */
export function oh_alloc(length: i32): usize {
  return heap.alloc(length);
}

/** What oh_handle returns for an answer. */
export function answer(text: string): i64 {
  const bytes = String.UTF8.encode(text);
  return (changetype<usize>(bytes) as i64) << 32 | bytes.byteLength;
}

/** A whole answer around verbs that are markup already. */
export function document(verbs: string): string {
  return '<?xml version="1.0" encoding="UTF-8"?><Response>' + verbs + "</Response>";
}

/** A text between tags, which stays text whatever it holds. */
export function text(value: string): string {
  return legal(value).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll("\r", "&#xD;");
}

/** The value of an attribute, to stand in double quotes. */
export function attribute(value: string): string {
  return legal(value).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;")
    .replaceAll("\t", "&#x9;").replaceAll("\n", "&#xA;").replaceAll("\r", "&#xD;");
}

// XML 1.0 section 2.2: what no document can hold is left out.
function legal(value: string): string {
  let kept = "";
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c >= 0x20 ? c < 0xfffe : c == 9 || c == 10 || c == 13) kept += value.charAt(i);
  }
  return kept;
}

// --- JSON, as much as an event needs: positions in the text, -1 for what is not there. ---

function blank(json: string, i: i32): i32 {
  while (i < json.length && json.charCodeAt(i) <= 0x20) i++;
  return i;
}

/** Behind the string that begins at `i`. */
function stringEnd(json: string, i: i32): i32 {
  for (i++; i < json.length && json.charCodeAt(i) != 0x22; i++) {
    if (json.charCodeAt(i) == 0x5c) i++;
  }
  return i + 1;
}

/** Behind the value that begins at `i`. Counts brackets, so that no depth uses up the stack. */
function valueEnd(json: string, i: i32): i32 {
  let depth = 0;
  while (i < json.length) {
    const c = json.charCodeAt(i);
    if (c == 0x22) i = stringEnd(json, i);
    else if (c == 0x7b || c == 0x5b) depth++, i++;
    else if (c == 0x7d || c == 0x5d) {
      if (depth == 0) return i;
      depth--, i++;
    } else if (c == 0x2c && depth == 0) return i;
    else i++;
  }
  return json.length;
}

/** Where the value of a member begins. */
function member(json: string, object: i32, name: string): i32 {
  if (object < 0) return -1;
  let i = blank(json, object);
  if (i >= json.length || json.charCodeAt(i) != 0x7b) return -1;
  i = blank(json, i + 1);
  while (i < json.length && json.charCodeAt(i) == 0x22) {
    const found = decode(json, i);
    i = blank(json, blank(json, stringEnd(json, i)) + 1);
    if (found == name) return i;
    i = blank(json, valueEnd(json, i));
    if (i >= json.length || json.charCodeAt(i) != 0x2c) return -1;
    i = blank(json, i + 1);
  }
  return -1;
}

/** The text of a value; of values with one name, which JSON holds as an array, the first. */
function first(json: string, i: i32): string {
  if (i < 0 || i >= json.length) return "";
  if (json.charCodeAt(i) == 0x5b) i = blank(json, i + 1);
  if (json.charCodeAt(i) == 0x22) return decode(json, i);
  return json.substring(i, valueEnd(json, i)).trim();
}

function decode(json: string, i: i32): string {
  let decoded = "";
  const end = stringEnd(json, i) - 1;
  let from = ++i;
  for (; i < end; i++) {
    if (json.charCodeAt(i) != 0x5c) continue;
    decoded += json.substring(from, i);
    const c = json.charAt(++i);
    if (c == "u") {
      // Halves of surrogate pairs come one after the other, as AssemblyScript has them, too.
      decoded += String.fromCharCode(I32.parseInt(json.substring(i + 1, i + 5), 16));
      i += 4;
    } else decoded += c == "n" ? "\n" : c == "t" ? "\t" : c == "r" ? "\r" : c == "b" ? "\b"
      : c == "f" ? "\f" : c;
    from = i + 1;
  }
  return decoded + json.substring(from, end);
}
