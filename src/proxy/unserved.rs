//! Why a client is not served by a backend, and what it is answered instead.

use super::guard::Denied;
use super::http::upload::Cut;
use super::reply::Reply;
use super::route::Route;
use crate::dialect;
use crate::handshake::{Failure, Field, Refusal};
use crate::net::TurnedAway;
use crate::net::proxy_protocol::Stray;
use crate::telemetry::Reason;
use crate::upstream::open::NoBackend;
use std::io;

/// After how many seconds a client may hope for who comes after us.
const SUCCESSOR: u64 = 5;

/// What stands for a status where the client left before there was one, as nginx has it.
pub(super) const LEFT: u16 = 499;

/// Why a client gets no session, or a plain request no response of a backend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unserved {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Backend(#[from] NoBackend),
    #[error("route has no backend, answered with its {}", .0.status)]
    Own(Reply),
    #[error(transparent)]
    Cut(#[from] Cut),
    #[error("handshake not finished in time")]
    Timeout,
    #[error(transparent)]
    TurnedAway(#[from] TurnedAway),
    #[error(transparent)]
    ProxyHeader(#[from] Stray),
    #[error("shutting down")]
    Leaving,
    #[error("client left during the handshake")]
    Left,
    #[error("connection lost during the handshake: {0}")]
    Lost(#[from] io::Error),
}

impl Unserved {
    /// Whether there is no one left to tell.
    pub(crate) const fn is_gone(&self) -> bool {
        matches!(self, Self::Left | Self::Lost(_))
    }

    /// The HTTP status that tells the client.
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::Denied(denied) => denied.status(),
            Self::Backend(reason) => reason.status(),
            Self::Own(reply) => reply.status,
            Self::Cut(cut) => cut.status(),
            Self::Timeout => 408,
            Self::TurnedAway(reason) => reason.status(),
            Self::ProxyHeader(_) => 400,
            Self::Leaving => 503,
            Self::Left | Self::Lost(_) => LEFT,
        }
    }

    /// The label in the metrics.
    pub(crate) const fn class(&self) -> Reason {
        match self {
            Self::Refused(_) | Self::ProxyHeader(_) | Self::Cut(_) => Reason::Malformed,
            Self::Denied(denied) if denied.status() == 404 => Reason::NoRoute,
            Self::Denied(_) | Self::Own(_) => Reason::Denied,
            Self::Backend(NoBackend::Starved(_)) => Reason::Limit,
            Self::Backend(reason) => match reason.status() {
                502 => Reason::BackendFailed,
                503 => Reason::BackendBusy,
                504 => Reason::BackendTimeout,
                _ => Reason::BackendRefused,
            },
            Self::Timeout => Reason::Timeout,
            Self::TurnedAway(_) => Reason::Limit,
            Self::Leaving => Reason::Leaving,
            Self::Left | Self::Lost(_) => Reason::Lost,
        }
    }

    /// What the client is answered.
    pub(crate) fn reply(&self, route: Option<&Route>) -> Reply {
        if let Self::Own(reply) = self {
            return reply.clone();
        }
        let accepted = route.map_or(&dialect::ALL[..], |route| &route.settings.accept);
        let pages = route.map(|route| &route.pages);
        Reply::refusal(self.status(), self.fields(), self.text(), pages).offering(accepted)
    }

    /// What the client is told; of the backend only that it is its fault, the rest is in the log.
    fn text(&self) -> Option<String> {
        match self {
            Self::Backend(_) => None,
            _ => Some(self.to_string()),
        }
    }

    /// What of a backend's refusal goes on to the client: all but what describes its body.
    fn fields(&self) -> Vec<Field> {
        match self {
            Self::Backend(NoBackend::Failure(Failure::Status { fields, .. }))
                if self.status() != 502 =>
            {
                let about_body = |name: &str| name.to_ascii_lowercase().starts_with("content-");
                fields.iter().filter(|(name, _)| !about_body(name)).cloned().collect()
            }
            Self::Denied(denied) => denied.fields(),
            Self::TurnedAway(reason) => reason.retry_after().map(retry_after).into_iter().collect(),
            Self::Leaving => vec![retry_after(SUCCESSOR)],
            _ => Vec::new(),
        }
    }
}

fn retry_after(seconds: u64) -> Field {
    ("Retry-After".to_owned(), seconds.to_string().into())
}
