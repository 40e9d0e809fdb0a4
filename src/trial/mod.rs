//! The cases of conformance on sockets: a live server is held to them, or live clients are.

mod play;
pub(crate) mod server;
pub(crate) mod target;

use crate::conformance::Verdict;
use crate::conformance::case::Case;
use std::time::Duration;

/// How many cases are tried at once, and how long a peer may be silent in one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) parallel: usize,
    pub(crate) silence: Duration,
}

/// A case that was tried.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) case: Case,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
}
