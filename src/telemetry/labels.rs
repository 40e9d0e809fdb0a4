//! The labels of the metrics. All values come from closed lists or from the settings, so that no peer
//! can make a time series.

use crate::dialect::Dialect;
use crate::event::{Side, Sides, close_code};
use crate::session::fact::Cause;
use prometheus_client::encoding::EncodeLabelSet;

/// Why a client was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// What it sent before or in its request breaks the rules.
    Malformed,
    /// No route takes its request.
    NoRoute,
    /// Its route does not take it: address, password, origin, dialect.
    Denied,
    /// The backend answered no, which it was told.
    BackendRefused,
    /// The backend could not be reached, or its answer made no sense.
    BackendFailed,
    /// The backend had no place.
    BackendBusy,
    /// The backend did not answer in time.
    BackendTimeout,
    /// Its handshake was not finished in time.
    Timeout,
    /// More connections, or more a second, than a limit allows.
    Limit,
    /// No new sessions, for the server drains or shuts down.
    Leaving,
    /// It left, or the connection was lost.
    Lost,
}

impl Reason {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NoRoute => "no_route",
            Self::Denied => "denied",
            Self::BackendRefused => "backend_refused",
            Self::BackendFailed => "backend_failed",
            Self::BackendBusy => "backend_busy",
            Self::BackendTimeout => "backend_timeout",
            Self::Timeout => "timeout",
            Self::Limit => "limit",
            Self::Leaving => "leaving",
            Self::Lost => "lost",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfListener {
    pub(super) listener: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfReason {
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfHandshake {
    pub(super) client: &'static str,
    /// `none` where it did not come to a session.
    pub(super) backend: &'static str,
    /// `ok`, or the name of a [`Reason`].
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfDialects {
    client: &'static str,
    backend: &'static str,
}

impl From<Sides<Dialect>> for OfDialects {
    fn from(dialects: Sides<Dialect>) -> Self {
        Self { client: dialects.client.name(), backend: dialects.backend.name() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfDirection {
    /// `up` from clients to backends, `down` from backends to clients.
    direction: &'static str,
}

impl OfDirection {
    pub(super) const fn from(side: Side) -> Self {
        Self {
            direction: match side {
                Side::Client => "up",
                Side::Backend => "down",
            },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfClose {
    code: &'static str,
    /// Who ended the session; the proxy too where it did so because of a peer's fault.
    initiator: &'static str,
    how: &'static str,
}

impl OfClose {
    /// What is told of an end: who began it, how, and with which code a peer did.
    pub(super) fn new(by: Option<Side>, cause: Cause, said: Option<u16>) -> Self {
        let (initiator, code) = match (cause, by) {
            (Cause::Fault(fault), _) => ("proxy", Some(fault.close_code())),
            (Cause::Idle | Cause::Shutdown, _) | (Cause::Close, None) => {
                ("proxy", Some(close_code::GOING_AWAY))
            }
            (_, Some(side)) => (side.name(), said),
            (_, None) => ("proxy", None),
        };
        Self { code: code_label(code), initiator, how: super::line::how(cause) }
    }
}

/// The label of a close code: those that RFC 6455 section 7.4.1 and its registry name, the range of
/// applications in one (3000 to 4999), all others in one.
fn code_label(code: Option<u16>) -> &'static str {
    const NAMED: [&str; 16] = [
        "1000", "1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008", "1009", "1010",
        "1011", "1012", "1013", "1014", "1015",
    ];
    match code {
        None => "none",
        Some(3000..=4999) => "app",
        Some(code) => {
            let named = code.checked_sub(1000).and_then(|place| NAMED.get(usize::from(place)));
            named.unwrap_or(&"other")
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfLoss {
    pub(super) kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfQuirk {
    pub(super) quirk: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfStatus {
    status: &'static str,
}

impl OfStatus {
    /// The class of a status; a backend may answer any three digits.
    pub(super) const fn class(status: u16) -> Self {
        Self {
            status: match status {
                100..=199 => "1xx",
                200..=299 => "2xx",
                300..=399 => "3xx",
                400..=499 => "4xx",
                500..=599 => "5xx",
                _ => "other",
            },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfResult {
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfVersion {
    pub(super) version: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_close_code_has_one_of_few_labels() {
        let labels: HashSet<_> = (0..=u16::MAX).map(Some).chain([None]).map(code_label).collect();
        assert_eq!(labels.len(), 16 + 3, "{labels:?}");
        for (code, label) in [
            (None, "none"),
            (Some(999), "other"),
            (Some(1000), "1000"),
            (Some(1015), "1015"),
            (Some(1016), "other"),
            (Some(2999), "other"),
            (Some(3000), "app"),
            (Some(4999), "app"),
            (Some(5000), "other"),
        ] {
            assert_eq!(code_label(code), label, "{code:?}");
        }
    }

    #[test]
    fn every_status_has_one_of_few_labels() {
        let labels: HashSet<_> = (0..=u16::MAX).map(OfStatus::class).collect();
        assert_eq!(labels.len(), 6);
    }
}
