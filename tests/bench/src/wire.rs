//! The dialects that the load and its backend speak, as far as a benchmark needs them: one opening
//! handshake, whole unfragmented messages, nothing else.

mod frame;
mod handshake;

pub use frame::{Framing, Role};
pub use handshake::{Opening, answer};

/// How bytes become messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    /// No handshake; a message is a block of an agreed length.
    Raw,
    #[value(name = "hixie-76")]
    Hixie76,
    #[value(name = "rfc6455")]
    Rfc6455,
}
