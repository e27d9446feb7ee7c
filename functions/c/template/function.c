/* Greets who calls. Build with zig (`pip install ziglang`, then `python3 -m ziglang`) or clang:
 *
 *   zig cc -target wasm32-freestanding -mbulk-memory -O2 -nostdlib -Wl,--no-entry function.c -o NAME.wasm
 *   clang --target=wasm32 -mbulk-memory -O2 -nostdlib -Wl,--no-entry function.c -o NAME.wasm
 *
 * and try it without a server: cc function.c -o try && ./try < event.json
 */
#include "offhook.h"

void oh_main(void) {
  oh_text from = oh_param("From");
  oh_log(OH_INFO, from.length ? from : oh_of("nobody"));
  oh_write("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Say>Hello, ");
  oh_write_text(from.length ? from : oh_of("stranger"));
  oh_write("</Say></Response>");
}
