//! Every number that bounds a connection, with its default and its reason.

/// Milliseconds since some start: the clock of the pure rooms, given to them as an argument.
pub type Millis = u64;

/// The read buffer of a worker, in bytes: the most that one read takes and one write passes on. It
/// holds 64 messages of 1 KiB with their heads; a message that the end of the buffer cuts has to be
/// held until the rest has come.
pub const READ_BUFFER: usize = 256 * 1024;

/// Any message up to this size leaves as one frame, in bytes, however its input was cut; a larger
/// one streams. Some old peers fail on frames that come in pieces, and this is the largest message
/// that such peers could be sent by the servers of their time.
pub const ONE_FRAME: usize = 32 * 1024;

/// A peer's unsent bytes from which on the other side is not read any more. With what one read can
/// add it bounds the memory of a connection.
pub const HIGH_WATER: usize = 64 * 1024;

/// A peer's unsent bytes from which on the other side is read again. Below the high water, so that
/// the two do not alternate at every packet.
pub const LOW_WATER: usize = 16 * 1024;

/// A peer's unsent bytes from which on the peer itself is not read any more: the answers to its own
/// pings must not pile up. Far above the high water, so that a peer that is slow to read can still
/// say so.
pub const ANSWERS_WATER: usize = 512 * 1024;

/// The bounds of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A message that streams through, in bytes.
    pub streamed: u64,
    /// A message that has to be collected before it can leave (binary in fragments towards Hixie, any
    /// towards a backend that is to get no fragments), in bytes of memory.
    pub collected: usize,
    /// A message that came compressed, in bytes once it is inflated. It passes in pieces like any other,
    /// but its sender had to say a thousandth of it.
    pub inflated: u64,
    /// From the connection attempt to the backend's answer.
    pub backend_handshake: Millis,
    /// Without anything said by either side; an answer to a ping of the proxy is nothing. Old clients
    /// have no ping and may rightly be silent.
    pub idle: Millis,
    /// From our closing handshake to the peer's. Some old peers never answer, and notice the end
    /// only when the connection ends.
    pub close: Millis,
    /// From the first close to the last, however slowly the peers take what is on its way to them.
    pub drain: Millis,
    /// From the end of our stream to the end of the peer's. Closing earlier could destroy our last
    /// bytes, for a reset overtakes them.
    pub linger: Millis,
    /// From the order to shut down to the end of the process.
    pub shutdown: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        const SECOND: Millis = 1000;
        Self {
            streamed: 4 << 30,
            collected: 1 << 20,
            inflated: 64 << 20,
            backend_handshake: 10 * SECOND,
            idle: 3600 * SECOND,
            close: 2 * SECOND,
            drain: 60 * SECOND,
            linger: 2 * SECOND,
            shutdown: 10 * SECOND,
        }
    }
}
