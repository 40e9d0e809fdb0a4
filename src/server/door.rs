//! Where all clients come in: the sockets that listen, and what becomes of each connection.

use super::thread::Handle;
use crate::config::Settings;
use crate::config::values::Address;
use crate::net::admission::{Place, Places};
use crate::net::arrive::NoArrival;
use crate::net::listen::{Accepted, Socket};
use crate::net::listener::Listener;
use crate::proxy::Shared;
use crate::proxy::open::open;
use crate::telemetry::Reason;
use crate::watch::ConnectionId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// The sockets that listen.
#[derive(Debug, Default)]
pub(super) struct Sockets(Vec<Listening>);

/// A socket, and the listener that it belongs to.
#[derive(Debug)]
struct Listening {
    /// As the settings have it; sockets of systemd can share one.
    address: Address,
    socket: Arc<Socket>,
    /// Replaced at each reload.
    listener: watch::Sender<Arc<Listener>>,
    accepting: Option<AbortHandle>,
}

/// What sockets become with other settings: all is bound, and nothing is changed yet.
#[derive(Debug)]
pub(super) struct Plan {
    kept: Vec<(Address, Arc<Listener>)>,
    bound: Vec<Listening>,
}

impl Sockets {
    /// Binds what the settings want and is not bound yet, and reads all certificates.
    ///
    /// # Errors
    /// When an address cannot be bound or a certificate does not fit. What was bound is free again
    /// then.
    pub(super) fn plan(&self, settings: &Settings) -> anyhow::Result<Plan> {
        let mut plan = Plan { kept: Vec::new(), bound: Vec::new() };
        for settings in &settings.listeners {
            let before = self.0.iter().map(|listening| Arc::clone(&listening.listener.borrow()));
            let before = before.into_iter().find(|before| before.settings.name == settings.name);
            let listener = Arc::new(Listener::new(settings.clone(), before.as_deref())?);
            for address in &settings.address {
                if self.0.iter().any(|kept| kept.address == *address) {
                    plan.kept.push((address.clone(), Arc::clone(&listener)));
                    continue;
                }
                for socket in Socket::bind(address, settings)? {
                    plan.bound.push(Listening {
                        address: address.clone(),
                        socket: Arc::new(socket),
                        listener: watch::Sender::new(Arc::clone(&listener)),
                        accepting: None,
                    });
                }
            }
        }
        Ok(plan)
    }

    /// Does as planned: what is wanted no more is closed.
    pub(super) fn follow(&mut self, plan: Plan) {
        self.0.retain(|listening| {
            match plan.kept.iter().find(|(address, _)| *address == listening.address) {
                Some((_, listener)) => {
                    let before = listening.listener.send_replace(Arc::clone(listener));
                    listening.socket.adopt(&listener.settings, &before.settings);
                    true
                }
                None => {
                    listening.accepting.iter().for_each(AbortHandle::abort);
                    false
                }
            }
        });
        self.0.extend(plan.bound);
    }

    /// Begins to accept where that has not begun.
    pub(super) fn accept(&mut self, door: &Arc<Door>, tasks: &mut JoinSet<()>) {
        for listening in self.0.iter_mut().filter(|listening| listening.accepting.is_none()) {
            let (socket, listener) =
                (Arc::clone(&listening.socket), listening.listener.subscribe());
            listening.accepting = Some(tasks.spawn(Arc::clone(door).accept(socket, listener)));
        }
    }

    /// The first address on TCP, with the port that the system chose where 0 was asked for.
    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        self.0.iter().find_map(|listening| listening.socket.local_addr())
    }

    /// The names of the listeners and where each listens.
    pub(super) fn listening(&self) -> impl Iterator<Item = (String, Address)> {
        let each = |listening: &Listening| {
            (listening.listener.borrow().settings.name.clone(), listening.socket.address())
        };
        self.0.iter().map(each)
    }
}

/// What a connection meets on its way in.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) shared: Arc<Shared>,
    pub(super) workers: Vec<Handle>,
    places: Places,
    /// The number of the next connection.
    ids: AtomicU32,
}

impl Door {
    pub(super) fn new(shared: Arc<Shared>, workers: Vec<Handle>, places: Places) -> Self {
        Self { shared, workers, places, ids: AtomicU32::new(1) }
    }

    /// Opens each connection that comes, for ever.
    async fn accept(
        self: Arc<Self>,
        socket: Arc<Socket>,
        listener: watch::Receiver<Arc<Listener>>,
    ) {
        loop {
            let accepted = socket.accept().await;
            // Until then no more are accepted here.
            let Some(place) = self.places.take().await else { return };
            let listener = Arc::clone(&listener.borrow());
            let door = Arc::clone(&self);
            tokio::spawn(async move { door.open(accepted, &listener, place).await });
        }
    }

    /// Opens one, and hands it to the worker with the fewest: they live long, so that a hashed
    /// spread would stay uneven.
    async fn open(&self, accepted: Accepted, listener: &Listener, mut place: Place) {
        let telemetry = &self.shared.telemetry;
        let present = telemetry.accepted(&listener.settings.name);
        let arrived = tokio::select! {
            arrived = listener.arrive(accepted, &mut place) => arrived,
            // Until then also those that only come to be told 503.
            () = self.shared.closing.cancelled() => return,
        };
        let arrival = match arrived {
            Ok(arrival) => arrival,
            // It is in the log.
            Err(reason) => {
                if let Some(reason) = class(&reason) {
                    telemetry.turned_away(reason);
                }
                return;
            }
        };
        let id = ConnectionId(self.ids.fetch_add(1, Ordering::Relaxed));
        if let Some(connection) = open(&self.shared, arrival, id, place, present).await
            && let Some(worker) = self.workers.iter().min_by_key(|worker| worker.bell().load())
        {
            worker.relay(connection);
        }
    }
}

/// As what it is counted that nobody has come; `None` for those who wanted no session.
const fn class(reason: &NoArrival) -> Option<Reason> {
    match reason {
        NoArrival::TurnedAway(_) => Some(Reason::Limit),
        NoArrival::ProxyHeader(_)
        | NoArrival::Stray(_)
        | NoArrival::PolicyRequest
        | NoArrival::Tls(_) => Some(Reason::Malformed),
        NoArrival::Timeout => Some(Reason::Timeout),
        NoArrival::Lost(_) => Some(Reason::Lost),
        // Port scans and health checks connect and leave.
        NoArrival::Left | NoArrival::Policy => None,
    }
}
