/* Greets as the store says: what is kept under `greeting`, or why that cannot be known. Loads only
 * with `store = true` in a [[function]] table of offhook.toml. */
#include "offhook.h"

void oh_main(void) {
  oh_ask(oh_of("{\"op\":\"kv.get\",\"key\":\"greeting\"}"));
  oh_text answer = oh_next(-1), error = oh_member(answer, oh_of("error"));
  oh_write("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Say>");
  oh_write_text(error.length ? oh_decode(oh_member(error, oh_of("message")))
                             : oh_first(oh_member(oh_member(answer, oh_of("value")), oh_of("value"))));
  oh_write("</Say></Response>");
}
