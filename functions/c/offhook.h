/* Functions for Offhook in C: one header, no C library.
 *
 * Write `void oh_main(void)`: look at the event with oh_param and its like, write the answer with
 * oh_write and its like, return. Compiled for wasm32 this is a module with oh_alloc and oh_handle;
 * for WASI, or for the machine that you work on, a program that reads the event from standard
 * input. Memory is only ever taken, never given back: an instance lives for one event.
 */
#ifndef OFFHOOK_H
#define OFFHOOK_H

#include <stddef.h>
#include <stdint.h>

/* Bytes, UTF-8, not ended by a zero. `at` is null where there is nothing at all. */
typedef struct {
  const char *at;
  size_t length;
} oh_text;

enum { OH_DEBUG, OH_INFO, OH_WARNING, OH_ERROR };

/* What you write. */
void oh_main(void);

static void *oh_take_memory(size_t length);

/* --- The host ------------------------------------------------------------------------------ */

#ifdef __wasm__
#define OH_IMPORT(name) __attribute__((import_module("offhook"), import_name(name)))
OH_IMPORT("log") void oh_host_log(int level, const char *at, size_t length);
OH_IMPORT("random") void oh_host_random(void *at, size_t length);
/* Only for functions that something is granted to; see docs/functions.md. A module imports what
 * it calls: do not call these and none of them is asked for. */
OH_IMPORT("ask") int oh_host_ask(const char *at, size_t length);
OH_IMPORT("next") int oh_host_next(double milliseconds);
OH_IMPORT("take") void oh_host_take(char *at);
#else
#include <stdio.h>
static inline void oh_host_log(int level, const char *at, size_t length) {
  fprintf(stderr, "%d %.*s\n", level, (int)length, at);
}
static inline void oh_host_random(void *at, size_t length) {
  FILE *source = fopen("/dev/urandom", "rb");
  if (!source || fread(at, 1, length, source) != length) __builtin_trap();
  fclose(source);
}
/* There is nobody to ask: nothing is ever answered. */
static inline int oh_host_ask(const char *at, size_t length) { return (void)at, (void)length, 0; }
static inline int oh_host_next(double milliseconds) { return (void)milliseconds, -1; }
static inline void oh_host_take(char *at) { (void)at; }
#endif

static inline void oh_log(int level, oh_text text) { oh_host_log(level, text.at, text.length); }

/* Fills with bytes that nobody can foresee. */
static inline void oh_random(void *at, size_t length) { oh_host_random(at, length); }

/* Starts an operation, `{"op": "fetch", …}`, and gives its number. */
static inline int oh_ask(oh_text operation) { return oh_host_ask(operation.at, operation.length); }

/* Waits for the end of one of them, so long at most (negative: no limit; 0: only looks), and gives
 * `{"id": …, "value": …}` or `{"id": …, "error": {…}}`; nothing when none has ended. */
static inline oh_text oh_next(double milliseconds) {
  int length = oh_host_next(milliseconds);
  if (length < 0) return (oh_text){0, 0};
  char *at = oh_take_memory((size_t)length);
  oh_host_take(at);
  return (oh_text){at, (size_t)length};
}

static inline oh_text oh_value_of(oh_text answer, oh_text *error);
static inline int oh_is_answer_to(oh_text answer, int id);

/* One operation from its start to its end: its value, as JSON. Where it fails the value is nothing
 * (its `at` null) and `error` `{"name": …, "message": …}`. For several at one time use oh_ask and
 * oh_next; an answer to one of those that comes meanwhile is lost. */
static inline oh_text oh_call(oh_text operation, oh_text *error) {
  int id = oh_ask(operation);
  oh_text answer;
  do answer = oh_next(-1);
  while (answer.at && !oh_is_answer_to(answer, id));
  return oh_value_of(answer, error);
}

/* --- Text ---------------------------------------------------------------------------------- */

#ifdef __clang__
/* Or it sees what the loop does and calls strlen, which is not there. */
__attribute__((no_builtin("strlen")))
#endif
static inline oh_text oh_of(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return (oh_text){text, length};
}

static inline int oh_equal(oh_text a, oh_text b) {
  if (a.length != b.length) return 0;
  for (size_t i = 0; i < a.length; i++)
    if (a.at[i] != b.at[i]) return 0;
  return 1;
}

static inline int oh_starts(oh_text text, const char *with) {
  oh_text start = oh_of(with);
  return text.length >= start.length && oh_equal((oh_text){text.at, start.length}, start);
}

/* What is left after so many bytes. */
static inline oh_text oh_after(oh_text text, size_t count) {
  if (count > text.length) count = text.length;
  return (oh_text){text.at + count, text.length - count};
}

/* What comes before the first such byte; all of it where there is none. */
static inline oh_text oh_before(oh_text text, char stop) {
  size_t i = 0;
  while (i < text.length && text.at[i] != stop) i++;
  return (oh_text){text.at, i};
}

/* --- Memory -------------------------------------------------------------------------------- */

#if defined(__wasm__) && !defined(__wasi__)
extern unsigned char __heap_base;
static uintptr_t oh_free;

static void *oh_take_memory(size_t length) {
  const uintptr_t page = 65536;
  if (!oh_free) oh_free = (uintptr_t)&__heap_base;
  uintptr_t at = (oh_free + 15) & ~(uintptr_t)15;
  uintptr_t end = at + length, have = __builtin_wasm_memory_size(0) * page;
  if (end < at) __builtin_trap();
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + page - 1) / page) == (size_t)-1)
    __builtin_trap();
  oh_free = end;
  return (void *)at;
}
#else
#include <stdlib.h>
static void *oh_take_memory(size_t length) {
  void *at = malloc(length ? length : 1);
  if (!at) __builtin_trap();
  return at;
}
#endif

/* --- JSON that is sent ---------------------------------------------------------------------- */

static inline size_t oh_put_quoted(char *to, oh_text text) {
  static const char hex[] = "0123456789abcdef";
  size_t length = 0;
  to[length++] = '"';
  for (size_t i = 0; i < text.length; i++) {
    unsigned char c = (unsigned char)text.at[i];
    if (c < ' ') {
      const char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
      for (size_t k = 0; k < sizeof escape; k++) to[length++] = escape[k];
      continue;
    }
    if (c == '"' || c == '\\') to[length++] = '\\';
    to[length++] = (char)c;
  }
  to[length++] = '"';
  return length;
}

/* `pattern` with the next argument, an oh_text, in the place of each `?` (as a JSON string, with its
 * quotes) and of each `#` (as it is): oh_json("{\"op\":\"kv.get\",\"key\":?}", key). */
static inline oh_text oh_json(const char *pattern, ...) {
  __builtin_va_list texts;
  size_t room = 0, length = 0;
  __builtin_va_start(texts, pattern);
  for (const char *c = pattern; *c; c++)
    room += *c == '?' || *c == '#' ? __builtin_va_arg(texts, oh_text).length * 6 + 2 : 1;
  __builtin_va_end(texts);
  char *to = oh_take_memory(room);
  __builtin_va_start(texts, pattern);
  for (const char *c = pattern; *c; c++) {
    if (*c == '?') {
      length += oh_put_quoted(to + length, __builtin_va_arg(texts, oh_text));
    } else if (*c == '#') {
      oh_text text = __builtin_va_arg(texts, oh_text);
      for (size_t i = 0; i < text.length; i++) to[length++] = text.at[i];
    } else {
      to[length++] = *c;
    }
  }
  __builtin_va_end(texts);
  return (oh_text){to, length};
}

/* A number as it is written. */
static inline oh_text oh_decimal(uint64_t number) {
  char *end = (char *)oh_take_memory(20) + 20, *at = end;
  do *--at = (char)('0' + number % 10);
  while (number /= 10);
  return (oh_text){at, (size_t)(end - at)};
}

/* The number that a text begins with; 0 where there is none. */
static inline uint64_t oh_number(oh_text text) {
  uint64_t number = 0;
  for (size_t i = 0; i < text.length && text.at[i] >= '0' && text.at[i] <= '9'; i++)
    number = number * 10 + (uint64_t)(text.at[i] - '0');
  return number;
}

/* --- The answer ---------------------------------------------------------------------------- */

static struct {
  char *at;
  size_t length, room;
} oh_answer;

static inline void oh_write_bytes(const char *at, size_t length) {
  if (oh_answer.room - oh_answer.length < length) {
    size_t room = (oh_answer.length + length) * 2 + 1024;
    char *more = oh_take_memory(room);
    for (size_t i = 0; i < oh_answer.length; i++) more[i] = oh_answer.at[i];
    oh_answer.at = more, oh_answer.room = room;
  }
  for (size_t i = 0; i < length; i++) oh_answer.at[oh_answer.length + i] = at[i];
  oh_answer.length += length;
}

/* Markup, as it is. It may begin with lines `Status: 404` and `Content-Type: …` and an empty one. */
static inline void oh_write(const char *markup) {
  oh_text text = oh_of(markup);
  oh_write_bytes(text.at, text.length);
}

static inline void oh_write_escaped(oh_text text, int attribute) {
  for (size_t i = 0; i < text.length; i++) switch (text.at[i]) {
      case '&': oh_write("&amp;"); break;
      case '<': oh_write("&lt;"); break;
      case '>': oh_write(attribute ? ">" : "&gt;"); break;
      case '"': oh_write(attribute ? "&quot;" : "\""); break;
      case '\t': oh_write(attribute ? "&#x9;" : "\t"); break;
      case '\n': oh_write(attribute ? "&#xA;" : "\n"); break;
      case '\r': oh_write("&#xD;"); break;
      default:
        /* What no document can hold is left out (XML 1.0 section 2.2). */
        if ((unsigned char)text.at[i] >= ' ') oh_write_bytes(text.at + i, 1);
    }
}

/* Text between tags, so that it stays text whatever it holds. */
static inline void oh_write_text(oh_text text) { oh_write_escaped(text, 0); }

/* The value of an attribute, between double quotes. */
static inline void oh_write_attribute(oh_text text) { oh_write_escaped(text, 1); }

/* --- The event: {"context": {…}, "event": {"request": {…}, …parameters}} ---------------------- */

static oh_text oh_event;

static inline size_t oh_blank(oh_text json, size_t i) {
  while (i < json.length && (json.at[i] == ' ' || json.at[i] == '\t' || json.at[i] == '\n' ||
                             json.at[i] == '\r'))
    i++;
  return i;
}

/* Where the string that begins at `i` ends, behind its quote. */
static inline size_t oh_string_end(oh_text json, size_t i) {
  for (i++; i < json.length && json.at[i] != '"'; i++)
    if (json.at[i] == '\\') i++;
  return i < json.length ? i + 1 : json.length;
}

/* Where the value that begins at `i` ends. Counts brackets, so that no depth uses up the stack. */
static inline size_t oh_value_end(oh_text json, size_t i) {
  size_t depth = 0;
  while (i < json.length) {
    char c = json.at[i];
    if (c == '"') {
      i = oh_string_end(json, i);
    } else if (c == '{' || c == '[') {
      depth++, i++;
      continue;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return i;
      depth--, i++;
    } else if (depth == 0 && c == ',') {
      return i;
    } else {
      i++;
      if (depth == 0 && i < json.length && json.at[i] != ',' && json.at[i] != '}' &&
          json.at[i] != ']')
        continue;
    }
    if (depth == 0) return i;
  }
  return json.length;
}

static inline unsigned oh_hex(oh_text json, size_t i) {
  unsigned code = 0;
  for (size_t end = i + 4; i < end; i++) {
    char c = i < json.length ? json.at[i] : '0';
    code = code * 16 + (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
  }
  return code & 0xffff;
}

static inline size_t oh_put_utf8(char *to, unsigned code) {
  size_t more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
  for (size_t i = more; i > 0; i--, code >>= 6) to[i] = (char)(0x80 | (code & 0x3f));
  to[0] = (char)(lead[more] | code);
  return more + 1;
}

/* The text that a JSON string stands for; any other value as it is written. */
static inline oh_text oh_decode(oh_text json) {
  if (json.length < 2 || json.at[0] != '"') return json;
  /* No escape is shorter than what it stands for. */
  char *to = oh_take_memory(json.length);
  size_t length = 0;
  for (size_t i = 1; i + 1 < json.length; i++) {
    char c = json.at[i];
    if (c != '\\') {
      to[length++] = c;
      continue;
    }
    c = json.at[++i];
    if (c == 'u') {
      unsigned code = oh_hex(json, i + 1);
      i += 4;
      int high = code >= 0xd800 && code < 0xdc00;
      if (high && i + 6 < json.length && json.at[i + 1] == '\\' && json.at[i + 2] == 'u') {
        unsigned low = oh_hex(json, i + 3);
        if (low >= 0xdc00 && low < 0xe000)
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), i += 6;
      }
      /* Half a pair is no character. */
      if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
      length += oh_put_utf8(to + length, code);
      continue;
    }
    to[length++] = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b'
                 : c == 'f' ? '\f' : c;
  }
  return (oh_text){to, length};
}

/* A member of a JSON object, as it is written. */
static inline oh_text oh_member(oh_text object, oh_text name) {
  size_t i = oh_blank(object, 0);
  if (i >= object.length || object.at[i] != '{') return (oh_text){0, 0};
  for (i = oh_blank(object, i + 1); i < object.length && object.at[i] == '"';) {
    size_t end = oh_string_end(object, i);
    oh_text found = oh_decode((oh_text){object.at + i, end - i});
    i = oh_blank(object, end);
    if (i < object.length && object.at[i] == ':') i = oh_blank(object, i + 1);
    end = oh_value_end(object, i);
    if (oh_equal(found, name)) return (oh_text){object.at + i, end - i};
    i = oh_blank(object, end);
    if (i < object.length && object.at[i] == ',') i = oh_blank(object, i + 1);
  }
  return (oh_text){0, 0};
}

/* The text of a value; of values with one name, which JSON holds as an array, the first. */
static inline oh_text oh_first(oh_text value) {
  if (value.length > 0 && value.at[0] == '[') {
    value = oh_after(value, oh_blank(value, 1));
    value.length = oh_value_end(value, 0);
  }
  return oh_decode(value);
}

static inline int oh_is_answer_to(oh_text answer, int id) {
  return oh_equal(oh_member(answer, oh_of("id")), oh_decimal((uint64_t)id));
}

static inline oh_text oh_value_of(oh_text answer, oh_text *error) {
  *error = oh_member(answer, oh_of("error"));
  if (!answer.at) *error = oh_of("{\"name\":\"NoAnswer\",\"message\":\"the operation has no answer\"}");
  return error->at ? (oh_text){0, 0} : oh_member(answer, oh_of("value"));
}

/* A parameter of the request, `From` and so on. */
static inline oh_text oh_param(const char *name) {
  return oh_first(oh_member(oh_member(oh_event, oh_of("event")), oh_of(name)));
}

/* A value of the environment. */
static inline oh_text oh_context(const char *name) {
  return oh_first(oh_member(oh_member(oh_event, oh_of("context")), oh_of(name)));
}

/* A header field of the request; its name in small letters. */
static inline oh_text oh_header(const char *name) {
  oh_text request = oh_member(oh_member(oh_event, oh_of("event")), oh_of("request"));
  return oh_first(oh_member(oh_member(request, oh_of("headers")), oh_of(name)));
}

/* --- The doors ------------------------------------------------------------------------------ */

#if defined(__wasm__) && !defined(__wasi__)
__attribute__((export_name("oh_alloc"))) void *oh_alloc(size_t length) {
  return oh_take_memory(length);
}

__attribute__((export_name("oh_handle"))) uint64_t oh_handle(const char *at, size_t length) {
  oh_event = (oh_text){at, length};
  oh_main();
  return (uint64_t)(uintptr_t)oh_answer.at << 32 | oh_answer.length;
}
#else
#include <stdio.h>
int main(void) {
  size_t room = 4096, length = 0, got;
  char *at = oh_take_memory(room);
  while ((got = fread(at + length, 1, room - length, stdin)) > 0) {
    length += got;
    if (length < room) continue;
    char *more = oh_take_memory(room * 2);
    for (size_t i = 0; i < length; i++) more[i] = at[i];
    at = more, room *= 2;
  }
  oh_event = (oh_text){at, length};
  oh_main();
  return fwrite(oh_answer.at, 1, oh_answer.length, stdout) != oh_answer.length;
}
#endif

#endif
