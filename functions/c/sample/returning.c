/* Greets who called before, and asks another service for the name of who did not; granted by
 *   [[function]]
 *   name = "returning"
 *   hosts = ["crm.example.com"]
 *   store = true
 * The same decision as functions/samples/returning.js. */
#include "offhook.h"

/* What the service at CRM_URL calls this number; empty where it does not know it. */
static oh_text name_of(oh_text from) {
  oh_text plus = oh_starts(from, "+") ? oh_of("%2B") : oh_of("");
  oh_text url = oh_json("##number=##", oh_context("CRM_URL"), oh_of("?"), plus,
                        oh_after(from, oh_starts(from, "+")));
  oh_text error, answer = oh_call(oh_json("{\"op\":\"fetch\",\"url\":?}", url), &error);
  if (error.at) oh_log(OH_WARNING, error);
  return oh_first(oh_member(oh_first(oh_member(answer, oh_of("text"))), oh_of("name")));
}

static void greet(const char *text, oh_text more) {
  oh_write("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Say>");
  oh_write(text);
  oh_write_text(more);
  oh_write("</Say></Response>");
}

void oh_main(void) {
  oh_text from = oh_param("From"), key = oh_json("callers/#", from);
  for (;;) {
    oh_text error, entry = oh_call(oh_json("{\"op\":\"kv.get\",\"key\":?}", key), &error);
    oh_text known = oh_member(entry, oh_of("value"));
    uint64_t calls = oh_number(oh_member(known, oh_of("calls"))) + 1;
    oh_text revision = oh_decimal(oh_number(oh_member(entry, oh_of("revision"))));
    oh_text name = oh_of("");
    if (!error.at) {
      name = known.at ? oh_first(oh_member(known, oh_of("name"))) : name_of(from);
      oh_call(oh_json("{\"op\":\"kv.set\",\"key\":?,\"value\":{\"calls\":#,\"name\":?},\"revision\":#}",
                      key, oh_decimal(calls), name, revision),
              &error);
    }
    /* Another call of the same caller was quicker. */
    if (oh_equal(oh_first(oh_member(error, oh_of("name"))), oh_of("Conflict"))) continue;
    if (error.at) oh_log(OH_ERROR, error);
    if (error.at || calls == 1) return greet("Welcome", oh_of(""));
    if (name.length) return greet("Welcome back, ", name);
    return greet("Welcome back, caller number ", oh_decimal(calls));
  }
}
