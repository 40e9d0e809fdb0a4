//! Backends at run time: which server gets a connection, how it is reached, and what is known of
//! each.

mod announce;
mod balance;
mod check;
mod connect;
pub(crate) mod health;
mod heard;
pub(crate) mod idle;
mod member;
pub(crate) mod open;
mod queue;
mod resolve;
mod seek;
mod sticky;
mod tls;

pub(crate) use member::{Lease, Member};

pub(crate) use connect::Way;

use crate::config::backend::Backend;
use crate::config::server_url::ServerUrl;
use crate::handshake::{Headers, is_host};
use crate::net::Peer;
use crate::net::stream::Stream;
use crate::wire::grammar::is_token;
use announce::Ends;
use anyhow::{Context, bail};
use balance::Turns;
use open::NoBackend;
use queue::Queue;
use seek::Busy;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tls::connector;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// A backend: its servers, and what is known of them.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) settings: Arc<Backend>,
    members: Vec<Arc<Member>>,
    queue: Arc<Queue>,
    /// Who was chosen before. Whoever takes a place holds it, so that none is taken twice.
    turns: Mutex<Turns>,
    /// Its checks and look-ups.
    tasks: Mutex<JoinSet<()>>,
}

/// Who seeks a server: what a choice can depend on.
pub(crate) struct Seeker<'a> {
    /// The client.
    pub(crate) peer: Peer,
    /// Where the client connected to.
    pub(crate) local: Peer,
    /// Whether it came by TLS.
    pub(crate) secure: bool,
    /// The fields of its request.
    pub(crate) headers: &'a dyn Headers,
}

impl Pool {
    /// A backend. Of the servers that it also had `before` the same is known, and who waits for a
    /// place there waits in one queue with who comes; of others nothing more than the settings say.
    ///
    /// # Errors
    /// When it has no server, or when something of its TLS does not fit.
    pub(crate) fn new(settings: Backend, before: Option<&Self>) -> anyhow::Result<Arc<Self>> {
        let backend = settings.name.clone();
        let settings = Arc::new(settings);
        let queue = before.map_or_else(Arc::default, |before| Arc::clone(&before.queue));
        let known = before.map_or(&[][..], Self::members);
        let members =
            members(&settings, &queue, known).with_context(|| format!("backend {backend}"))?;
        let (turns, tasks) = (Mutex::default(), Mutex::default());
        Ok(Arc::new(Self { settings, members, queue, turns, tasks }))
    }

    /// Begins its checks and look-ups, which go on until it is stopped or dropped.
    pub(crate) fn start(&self) {
        let mut tasks = lock(&self.tasks);
        for member in &self.members {
            if member.place().is_some_and(|place| place.is_name) {
                let every = self.settings.resolve_every.0;
                tasks.spawn(resolve::keep_resolved(Arc::clone(member), every));
            }
            match &self.settings.health {
                Some(health) => {
                    tasks.spawn(check::keep_checked(Arc::clone(member), health.clone()));
                }
                None => member.unchecked(),
            }
        }
    }

    /// Ends its checks and look-ups. The connections that it has, and those that are being opened,
    /// hold it for as long as they live.
    pub(crate) fn stop(&self) {
        lock(&self.tasks).abort_all();
    }

    /// The servers, in the order of the settings.
    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// A place at a server, waited for in the queue where none is free.
    ///
    /// # Errors
    /// When no server is up, when too many wait, or when the wait is too long.
    pub(crate) async fn lease(&self, seeker: &Seeker<'_>) -> Result<Lease, NoBackend> {
        // Who comes later does not overtake.
        if self.queue.is_empty() {
            match self.take(seeker, &[]) {
                Ok(lease) => return Ok(lease),
                Err(Busy::Down) => return Err(NoBackend::Down),
                Err(Busy::Full(_)) => {}
            }
        }
        let ticket = self.queue.join(self.settings.queue).ok_or(NoBackend::QueueFull)?;
        let wait = async {
            ticket.called().await;
            loop {
                let again = match self.take(seeker, &[]) {
                    Ok(lease) => return Ok(lease),
                    Err(Busy::Down) => return Err(NoBackend::Down),
                    Err(Busy::Full(again)) => again,
                };
                let well_again = async {
                    match again {
                        Some(again) => sleep_until(again).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = ticket.called() => {}
                    () = well_again => {}
                }
            }
        };
        let waited = timeout(self.settings.queue_timeout.0, wait).await;
        waited.unwrap_or(Err(NoBackend::QueueTimeout))
    }

    /// Connects to the server of a lease, and where that fails to others, as often as the settings
    /// say, until the deadline. The others are asked only for a place that is free: who has waited
    /// once does not wait again.
    ///
    /// # Errors
    /// When none of them can be reached.
    async fn reach(
        &self,
        mut lease: Lease,
        seeker: &Seeker<'_>,
        deadline: Instant,
    ) -> Result<(Stream, Lease), NoBackend> {
        let mut tried = Vec::new();
        loop {
            let connect = lease.member().connect(Some(seeker.ends()));
            let failed = match timeout_at(deadline, connect).await {
                Ok(Ok(stream)) => return Ok((stream, lease)),
                Ok(Err(failed)) => failed,
                Err(_) => {
                    // A server that was asked late had no fair chance.
                    if tried.is_empty() {
                        lease.failed(&NoBackend::ConnectTimeout);
                    }
                    return Err(NoBackend::ConnectTimeout);
                }
            };
            lease.failed(&failed);
            tried.push(Arc::clone(lease.member()));
            if tried.len() > self.settings.retries as usize {
                return Err(failed);
            }
            lease = self.take(seeker, &tried).map_err(|_| failed)?;
        }
    }
}

impl Seeker<'_> {
    /// What a PROXY header tells of it.
    const fn ends(&self) -> Ends {
        Ends { peer: self.peer, local: self.local }
    }
}

/// The servers of the settings, with what is known of them.
fn members(
    settings: &Arc<Backend>,
    queue: &Arc<Queue>,
    known: &[Arc<Member>],
) -> anyhow::Result<Vec<Arc<Member>>> {
    if settings.servers.is_empty() {
        bail!("no server");
    }
    if settings.sticky.as_ref().is_some_and(|sticky| !is_token(sticky.cookie.as_bytes())) {
        bail!("sticky.cookie is no name that a cookie can have");
    }
    if let Some(health) = &settings.health {
        let path = health.path.as_bytes();
        if !path.starts_with(b"/") || !path.iter().all(u8::is_ascii_graphic) {
            bail!("health.path is no target of a request");
        }
        if health.host.as_ref().is_some_and(|host| !is_host(host.as_bytes())) {
            bail!("health.host is no host");
        }
    }
    let secure = |url: &ServerUrl| matches!(url, ServerUrl::Network { secure: true, .. });
    let connector = match settings.servers.iter().any(|server| secure(&server.url)) {
        true => Some(connector(&settings.tls)?),
        false => None,
    };
    let members = settings.servers.iter().map(|server| {
        let before = known.iter().find(|before| before.server.url == server.url);
        let before = before.map(Arc::as_ref);
        let member = Member::new(server, settings, queue, connector.as_ref(), before);
        member.map(Arc::new).with_context(|| format!("server {}", server.url))
    });
    members.collect()
}

/// What a panic of another thread has left is as good as any: each change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::health::Standing;
    use super::*;
    use crate::config::backend::{ClientTls, Health, PassiveHealth, Server, Sticky};
    use crate::config::values::Period;
    use crate::handshake::Field;
    use std::net::SocketAddr;
    use std::time::Duration;
    use tokio::net::TcpListener;
    use tokio::task::yield_now;

    const LONG: Duration = Duration::from_mins(5);

    async fn listen() -> (TcpListener, Backend) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap()).parse().unwrap();
        (listener, Backend { servers: vec![Server::new(url)], ..Backend::default() })
    }

    fn seeker(headers: &Vec<Field>) -> Seeker<'_> {
        let anyone = Peer::from(SocketAddr::from(([192, 0, 2, 1], 5000)));
        Seeker { peer: anyone, local: anyone, secure: true, headers }
    }

    async fn connect(pool: &Pool) -> (Stream, Lease) {
        let headers = Vec::new();
        let lease = pool.lease(&seeker(&headers)).await.unwrap();
        pool.reach(lease, &seeker(&headers), Instant::now() + LONG).await.unwrap()
    }

    #[tokio::test]
    async fn a_dropped_pool_ends_its_checks_and_its_leases_live_on() {
        let (listener, mut backend) = listen().await;
        backend.health =
            Some(Health { interval: Period(Duration::from_millis(10)), ..Health::default() });
        let pool = Pool::new(backend, None).unwrap();
        pool.start();
        let (_stream, lease) = connect(&pool).await;
        // The connection of the lease and two checks.
        for _ in 0..3 {
            drop(listener.accept().await.unwrap());
        }
        drop(pool);
        let ended = async {
            while Arc::strong_count(lease.member()) > 1 {
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(60), ended).await.expect("the checks end");
        assert_eq!(lease.member().live(), 1);
        let member = Arc::clone(lease.member());
        drop(lease);
        assert_eq!(member.live(), 0);
    }

    /// Also the addresses of a name, for which nobody is to wait again.
    #[tokio::test]
    async fn a_pool_takes_over_what_is_known_of_its_servers() {
        let name = Server::new("ws://name.example".parse().unwrap());
        let other = Server::new("ws://192.0.2.9".parse().unwrap());
        let backend = Backend { servers: vec![name, other.clone()], ..Backend::default() };
        let before = Pool::new(backend.clone(), None).unwrap();
        let found = vec![SocketAddr::from(([192, 0, 2, 7], 80))];
        before.members()[0].place().unwrap().take(Ok(found.clone()));
        let lease = before.take(&seeker(&Vec::new()), &[]).unwrap_or_else(|_| panic!("a place"));
        assert!(Arc::ptr_eq(lease.member(), &before.members()[0]));
        lease.answered(200);
        lease.answered(503);
        let changed = Backend { keep_alive: 1, servers: vec![other], ..backend.clone() };
        let without = Pool::new(changed, Some(&before)).unwrap();
        assert_eq!(without.members()[0].live(), 0);
        let after = Pool::new(Backend { keep_alive: 1, ..backend }, Some(&before)).unwrap();
        let member = &after.members()[0];
        assert_eq!((member.live(), member.successes(), member.failures()), (1, 1, 1));
        assert_eq!(member.place().unwrap().addresses().await.unwrap(), found);
        drop(lease);
        assert_eq!(member.live(), 0);
    }

    #[tokio::test]
    async fn what_comes_of_requests_counts() {
        let (_listener, mut backend) = listen().await;
        backend.passive_health = PassiveHealth { failures: 2, rest: Period::seconds(3600) };
        let pool = Pool::new(backend, None).unwrap();
        let resting = || {
            let standing = pool.members()[0].standing(Instant::now());
            matches!(standing, Standing::Resting(_))
        };
        for (status, rests) in [(503, false), (404, false), (502, false), (504, true), (200, false)]
        {
            let (_stream, lease) = connect(&pool).await;
            lease.answered(status);
            assert_eq!(resting(), rests, "{status}");
        }
        assert_eq!((pool.members()[0].successes(), pool.members()[0].failures()), (2, 3));
    }

    /// A cookie of a client that came by TLS goes back by TLS only.
    #[tokio::test]
    async fn a_lease_knows_the_cookie_that_is_due() {
        let (_listener, mut backend) = listen().await;
        backend.sticky = Some(Sticky { cookie: "srv".to_owned(), max_age: None });
        let pool = Pool::new(backend, None).unwrap();
        let cookie = pool.lease(&seeker(&Vec::new())).await.unwrap().cookie().unwrap();
        assert!(cookie.ends_with("; Secure"), "{cookie}");
        let (pair, _) = cookie.split_once(';').unwrap();
        let fields = vec![("Cookie".to_owned(), pair.as_bytes().to_vec())];
        assert_eq!(pool.lease(&seeker(&fields)).await.unwrap().cookie(), None);
    }

    /// Settings are also built only to be checked, where there is no runtime.
    #[test]
    fn faults_of_the_settings_are_named() {
        let server = || vec![Server::new("wss://10.0.0.1".parse().unwrap())];
        let fault = |backend| format!("{:#}", Pool::new(backend, None).unwrap_err());
        let named = Backend { name: "chat".to_owned(), ..Backend::default() };
        assert_eq!(fault(named.clone()), "backend chat: no server");
        let health = Health { path: "/a b".to_owned(), ..Health::default() };
        let health = Backend { health: Some(health), servers: server(), ..named.clone() };
        assert_eq!(fault(health), "backend chat: health.path is no target of a request");
        let tls = ClientTls { ca: Some("/nowhere.pem".into()), ..ClientTls::default() };
        let told = fault(Backend { tls, servers: server(), ..named });
        assert!(told.starts_with("backend chat: tls.ca: cannot read certificates from"), "{told}");
    }
}
