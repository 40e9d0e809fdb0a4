//! Recorded clients that are said again: the planner and the matcher on a clock of our own, and the
//! program against servers of other makers and bad ones.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod matching;
mod planner;
mod stage;
mod story;
mod targets;
