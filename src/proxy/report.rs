//! What is told of a session: one log line when it has ended, made of its facts.

use crate::dialect::Dialect;
use crate::event::{Side, Sides};
use crate::session::fact::{Cause, Fact, Loss, Observer};
use std::net::SocketAddr;

/// The account of one session.
#[derive(Debug)]
pub(crate) struct Report {
    peer: SocketAddr,
    /// The path of the request; its query may hold secrets and is not kept.
    path: Box<str>,
    messages: Sides<u64>,
    bytes: Sides<u64>,
    /// What each side said when it closed.
    closes: Sides<Said>,
    ended: Option<(Option<Side>, Cause)>,
    /// Binary messages that became something else, or nothing; the policy says which.
    binary_lost: u32,
    messages_cut: u8,
}

/// How a side closed.
#[derive(Debug, Clone, Copy, Default)]
enum Said {
    #[default]
    Nothing,
    Close,
    Code(u16),
}

impl Said {
    /// The word in the log: the code, `none` for a close without one, `-` for no close.
    fn word(self) -> String {
        match self {
            Self::Nothing => "-".to_owned(),
            Self::Close => "none".to_owned(),
            Self::Code(code) => code.to_string(),
        }
    }
}

impl Report {
    pub(crate) fn new(peer: SocketAddr, path: Box<str>) -> Self {
        Self {
            peer,
            path,
            messages: Sides::default(),
            bytes: Sides::default(),
            closes: Sides::default(),
            ended: None,
            binary_lost: 0,
            messages_cut: 0,
        }
    }

    /// Writes the line.
    pub(crate) fn log(&self, client: Dialect, backend: Dialect, milliseconds: u64) {
        let (by, cause) = self.ended.unwrap_or((None, Cause::Lost));
        let (how, fault) = match cause {
            Cause::Close => ("close", None),
            Cause::Fin => ("fin", None),
            Cause::Lost => ("lost", None),
            Cause::Fault(fault) => ("fault", Some(fault)),
            Cause::Idle => ("idle", None),
            Cause::Shutdown => ("shutdown", None),
        };
        tracing::info!(
            peer = %self.peer,
            path = %self.path,
            client = %client,
            backend = %backend,
            messages_up = self.messages.client,
            bytes_up = self.bytes.client,
            messages_down = self.messages.backend,
            bytes_down = self.bytes.backend,
            client_close = self.closes.client.word(),
            backend_close = self.closes.backend.word(),
            ended_by = by.map_or("proxy", Side::name),
            how,
            fault = fault.map(tracing::field::display),
            binary_lost = count(self.binary_lost),
            messages_cut = count(self.messages_cut.into()),
            duration_ms = milliseconds,
            "session ended"
        );
    }

    fn lost(&mut self, loss: Loss) {
        match loss {
            Loss::BinaryFrame | Loss::BinaryAsText | Loss::BinaryDropped => {
                if self.binary_lost == 0 {
                    self.warn_of(loss);
                }
                self.binary_lost = self.binary_lost.saturating_add(1);
            }
            Loss::MessageCut => self.messages_cut = self.messages_cut.saturating_add(1),
            // Every close with a code that reaches a Hixie peer loses it; both codes are in the line.
            Loss::CloseReason => {}
        }
    }

    /// Once a session: what becomes of its binary messages.
    fn warn_of(&self, loss: Loss) {
        let outcome = match loss {
            Loss::BinaryFrame => {
                "sent as a Hixie length frame, which draft 76 tells browsers to discard"
            }
            Loss::BinaryAsText => "sent as base64 text",
            _ => "dropped",
        };
        tracing::warn!(peer = %self.peer, path = %self.path, outcome, "binary message; see --binary");
    }
}

impl Observer for Report {
    #[inline]
    fn observe(&mut self, fact: &Fact) {
        match fact {
            Fact::Message { from, bytes, .. } => {
                self.messages[*from] += 1;
                self.bytes[*from] += bytes;
            }
            Fact::Passed { from, bytes } => self.bytes[*from] += bytes,
            Fact::Heard { from, code } => {
                self.closes[*from] = code.map_or(Said::Close, Said::Code);
            }
            Fact::Loss(loss) => self.lost(*loss),
            Fact::Ended { by, cause } => self.ended = Some((*by, *cause)),
            Fact::Ping { .. } | Fact::Pong { .. } | Fact::Told { .. } => {}
        }
    }
}

/// A target without its query, printable and without a space that could look like another field.
pub(crate) fn path(target: &[u8]) -> String {
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    path.escape_ascii().to_string().replace(' ', "%20")
}

/// Counts that are zero are left out of the line.
fn count(count: u32) -> Option<u32> {
    Some(count).filter(|count| *count > 0)
}
