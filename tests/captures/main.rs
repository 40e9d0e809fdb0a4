//! The reader of captures against a generator of its own: conversations whose truth is known, what
//! networks and capturing do to them, and files that are damaged or none.
//!
//! Nothing here uses the product to check the product: frames come from the generator of
//! `tests/pure`, packets and files from the modules here.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod bad;
mod base;
mod containers;
mod conversation;
mod damage;
mod file;
mod given;
mod links;
mod noise;
mod odd;
mod packets;
mod sound;
mod told;
mod truth;
mod variants;

#[path = "../pure/simulation/dice.rs"]
#[expect(dead_code, reason = "the simulation needs more of it")]
mod dice;
#[path = "../pure/form.rs"]
#[expect(dead_code, reason = "the vectors need more of it")]
mod form;
#[path = "../pure/oracle.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod oracle;
#[path = "../pure/peer.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod peer;
#[path = "../pure/said.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod said;
