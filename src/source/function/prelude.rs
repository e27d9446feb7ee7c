//! The JavaScript that every script finds around it, and the modules that only some have.

/// What scripts find around them, in the order in which it is evaluated: what every call uses comes
/// last, for that lies together in the heap.
pub(super) const FILES: &[(&str, &str)] = &[
    ("values.js", include_str!("../../../functions/engine/values.js")),
    ("stack.js", include_str!("../../../functions/engine/stack.js")),
    ("json.js", include_str!("../../../functions/engine/json.js")),
    ("inspect.js", include_str!("../../../functions/engine/inspect.js")),
    ("encoding.js", include_str!("../../../functions/engine/encoding.js")),
    ("buffer.js", include_str!("../../../functions/engine/buffer.js")),
    ("punycode.js", include_str!("../../../functions/engine/punycode.js")),
    ("address.js", include_str!("../../../functions/engine/address.js")),
    ("url.js", include_str!("../../../functions/engine/url.js")),
    ("querystring.js", include_str!("../../../functions/engine/querystring.js")),
    ("legacy.js", include_str!("../../../functions/engine/legacy.js")),
    ("path.js", include_str!("../../../functions/engine/path.js")),
    ("events.js", include_str!("../../../functions/engine/events.js")),
    ("util.js", include_str!("../../../functions/engine/util.js")),
    ("clone.js", include_str!("../../../functions/engine/clone.js")),
    ("assert.js", include_str!("../../../functions/engine/assert.js")),
    ("crypto.js", include_str!("../../../functions/engine/crypto.js")),
    ("zone.js", include_str!("../../../functions/engine/zone.js")),
    ("intl.js", include_str!("../../../functions/engine/intl.js")),
    ("remote.js", include_str!("../../../functions/engine/remote.js")),
    ("jwt.js", include_str!("../../../functions/engine/jwt.js")),
    ("webhooks.js", include_str!("../../../functions/engine/webhooks.js")),
    ("fetch.js", include_str!("../../../functions/engine/fetch.js")),
    ("store.js", include_str!("../../../functions/engine/store.js")),
    ("control.js", include_str!("../../../functions/engine/control.js")),
    ("twiml.js", include_str!("../../../functions/engine/twiml.js")),
    ("response.js", include_str!("../../../functions/engine/response.js")),
    ("console.js", include_str!("../../../functions/engine/console.js")),
    ("door.js", include_str!("../../../functions/engine/door.js")),
    ("modules.js", include_str!("../../../functions/engine/modules.js")),
    ("require.js", include_str!("../../../functions/engine/require.js")),
    ("handle.js", include_str!("../../../functions/engine/handle.js")),
];

/// Compiled only into the images of scripts that ask for them, by `require.js`.
const MODULES: &[(&str, &str)] = &[
    ("absent.js", include_str!("../../../functions/engine/modules/absent.js")),
    ("http.js", include_str!("../../../functions/engine/modules/http.js")),
    ("json.js", include_str!("../../../functions/engine/modules/json.js")),
    ("stream.js", include_str!("../../../functions/engine/modules/stream.js")),
    ("twilio.js", include_str!("../../../functions/engine/modules/twilio.js")),
    ("writable.js", include_str!("../../../functions/engine/modules/writable.js")),
];

/// The text of such a module.
pub(super) fn module(name: &str) -> Option<&'static str> {
    MODULES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
