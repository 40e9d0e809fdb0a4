//! Recordings on sockets: recorded clients talk to a live server, and live clients to a recorded one.

mod connection;
mod entrance;
mod line;
pub(crate) mod offer;
mod relay;
pub(crate) mod schedule;
pub(crate) mod stand_in;
mod steps;
pub(crate) mod target;
