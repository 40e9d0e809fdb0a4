//! The program in operation: thousands of sessions of all dialects while it is reloaded, drained,
//! and loses a server. Scripted peers of `tests/proxy` on both ends, numbered messages, the real
//! program between them, steered by signals.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]
#![expect(dead_code, reason = "the modules are shared with other tests, which use the rest")]

mod drain;
mod failover;
mod load;
#[path = "../proxy/peers/mod.rs"]
mod peers;
#[path = "../proxy/program.rs"]
mod program;
mod reload;
