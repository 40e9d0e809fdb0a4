//! Recorded clients on sockets: each session of a recording is asked for and said again, at a live
//! server.

mod connection;
mod line;
pub(crate) mod offer;
pub(crate) mod schedule;
mod steps;
pub(crate) mod target;
