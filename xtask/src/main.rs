//! Project tasks: `cargo xtask setup|demo|test|bench|fuzz`.

fn main() {}
