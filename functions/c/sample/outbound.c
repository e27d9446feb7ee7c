/* Calls that phones make: the phone's user decides the caller ID, and the dialled text becomes a
 * number. The same decision as samples/first/functions/sip-outbound.js. */
#include "offhook.h"

static const struct {
  const char *user, *caller_id;
} CALLER_IDS[] = {{"home", "+12223331234"}, {"myuser", "+12223335678"}};

static oh_text caller_id_of(oh_text user) {
  for (size_t i = 0; i < sizeof CALLER_IDS / sizeof *CALLER_IDS; i++)
    if (oh_equal(user, oh_of(CALLER_IDS[i].user))) return oh_of(CALLER_IDS[i].caller_id);
  return oh_of("+12223339999");
}

/* The part between "sip:" and "@". */
static oh_text user_of(oh_text uri) {
  uri = oh_after(uri, oh_starts(uri, "sip:") ? 4 : oh_starts(uri, "sips:") ? 5 : 0);
  return oh_before(uri, '@');
}

static int is_letter(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

static int has_letter(oh_text text) {
  for (size_t i = 0; i < text.length; i++)
    if (is_letter(text.at[i])) return 1;
  return 0;
}

/* One device of a user (RFC 5627): only the whole URI leads to it. */
static int is_device(oh_text uri) {
  for (; uri.length > 0; uri = oh_after(uri, 1)) {
    if (!oh_starts(uri, ";gr")) continue;
    if (uri.length == 3) return 1;
    char c = uri.at[3];
    if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '_') return 1;
  }
  return 0;
}

/* What to put before the number: New Zealand (64…) and Singapore (65…) numbers of ten digits lack
 * their plus; 650… is California. */
static const char *prefix_of(oh_text dialled) {
  if (dialled.length != 10) return oh_starts(dialled, "+") ? "" : "+";
  if (oh_starts(dialled, "64")) return "+";
  if (oh_starts(dialled, "650")) return "+1";
  return oh_starts(dialled, "65") ? "+" : "+1";
}

static void fail(const char *reason) {
  oh_write("<Say voice=\"alice\" language=\"en-CA\">");
  oh_write(reason);
  oh_write("</Say></Response>");
}

void oh_main(void) {
  oh_text from = oh_param("From"), to = oh_param("To"), caller_id = oh_param("callerId");
  oh_write("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>");
  if (!from.length && !caller_id.length)
    return fail("Error placing the call. From caller is required.");
  if (!to.length) return fail("Error placing the call. To caller is required.");

  if (!caller_id.length) caller_id = caller_id_of(user_of(from));
  oh_text dialled = user_of(to);
  if (is_device(to)) {
    oh_write("<Dial><Sip>");
    oh_write_text(to);
    oh_write("</Sip></Dial></Response>");
  } else if (has_letter(dialled)) {
    /* A colleague, not a number: rings all phones of that user. */
    oh_write("<Dial><Sip>sip:");
    oh_write_text(dialled);
    oh_write("@office.localhost</Sip></Dial></Response>");
  } else {
    oh_log(OH_INFO, dialled);
    oh_write("<Dial callerId=\"");
    oh_write_attribute(caller_id);
    oh_write("\" record=\"do-not-record\">");
    oh_write(prefix_of(dialled));
    oh_write_text(dialled);
    oh_write("</Dial></Response>");
  }
}
