//! Saying again what recorded clients said, and judging what is answered: when each message may be
//! said, which answer stands for which recorded one, and what differs.
//!
//! ```text
//! events ──► Script ──► Player ──► what to say, and until when to wait
//!                       ▲    │
//!      what is heard ───┘    └──► Verdict
//! ```
//!
//! A [`mock::Mock`] is the same from the other side: the server's messages are said, and a live client is
//! heard.
//!
//! There is no clock and no socket here: times come in, in nanoseconds.

pub mod compare;
pub mod lanes;
pub mod learn;
mod live;
pub mod matcher;
pub mod mirror;
pub mod mock;
pub mod offline;
pub mod pace;
pub mod player;
pub mod repertoire;
pub mod rules;
pub mod script;
pub mod shrink;
mod tokens;
pub mod variables;
pub mod verdict;
