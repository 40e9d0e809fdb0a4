//! What was said on a connection: the vocabulary of all that reads, shows, writes or replays
//! recorded sessions, and the reader of it out of the bytes of both directions.
//!
//! There are N forms of recordings to read and M to write or show. Each reader tells [`Event`]s, and
//! each writer takes them, so that N + M pieces do, and what a session is is said once.
//!
//! [`Event`]: event::Event

pub mod account;
pub mod conversation;
pub mod event;

mod http;
mod inflate;
mod session;
mod speech;
