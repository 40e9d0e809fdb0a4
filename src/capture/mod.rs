//! Packets of a capture become the streams of TCP connections, and those what was said in them.
//!
//! ```text
//!  packet ── link ── ip ── fragments ── segment ── flow ── stream ── conversation ── events
//! ```
//!
//! A capture is never whole: it begins in the middle, loses packets and keeps parts of others, has
//! them twice and in another order than they were sent. What can be said without doubt is said; all
//! else is counted, and named where it might have been a session.

mod flow;
mod flows;
mod fragments;
mod ip;
mod link;
mod stream;
mod talk;

pub use flows::Capture;
pub use link::Link;

/// A packet, as it was captured.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'p> {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// When, in nanoseconds since the capture began.
    pub at: u64,
    /// What its first header is.
    pub link: Link,
    /// What was kept of it.
    pub data: &'p [u8],
    /// How many bytes of its end were not.
    pub cut: u32,
}
