//! What is told of a server to those who run it: the access log, the metrics, and word to systemd.
//! Nobody who tells something here waits for anything.

mod access;
mod account;
mod identity;
mod labels;
mod line;
mod metrics;
pub(crate) mod notify;
mod traffic;

pub(crate) use access::{Access, Output};
pub(crate) use account::Account;
pub(crate) use identity::{Details, Identity};
pub(crate) use labels::Reason;
pub(crate) use line::{Refused, Request};
pub(crate) use metrics::Present;
pub(crate) use traffic::Traffic;

use crate::dialect::Dialect;
use crate::event::Sides;
use labels::OfClose;
use line::{Line, What};
use metrics::Metrics;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What is told of a server; it lives through reloads.
#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(crate) access: Access,
    metrics: Metrics,
}

impl Telemetry {
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(output: Output) -> anyhow::Result<Self> {
        Ok(Self { access: Access::start(output)?, metrics: Metrics::default() })
    }

    /// The counters of one more worker.
    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        self.metrics.traffic()
    }

    /// A client has connected; it is counted until the value is dropped.
    pub(crate) fn accepted(&self, listener: &str) -> Present {
        self.metrics.accepted(listener)
    }

    /// A client got no session, nor as far as to its request: the access log has nothing of it.
    pub(crate) fn turned_away(&self, reason: Reason) {
        self.metrics.refused(None, reason);
    }

    /// A client got no session.
    pub(crate) fn refused(&self, identity: Identity, reason: Reason, refused: Refused) {
        self.metrics.refused(refused.dialect, reason);
        self.write(|| (identity, What::Refused(refused)));
    }

    /// A session has opened, `took` after its request had come; it is counted until the value is
    /// dropped.
    pub(crate) fn opened(
        &self,
        identity: &Identity,
        dialects: Sides<Dialect>,
        took: Duration,
    ) -> Present {
        self.write(|| (identity.clone(), What::Open { dialects }));
        self.metrics.opened(dialects, took)
    }

    /// A session has ended.
    pub(crate) fn ended(
        &self,
        identity: Identity,
        dialects: Sides<Dialect>,
        account: Account,
        duration: Duration,
    ) {
        let (by, cause) = account.ended();
        let said = by.and_then(|side| account.closes[side].code());
        self.metrics.ended(&OfClose::new(by, cause, said), duration);
        self.write(|| (identity, What::Close { dialects, account, duration }));
    }

    /// A plain request is done.
    pub(crate) fn request(&self, identity: Identity, request: Request) {
        self.metrics.requested(request.status);
        self.write(|| (identity, What::Request(request)));
    }

    /// A session is in a recording, to its end or because of us not.
    pub(crate) fn recorded(&self, whole: bool) {
        self.metrics.recorded(whole);
    }

    /// The settings were read again, and taken or not.
    pub(crate) fn reloaded(&self, taken: bool) {
        self.metrics.reloaded(taken);
    }

    /// All metrics, with those of `others`, in the text form of `OpenMetrics`.
    pub(crate) fn metrics(&self, others: &Registry) -> Result<String, fmt::Error> {
        self.metrics.write(&self.access, others)
    }

    fn write(&self, line: impl FnOnce() -> (Identity, What)) {
        if self.access.is_enabled() {
            let (identity, what) = line();
            self.access.write(Line { at: now(), identity, what });
        }
    }
}

/// The time of day, for those who read of it.
#[expect(
    clippy::disallowed_methods,
    reason = "lines and metrics tell when; nothing is decided by it"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::identity::tests::hop;
    use super::*;
    use crate::config::operation::AccessLog;

    #[test]
    fn requests_and_reloads_are_counted() {
        let off = AccessLog { enabled: false, ..AccessLog::default() };
        let telemetry = Telemetry::start(Output::open(&off).unwrap()).unwrap();
        for status in [200, 204, 404, 700] {
            let request = Request {
                method: "GET".into(),
                status,
                received: 0,
                sent: 5,
                duration: Duration::from_millis(1),
            };
            telemetry.request(Identity::new(&hop(), Details::default()), request);
        }
        telemetry.reloaded(true);
        telemetry.reloaded(false);
        let text = telemetry.metrics(&Registry::default()).unwrap();
        for sample in [
            "hybridge_http_requests_total{status=\"2xx\"} 2\n",
            "hybridge_http_requests_total{status=\"4xx\"} 1\n",
            "hybridge_http_requests_total{status=\"other\"} 1\n",
            "hybridge_config_reloads_total{result=\"ok\"} 1\n",
            "hybridge_config_reloads_total{result=\"refused\"} 1\n",
        ] {
            assert!(text.contains(sample), "no {sample} in {text}");
        }
        telemetry.access.close();
    }

    /// What is counted while it is there is not counted any more when it is gone.
    #[test]
    fn a_client_is_counted_until_it_is_dropped() {
        let off = AccessLog { enabled: false, ..AccessLog::default() };
        let telemetry = Telemetry::start(Output::open(&off).unwrap()).unwrap();
        let connected = || {
            let text = telemetry.metrics(&Registry::default()).unwrap();
            let name = "hybridge_connections{listener=\"main\"} ";
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|count| count.parse::<u32>().unwrap())
        };
        assert_eq!(connected(), None);
        let (one, other) = (telemetry.accepted("main"), telemetry.accepted("main"));
        assert_eq!(connected(), Some(2));
        drop(one);
        assert_eq!(connected(), Some(1));
        drop(other);
        assert_eq!(connected(), Some(0));
    }
}
