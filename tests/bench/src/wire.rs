//! The dialects that the load and its backend speak, as far as a benchmark needs them: one opening
//! handshake, whole unfragmented messages, one closing handshake, nothing else.

mod frame;
mod handshake;

pub use frame::{Frame, Framing, Role};
pub use handshake::{Opening, answer};

/// How bytes become messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    #[value(name = "hixie-76")]
    Hixie76,
    #[value(name = "rfc6455")]
    Rfc6455,
}
