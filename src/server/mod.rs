//! The server: its listeners, its workers, its orders, and the orderly end of all.

pub mod control;
mod door;
mod thread;

use crate::admin::{Admin, Reload};
use crate::config::Settings;
use crate::config::values::Address;
use crate::net::admission::{Places, TURNED_AWAY};
use crate::net::listener::Listener;
use crate::net::stream::PARTING;
use crate::proxy::{Service, Shared};
use crate::telemetry::{Output, Telemetry};
use crate::watch::Watcher;
use anyhow::{Context, anyhow, bail};
use control::{Control, Order};
use door::{Door, Sockets};
use rustix::process::{Resource, getrlimit};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use thread::{Bell, Handle, tick};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// Files that are open beside the two of each connection and the connections kept to servers:
/// clients that are told 503, the runtimes of the workers, the listeners, the standard streams.
const OTHER_FILES: usize = TURNED_AWAY + 128;

/// How often a server that drains looks whether its last session has ended.
const LOOK: Duration = Duration::from_millis(100);

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    service: Service,
    watcher: Option<Arc<dyn Watcher>>,
    telemetry: Arc<Telemetry>,
    admin: Option<Admin>,
    reload: Option<Reload>,
    sockets: Sockets,
    places: Places,
    control: Control,
    orders: mpsc::Receiver<Order>,
}

/// Builds all that the settings name, and lets go of it again: certificates, patterns, pages. It
/// binds nothing and connects to no one.
///
/// # Errors
/// When something does not exist or does not fit.
pub fn check(settings: &Settings) -> anyhow::Result<()> {
    for listener in &settings.listeners {
        Listener::new(listener.clone(), None)?;
    }
    Service::new(settings.clone(), &[]).map(drop)
}

impl Server {
    /// Begins to listen.
    ///
    /// # Errors
    /// When an address cannot be bound, or something that the settings name does not fit.
    pub async fn bind(settings: Settings) -> anyhow::Result<Self> {
        let mut sockets = Sockets::default();
        let plan = sockets.plan(&settings)?;
        sockets.follow(plan);
        let places = Places::new(connections(&settings));
        let admin = Admin::bind(&settings.admin).await?;
        let telemetry = Arc::new(Telemetry::start(Output::open(&settings.access_log)?)?);
        let (control, orders) = Control::new();
        let service = Service::new(settings, &[])?;
        Ok(Self {
            service,
            watcher: None,
            telemetry,
            admin,
            reload: None,
            sockets,
            places,
            control,
            orders,
        })
    }

    /// Shows all connections to a watcher.
    #[must_use]
    pub fn watched_by(self, watcher: Arc<dyn Watcher>) -> Self {
        Self { watcher: Some(watcher), ..self }
    }

    /// Gives the admin listener what reads the settings again.
    #[must_use]
    pub(crate) fn reloaded_by(self, reload: Reload) -> Self {
        Self { reload: Some(reload), ..self }
    }

    /// What is told of the server.
    pub(crate) const fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Where the admin listener is, if there is one.
    pub fn admin(&self) -> Option<Address> {
        self.admin.as_ref().map(Admin::address)
    }

    /// The address of the first listener on TCP, with the port that the system chose where 0 was
    /// asked for.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.sockets.local_addr()
    }

    /// The names of the listeners and where each listens.
    pub fn listening(&self) -> impl Iterator<Item = (String, Address)> {
        self.sockets.listening()
    }

    /// What gives it orders while it runs.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Serves until `shutdown` is done; then closes every session in its own dialect, and returns
    /// when the last has ended or the shutdown deadline has passed. Having been drained, it returns
    /// too.
    ///
    /// # Errors
    /// When a worker cannot be started or has ended, or when the shutdown deadline has passed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { service, watcher, telemetry, admin, reload, sockets, .. } = self;
        let Self { places, orders, control: _control, .. } = self;
        let ended = CancellationToken::new();
        let started = (0..service.settings.workers.get())
            .map(|index| Handle::start(index, watcher.clone(), Arc::clone(&telemetry), &ended));
        let (workers, threads): (Vec<_>, Vec<_>) =
            started.collect::<anyhow::Result<Vec<_>>>()?.into_iter().unzip();
        let bells: Vec<_> = workers.iter().map(|worker| Arc::clone(worker.bell())).collect();
        let shared = Arc::new(Shared::new(service, watcher, telemetry));
        // To the end, so that it can be told how that goes.
        let mut administered = JoinSet::new();
        if let Some(admin) = admin {
            administered.spawn(admin.serve(Arc::clone(&shared), reload));
        }
        let door = Arc::new(Door::new(shared, workers, places));
        let ticking = tick(&bells);
        let serving = async {
            let until = tokio::select! {
                until = serve(&door, sockets, orders, &bells) => until,
                () = shutdown => deadline(&door),
                // A server that has lost a worker, and its sessions, is not to look healthy.
                () = ended.cancelled() => deadline(&door),
            };
            end(door, threads, &bells, until).await
        };
        tokio::select! {
            outcome = serving => outcome,
            never = ticking => match never {},
        }
    }
}

/// Serves, and obeys, until it has been drained. Then comes until when who is left may go on.
async fn serve(
    door: &Arc<Door>,
    mut sockets: Sockets,
    mut orders: mpsc::Receiver<Order>,
    bells: &[Arc<Bell>],
) -> Instant {
    // Ends with this function: the ports are free then, and who connects is refused by the system.
    let mut accepting = JoinSet::new();
    sockets.accept(door, &mut accepting);
    loop {
        match orders.recv().await {
            Some(Order::Reload(settings, reply)) => {
                let outcome = reload(door, &mut sockets, *settings).await;
                sockets.accept(door, &mut accepting);
                // Who asked may have gone.
                reply.send(outcome).ok();
            }
            Some(Order::Drain) => {
                // Who gives an order now is told that there is nobody to obey it.
                drop(orders);
                return drain(door, bells).await;
            }
            // There is a control as long as the server runs.
            None => return deadline(door),
        }
        while accepting.try_join_next().is_some() {}
    }
}

/// Takes other settings, or leaves all as it is.
async fn reload(door: &Door, sockets: &mut Sockets, settings: Settings) -> anyhow::Result<()> {
    let before = door.shared.service();
    let plan = sockets.plan(&settings)?;
    let output = Output::open(&settings.access_log)?;
    let service = Service::new(settings, &before.pools)?;
    // From here on nothing can fail.
    let (old, new) = (&before.settings, &service.settings);
    if (old.workers, old.max_connections, &old.admin, &old.record)
        != (new.workers, new.max_connections, &new.admin, &new.record)
    {
        tracing::warn!("workers, max_connections, admin and record take effect at the next start");
    }
    sockets.follow(plan);
    door.shared.telemetry.access.switch(output);
    door.shared.replace(service);
    Ok(())
}

/// Takes no more sessions and requests, and lets those that there are end; the sessions spread over
/// the window. Then comes until when they may go on.
async fn drain(door: &Door, bells: &[Arc<Bell>]) -> Instant {
    let window = door.shared.service().settings.drain_window.0;
    let until = deadline(door) + window;
    door.shared.leaving.cancel();
    door.shared.requests.close();
    door.workers.iter().for_each(|worker| worker.drain(window));
    let drained = async {
        door.shared.requests.wait().await;
        let mut looking = interval(LOOK);
        looking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while bells.iter().any(|bell| bell.load() > 0) {
            looking.tick().await;
        }
    };
    // Who is left is closed by what follows.
    timeout_at(until, drained).await.ok();
    until
}

/// Until when all has to be over that ends from now on.
fn deadline(door: &Door) -> Instant {
    Instant::now() + door.shared.service().settings.shutdown_deadline.0
}

/// Closes every session, and waits for the end of the last; requests go on until then.
async fn end(
    door: Arc<Door>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    bells: &[Arc<Bell>],
    until: Instant,
) -> anyhow::Result<()> {
    let (telemetry, late) = (Arc::clone(&door.shared.telemetry), door.shared.late.clone());
    door.shared.closing.cancel();
    door.shared.leaving.cancel();
    door.workers.iter().for_each(Handle::leave);
    // The threads end when the last handle is gone, which the openings that go on hold.
    drop(door);
    let mut joined = tokio::task::spawn_blocking(|| {
        // Each is waited for, whatever the one before it says.
        threads.into_iter().map(join).collect::<Vec<_>>().into_iter().collect()
    });
    let joined = match timeout_at(until, &mut joined).await {
        Ok(joined) => Ok(joined),
        Err(_) => {
            late.cancel();
            // The sessions keep the deadline themselves, and behind it who is being told has its
            // parting; this is for what has none, such as a thread that hangs.
            timeout(2 * PARTING, joined).await
        }
    };
    // What they had to tell is with the writer now. One that hangs costs nobody else's lines.
    tokio::task::spawn_blocking(move || telemetry.access.close()).await.ok();
    match joined {
        Ok(joined) => joined.context("cannot wait for the workers")?,
        Err(_) => {
            let left: usize = bells.iter().map(|bell| bell.load()).sum();
            bail!("shutdown deadline passed, {left} connections dropped")
        }
    }
}

/// How many clients can be served at once: as many as wanted, as far as the limit of open files
/// allows.
fn connections(settings: &Settings) -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let kept = settings.backends.iter().map(|one| one.kept().saturating_mul(one.servers.len()));
    let others = kept.fold(OTHER_FILES, usize::saturating_add);
    // A server that could serve nobody is of no use; one that has too few files says so.
    let possible = (files.saturating_sub(others) / 2).max(1);
    let wanted = settings.max_connections.map_or(possible, NonZeroUsize::get);
    if wanted > possible {
        tracing::warn!(wanted, possible, "the limit of open files allows fewer connections");
    }
    wanted.min(possible)
}

fn join(thread: JoinHandle<io::Result<()>>) -> anyhow::Result<()> {
    let ended =
        thread.join().map_err(|_| anyhow!("a worker has died, and its sessions with it"))?;
    ended.context("a worker cannot wait for its sockets")
}
