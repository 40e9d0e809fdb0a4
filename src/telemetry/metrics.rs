//! The metrics, in the text form of `OpenMetrics`.
//!
//! Here is what happens once a connection, a session or a reload. Messages are counted by each worker
//! for itself ([`Traffic`]) and summed when somebody asks.

use super::access::Access;
use super::labels::{
    OfClose, OfDialects, OfDirection, OfHandshake, OfListener, OfLoss, OfQuirk, OfReason, OfResult,
    OfStatus, OfVersion, Reason,
};
use super::now;
use super::traffic::{LOSSES, Traffic};
use crate::dialect::Dialect;
use crate::event::{Side, Sides};
use crate::quirk::Quirk;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use rustix::process::{Resource, getrlimit};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// What a handshake takes, in seconds: a local backend, one far away, one that is about to fail.
const HANDSHAKE_BUCKETS: [f64; 6] = [0.005, 0.025, 0.1, 0.5, 2.5, 10.0];

/// How long sessions live, in seconds: from a page that is left at once to a day.
const SESSION_BUCKETS: [f64; 6] = [1.0, 10.0, 60.0, 600.0, 3600.0, 86_400.0];

/// The metrics of a server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    began: SystemTime,
    connections: Family<OfListener, Gauge>,
    accepted: Family<OfListener, Counter>,
    refused: Family<OfReason, Counter>,
    handshakes: Family<OfHandshake, Counter>,
    handshake_duration: Histogram,
    sessions: Family<OfDialects, Gauge>,
    session_duration: Histogram,
    closes: Family<OfClose, Counter>,
    requests: Family<OfStatus, Counter>,
    reloads: Family<OfResult, Counter>,
    recorded: Family<OfResult, Counter>,
    loaded: Gauge<f64, std::sync::atomic::AtomicU64>,
    traffic: Mutex<Vec<Arc<Traffic>>>,
}

/// Something that is there, and counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Present(Gauge);

impl Present {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("hybridge"),
            began: now(),
            connections: Family::default(),
            accepted: Family::default(),
            refused: Family::default(),
            handshakes: Family::default(),
            handshake_duration: Histogram::new(HANDSHAKE_BUCKETS),
            sessions: Family::default(),
            session_duration: Histogram::new(SESSION_BUCKETS),
            closes: Family::default(),
            requests: Family::default(),
            reloads: Family::default(),
            recorded: Family::default(),
            loaded: Gauge::default(),
            traffic: Mutex::default(),
        };
        metrics.loaded.set(seconds(metrics.began));
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let to = &mut self.registry;
        to.register("connections", "Clients that are connected", self.connections.clone());
        to.register("connections_accepted", "Clients that have connected", self.accepted.clone());
        to.register("refused", "Clients that got no session", self.refused.clone());
        to.register("handshakes", "WebSocket handshakes of clients", self.handshakes.clone());
        to.register_with_unit(
            "handshake_duration",
            "From the head of a client's handshake to the end of its answer",
            Unit::Seconds,
            self.handshake_duration.clone(),
        );
        to.register("sessions", "Sessions that are open", self.sessions.clone());
        to.register_with_unit(
            "session_duration",
            "From the opened session to its end",
            Unit::Seconds,
            self.session_duration.clone(),
        );
        to.register("closes", "Sessions that have ended", self.closes.clone());
        to.register("http_requests", "Plain requests", self.requests.clone());
        to.register("config_reloads", "Reloads of the settings", self.reloads.clone());
        to.register("recorded_sessions", "Sessions that were recorded", self.recorded.clone());
        to.register_with_unit(
            "config_last_reload_success_timestamp",
            "When the settings were taken that are in force",
            Unit::Seconds,
            self.loaded.clone(),
        );
        to.register(
            "build",
            "The program",
            Info::new(OfVersion { version: env!("CARGO_PKG_VERSION") }),
        );
        self
    }

    /// The counters of one more worker.
    pub(super) fn traffic(&self) -> Arc<Traffic> {
        let traffic = Arc::new(Traffic::default());
        self.workers().push(Arc::clone(&traffic));
        traffic
    }

    pub(super) fn accepted(&self, listener: &str) -> Present {
        let of = OfListener { listener: listener.to_owned() };
        self.accepted.get_or_create(&of).inc();
        Present::new(self.connections.get_or_create_owned(&of))
    }

    pub(super) fn refused(&self, client: Option<Dialect>, reason: Reason) {
        self.refused.get_or_create(&OfReason { reason: reason.name() }).inc();
        if let Some(client) = client {
            let client = client.name();
            let of = OfHandshake { client, backend: "none", result: reason.name() };
            self.handshakes.get_or_create(&of).inc();
        }
    }

    pub(super) fn opened(&self, dialects: Sides<Dialect>, took: Duration) -> Present {
        let Sides { client, backend } = dialects;
        let of = OfHandshake { client: client.name(), backend: backend.name(), result: "ok" };
        self.handshakes.get_or_create(&of).inc();
        self.handshake_duration.observe(took.as_secs_f64());
        Present::new(self.sessions.get_or_create_owned(&dialects.into()))
    }

    pub(super) fn ended(&self, close: &OfClose, duration: Duration) {
        self.closes.get_or_create(close).inc();
        self.session_duration.observe(duration.as_secs_f64());
    }

    pub(super) fn requested(&self, status: u16) {
        self.requests.get_or_create(&OfStatus::class(status)).inc();
    }

    pub(super) fn recorded(&self, whole: bool) {
        let result = if whole { "ok" } else { "dropped" };
        self.recorded.get_or_create(&OfResult { result }).inc();
    }

    pub(super) fn reloaded(&self, taken: bool) {
        let result = if taken { "ok" } else { "refused" };
        self.reloads.get_or_create(&OfResult { result }).inc();
        if taken {
            self.loaded.set(seconds(now()));
        }
    }

    /// Writes all of them, and what `others` has.
    pub(super) fn write(&self, access: &Access, others: &Registry) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &self.of_now(access))?;
        encode_registry(&mut text, &self.process())?;
        encode_registry(&mut text, others)?;
        encode_eof(&mut text)?;
        Ok(text)
    }

    /// What is counted elsewhere.
    fn of_now(&self, access: &Access) -> Registry {
        let messages = Family::<OfDirection, Counter>::default();
        let bytes = Family::<OfDirection, Counter>::default();
        let losses = Family::<OfLoss, Counter>::default();
        let quirks = Family::<OfQuirk, Counter>::default();
        let workers = self.workers().clone();
        for side in Side::BOTH {
            let of = OfDirection::from(side);
            let sum = |count: fn(&Traffic, Side) -> u64| {
                workers.iter().map(|traffic| count(traffic, side)).sum()
            };
            messages.get_or_create(&of).inc_by(sum(Traffic::messages));
            bytes.get_or_create(&of).inc_by(sum(Traffic::bytes));
        }
        for traffic in &workers {
            for ((_, kind), count) in LOSSES.into_iter().zip(traffic.losses()) {
                losses.get_or_create(&OfLoss { kind }).inc_by(count);
            }
            for (quirk, count) in Quirk::ALL.into_iter().zip(traffic.quirks()) {
                quirks.get_or_create(&OfQuirk { quirk: quirk.name() }).inc_by(count);
            }
        }
        let dropped = Counter::<u64>::default();
        dropped.inc_by(access.dropped());
        let mut registry = Registry::with_prefix("hybridge");
        registry.register("messages", "Messages that came in whole", messages);
        let help = "Payload of messages that came in whole, and the bytes of tunnels";
        registry.register_with_unit("payload", help, Unit::Bytes, bytes);
        registry.register("losses", "What could not be said in the other dialect", losses);
        registry.register("quirks", "Faults of peers that were made up for", quirks);
        registry.register("access_log_lines_dropped", "Lines of the access log lost", dropped);
        registry
    }

    /// What every process is expected to tell, by the names that all programs use.
    fn process(&self) -> Registry {
        let mut registry = Registry::with_prefix("process");
        let began = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        began.set(seconds(self.began));
        registry.register_with_unit("start_time", "When the server began", Unit::Seconds, began);
        let files = |count: u64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            gauge
        };
        // Where there is no /proc, it is left out.
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            // The folder that is being read is one of them.
            let open = open.count().saturating_sub(1) as u64;
            registry.register("open_fds", "Open files", files(open));
        }
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        registry.register("max_fds", "How many files may be open", files(limit));
        registry
    }

    fn workers(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Traffic>>> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
