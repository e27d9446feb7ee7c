/* Greets who calls. `offhook fn build {{name}}` makes functions/{{name}}.wasm of it, with clang or
 * zig; by hand:
 *
 *   zig cc -target wasm32-freestanding -mbulk-memory -O2 -nostdlib -Wl,--no-entry function.c -o ../../functions/{{name}}.wasm
 *
 * and without a server: cc function.c -o try && echo '{"event":{"From":"+1555"}}' | ./try
 */
#include "offhook.h"

void oh_main(void) {
  oh_text from = oh_param("From");
  oh_log(OH_INFO, from.length ? from : oh_of("nobody"));
  oh_write("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Say>Hello, ");
  oh_write_text(from.length ? from : oh_of("stranger"));
  oh_write("</Say></Response>");
}
