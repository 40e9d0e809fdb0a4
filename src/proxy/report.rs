//! What is told of a session: its account, and one warning where its messages cannot be told as they
//! are.

use crate::dialect::Dialect;
use crate::event::{Side, Sides};
use crate::session::fact::{Fact, Loss, Observer};
use crate::telemetry::{Account, Identity, Present, Telemetry};
use std::time::Duration;
use tokio_rustls::rustls;

/// The account of one session, and whose it is.
#[derive(Debug)]
pub(crate) struct Report {
    identity: Identity,
    account: Account,
    _session: Present,
}

impl Report {
    pub(crate) fn new(identity: Identity, session: Present) -> Self {
        Self { identity, account: Account::default(), _session: session }
    }

    /// The whole messages that came from a side.
    pub(crate) fn messages(&self, from: Side) -> u64 {
        self.account.messages(from)
    }

    /// Tells why TLS with a side came to its end, which the session only takes for lost.
    pub(crate) fn tls_failed(&self, side: Side, fault: &rustls::Error) {
        let (peer, path) = (self.identity.peer(), self.identity.path());
        tracing::info!(%peer, path, side = side.name(), %fault, "TLS failed");
    }

    /// Hands the account in.
    pub(crate) fn end(self, telemetry: &Telemetry, dialects: Sides<Dialect>, duration: Duration) {
        telemetry.ended(self.identity, dialects, self.account, duration);
    }

    /// Once a session: what becomes of its binary messages.
    fn warn_of(&self, loss: Loss) {
        let outcome = match loss {
            Loss::BinaryFrame => {
                "sent as a Hixie length frame, which draft 76 tells browsers to discard"
            }
            Loss::BinaryAsText => "sent as base64 text",
            Loss::BinaryDropped => "dropped",
            Loss::CloseReason | Loss::MessageCut => return,
        };
        let (peer, path) = (self.identity.peer(), self.identity.path());
        tracing::warn!(%peer, path, outcome, "binary message; see --binary");
    }
}

impl Observer for Report {
    #[inline]
    fn observe(&mut self, fact: &Fact) {
        if let Fact::Loss(loss) = fact
            && self.account.binary_lost() == 0
        {
            self.warn_of(*loss);
        }
        self.account.observe(fact);
    }
}
