//! HTTP Archives (HAR 1.2) with the `_webSocketMessages` that Chrome put into them, and others after
//! it. What they do not have is lost: times below a microsecond, the client's address, the end.

mod read;
mod write;

pub use read::read;
pub use write::Writer;

/// The numbers in `opcode`: those of RFC 6455 section 5.2.
mod opcode {
    pub(super) const TEXT: i64 = 1;
    pub(super) const BINARY: i64 = 2;
    pub(super) const CLOSE: i64 = 8;
    pub(super) const PING: i64 = 9;
    pub(super) const PONG: i64 = 10;
    /// What the browser found wrong; its text is in `data`.
    pub(super) const ERROR: i64 = -1;
}

/// The most that is kept at once, in bytes. A HAR is not in the order of time, so that its sessions
/// have to be there before the first is told; and of one that is written a session stands in one
/// place, so that what is open has to be kept.
const KEPT: usize = 256 << 20;

/// About what fields take in memory, in bytes.
fn size_of_fields(fields: &[(String, String)]) -> usize {
    fields.iter().map(|(name, value)| 2 * size_of::<String>() + name.len() + value.len()).sum()
}
