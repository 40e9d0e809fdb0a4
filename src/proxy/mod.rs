//! The way of one connection, in order: open it, find its backend, relay.

pub mod backend;
pub(crate) mod open;
pub(crate) mod refuse;
pub(crate) mod relay;
pub(crate) mod report;
pub(crate) mod socket;
