//! Greets who calls. Build it and put it beside your other functions:
//!
//!   rustup target add wasm32-unknown-unknown
//!   cargo build --release --target wasm32-unknown-unknown
//!   cp target/wasm32-unknown-unknown/release/function.wasm ../NAME.wasm

use offhook_function::{log, response, Answer, Element, Event, Level};

offhook_function::export!(handle);

fn handle(event: &Event) -> Answer {
    let from = event.get("From").unwrap_or("stranger");
    log(Level::Info, from);
    response().child(Element::new("Say").text(&format!("Hello, {from}"))).into()
}
