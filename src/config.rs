//! Reads `offhook.toml`.
