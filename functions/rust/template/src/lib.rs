//! Greets who calls. `offhook fn build {{name}}` makes functions/{{name}}.wasm of it; by hand:
//!
//!   cargo build --release --target wasm32-unknown-unknown
//!   cp target/wasm32-unknown-unknown/release/function.wasm ../../functions/{{name}}.wasm

use offhook_function::{log, response, Answer, Element, Event, Level};

offhook_function::export!(handle);

fn handle(event: &Event) -> Answer {
    let from = event.get("From").unwrap_or("stranger");
    log(Level::Info, from);
    response().child(Element::new("Say").text(&format!("Hello, {from}"))).into()
}
