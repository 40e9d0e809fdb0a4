//! The proxy under test, the stage of a session around it, and the one deadline of every test.

use crate::peers::{Kind, Offer, Peer, Reply, Said};
use hybridge::config::Settings;
use hybridge::config::values::{BackendDialect, Period};
use hybridge::dialect::Dialect;
use hybridge::server::Server;
use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Far beyond what any test takes, on a machine that is busy with others.
const DEADLINE: Duration = Duration::from_secs(180);

/// The same for one step of a test, so that the step is named and not the test.
const STEP_DEADLINE: Duration = Duration::from_secs(60);

/// Runs a test, and names it if it does not end.
pub(crate) async fn within<T>(test: &str, work: impl Future<Output = T>) -> T {
    in_time(test, DEADLINE, work).await
}

/// Runs one step of a test, and names it if it does not end.
pub(crate) async fn step<T>(what: &str, work: impl Future<Output = T>) -> T {
    in_time(what, STEP_DEADLINE, work).await
}

async fn in_time<T>(what: &str, deadline: Duration, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(deadline, Box::pin(work)).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: not done after {deadline:?}"),
    }
}

pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Settings with a backend of one dialect.
pub(crate) fn settings(backend: SocketAddr, dialect: Option<Dialect>) -> Settings {
    let url = format!("ws://{backend}").parse().unwrap();
    let mut settings = Settings::between("127.0.0.1:0".parse().unwrap(), url);
    settings.workers = NonZeroUsize::MIN;
    settings.access_log.enabled = false;
    settings.backends[0].dialect = dialect.map_or(BackendDialect::Auto, BackendDialect::Fixed);
    settings
}

/// A short duration for a setting.
pub(crate) const fn millis(millis: u64) -> Period {
    Period(Duration::from_millis(millis))
}

/// A folder of one test, which is gone with this.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// In the system's own, so that the path of a socket is short enough.
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hybridge-{test}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A proxy that serves.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    leave: oneshot::Sender<()>,
    served: JoinHandle<anyhow::Result<()>>,
}

impl Proxy {
    pub(crate) async fn start(settings: Settings) -> Self {
        Self::of(Server::bind(settings).await.unwrap())
    }

    /// A server that is bound.
    pub(crate) fn of(server: Server) -> Self {
        let address = server.local_addr().unwrap();
        let (leave, left) = oneshot::channel();
        let served = tokio::spawn(server.run(async move { drop(left.await) }));
        Self { address, leave, served }
    }

    /// Orders the shutdown.
    pub(crate) fn leave(self) -> JoinHandle<anyhow::Result<()>> {
        self.leave.send(()).unwrap();
        self.served
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(self) {
        self.served.await.unwrap().unwrap();
    }

    /// Shuts down and waits for the end.
    pub(crate) async fn stop(self) {
        self.leave().await.unwrap().unwrap();
    }
}

/// A proxy between a backend's listener and whoever connects.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    pub(crate) listener: TcpListener,
    pub(crate) backend: Kind,
}

impl Stage {
    /// A stage with default settings.
    pub(crate) async fn new(backend: Kind) -> Self {
        Self::with(backend, |_| {}).await
    }

    /// A stage with settings of its own.
    pub(crate) async fn with(backend: Kind, adjust: impl FnOnce(&mut Settings)) -> Self {
        let (listener, address) = listen().await;
        let mut settings = settings(address, Some(backend.dialect()));
        adjust(&mut settings);
        Self { proxy: Proxy::start(settings).await, listener, backend }
    }

    /// A session, both handshakes done.
    pub(crate) async fn session(&self, client: Kind) -> (Peer, Peer) {
        let (offer, reply) = (Offer::default(), Reply::default());
        let ((client, _), (backend, _)) = tokio::join!(
            Peer::connect(client, self.proxy.address, &offer),
            Peer::accept(self.backend, &self.listener, &reply),
        );
        (client, backend)
    }

    /// A session that is to live through whatever happens beside it.
    pub(crate) async fn bystander(&self) -> Bystander {
        let (client, backend) = self.session(Kind::Rfc6455).await;
        Bystander { client, backend }
    }

    pub(crate) async fn stop(self) {
        self.proxy.stop().await;
    }
}

/// A session beside the one that misbehaves.
#[derive(Debug)]
pub(crate) struct Bystander {
    client: Peer,
    backend: Peer,
}

impl Bystander {
    /// Talks both ways.
    pub(crate) async fn is_well(&mut self) {
        pass(&mut self.client, &mut self.backend, &[Said::text("still here")]).await;
        pass(&mut self.backend, &mut self.client, &[Said::text("so am I")]).await;
    }
}

/// Says something in one write and checks that it arrives, in order.
pub(crate) async fn pass(from: &mut Peer, to: &mut Peer, all: &[Said]) {
    let say = from.say(all);
    let hear = async {
        for said in all {
            let heard = to.hear().await;
            assert!(heard == *said, "heard {} for {}", brief(&heard), brief(said));
        }
    };
    tokio::join!(say, hear);
}

/// A message short enough to read.
pub(crate) fn brief(said: &Said) -> String {
    format!("{said:?}").chars().take(200).collect()
}
