//! The same as outbound.rs, as a WASI command.

#[path = "outbound.rs"]
mod outbound;

fn main() {
    offhook_function::run(outbound::handle);
}
