//! A server of a backend, and the place of one connection at it.

use super::announce::Ends;
use super::connect::{Target, Way};
use super::health::{Record, Standing};
use super::idle::Idle;
use super::lock;
use super::open::{Blame, NoBackend};
use super::queue::Queue;
use super::resolve::Place;
use super::sticky::{name_of, set_cookie};
use crate::config::backend::{Backend, Health, Server};
use crate::config::server_url::ServerUrl;
use crate::net::stream::Stream;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

/// A server of a pool, and what is known of it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) server: Server,
    /// Its URL as text, by which hashing knows it.
    pub(super) name: String,
    /// What our cookie calls it.
    pub(super) alias: Box<str>,
    settings: Arc<Backend>,
    queue: Arc<Queue>,
    way: Way,
    ledger: Arc<Ledger>,
    /// The connections that are kept for the next plain request.
    pub(super) idle: Idle,
    /// The newest dialect that has worked, an index into [`crate::dialect::ALL`]; none yet when it
    /// is beyond the end.
    pub(super) known: AtomicUsize,
}

/// What has become of what a server was given. It outlives other settings, for the connections of
/// before are the same server's.
#[derive(Debug, Default)]
struct Ledger {
    record: Mutex<Record>,
    live: AtomicUsize,
    /// The openings, requests and connections that succeeded, and that failed.
    successes: AtomicU64,
    failures: AtomicU64,
}

/// The place of one connection at a server; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    member: Arc<Member>,
    cookie: Cookie,
}

/// Whether the client is to be given our cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookie {
    /// It has it, or there is none.
    Keep,
    Set {
        secure: bool,
    },
}

impl Member {
    /// A server of which is known what was known `before`; without that, what the settings say.
    ///
    /// # Errors
    /// When it has a name that TLS cannot ask for.
    pub(super) fn new(
        server: &Server,
        settings: &Arc<Backend>,
        queue: &Arc<Queue>,
        connector: Option<&TlsConnector>,
        before: Option<&Self>,
    ) -> anyhow::Result<Self> {
        let name = server.url.to_string();
        let mut way = Way::new(&server.url, settings, connector)?;
        if let Some(before) = before {
            way.target = Arc::clone(&before.way.target);
        }
        let taught = before.filter(|before| before.settings.dialect == settings.dialect);
        let known = taught.map_or(usize::MAX, |before| before.known.load(Ordering::Relaxed));
        Ok(Self {
            server: server.clone(),
            alias: name_of(&settings.name, &name),
            name,
            settings: Arc::clone(settings),
            queue: Arc::clone(queue),
            way,
            ledger: before.map_or_else(Arc::default, |before| Arc::clone(&before.ledger)),
            idle: Idle::new(settings.kept()),
            known: AtomicUsize::new(known),
        })
    }

    /// Where it is.
    pub(crate) const fn url(&self) -> &ServerUrl {
        &self.server.url
    }

    /// The name of its backend.
    pub(crate) fn backend(&self) -> &str {
        &self.settings.name
    }

    /// The settings of its backend.
    pub(super) fn settings(&self) -> &Backend {
        &self.settings
    }

    /// The sessions and requests that it has now.
    pub(crate) fn live(&self) -> usize {
        self.ledger.live.load(Ordering::Relaxed)
    }

    /// How it stands.
    pub(crate) fn standing(&self, now: Instant) -> Standing {
        lock(&self.ledger.record).standing(now)
    }

    /// The openings and requests that it has accepted.
    pub(crate) fn successes(&self) -> u64 {
        self.ledger.successes.load(Ordering::Relaxed)
    }

    /// The openings and requests that have failed by its fault.
    pub(crate) fn failures(&self) -> u64 {
        self.ledger.failures.load(Ordering::Relaxed)
    }

    /// Its place in the network, where it has one.
    pub(super) fn place(&self) -> Option<&Place> {
        match &*self.way.target {
            Target::Network(place) => Some(place),
            Target::Unix(_) => None,
        }
    }

    /// Connects to it.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(super) async fn connect(&self, ends: Option<Ends>) -> Result<Stream, NoBackend> {
        self.way.connect(ends).await
    }

    /// Takes that an opening or a request has succeeded.
    pub(super) fn succeeded(&self) {
        self.ledger.successes.fetch_add(1, Ordering::Relaxed);
        if lock(&self.ledger.record).succeeded() {
            tracing::info!(backend = self.backend(), server = self.name, "server is back");
            self.queue.call();
        }
    }

    /// Takes that an opening or a request has failed by its fault.
    pub(super) fn failed(&self, reason: &dyn Display) {
        self.ledger.failures.fetch_add(1, Ordering::Relaxed);
        let (backend, server, rules) = (self.backend(), &self.name, &self.settings.passive_health);
        tracing::debug!(backend, server, %reason, "server failed");
        if lock(&self.ledger.record).failed(rules, Instant::now()) {
            tracing::warn!(backend, server, %reason, rest = %rules.rest, "server is left alone");
        }
    }

    /// Takes what a check has found: nothing, or what is wrong.
    pub(super) fn checked(&self, found: Result<(), impl Display>, rules: &Health) {
        if !lock(&self.ledger.record).checked(found.is_ok(), rules) {
            return;
        }
        let (backend, server) = (self.backend(), &self.name);
        match found {
            Ok(()) => tracing::info!(backend, server, "server is up"),
            Err(reason) => tracing::warn!(backend, server, %reason, "server is down"),
        }
        self.queue.call();
    }

    /// Takes that nobody checks it any more: what the last checks have found holds no longer.
    pub(super) fn unchecked(&self) {
        lock(&self.ledger.record).unchecked();
        self.queue.call();
    }
}

impl Lease {
    /// Takes a place, which the caller has found to be free.
    pub(super) fn take(member: &Arc<Member>, cookie: Cookie, now: Instant) -> Self {
        member.ledger.live.fetch_add(1, Ordering::Relaxed);
        lock(&member.ledger.record).chosen(&member.settings.passive_health, now);
        Self { member: Arc::clone(member), cookie }
    }

    /// The server.
    pub(crate) const fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// The `Set-Cookie` by which the client comes back to this server, where it needs one.
    pub(crate) fn cookie(&self) -> Option<String> {
        match (self.cookie, &self.member.settings.sticky) {
            (Cookie::Set { secure }, Some(settings)) => {
                Some(set_cookie(settings, &self.member.alias, secure))
            }
            _ => None,
        }
    }

    /// Takes the status that a request was answered with. Of 502, 503 and 504 a server says itself
    /// that it does not work; any other answer is one.
    pub(crate) fn answered(&self, status: u16) {
        match status {
            502..=504 => self.member.failed(&format_args!("answered with status {status}")),
            _ => self.member.succeeded(),
        }
    }

    /// Takes why an opening or a request came to nothing, and puts it down to whoever did it.
    pub(crate) fn failed(&self, reason: &NoBackend) {
        match reason.blame() {
            Blame::Server => self.member.failed(reason),
            Blame::Nobody => self.member.succeeded(),
            Blame::Unasked => {}
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.ledger.live.fetch_sub(1, Ordering::Relaxed);
        self.member.queue.call();
    }
}
