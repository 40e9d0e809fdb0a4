//! A load of sessions: backends of every dialect that say everything back, clients of every dialect
//! that number what they say and check what comes back.

use crate::peers::{Kind, Offer, Peer, Reply, Said};
use crate::program::Program;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// One load at a time: each takes thousands of files.
pub(crate) static TURN: Mutex<()> = Mutex::const_new(());

/// Far beyond what any of these tests takes, on a machine that is busy with others.
pub(crate) const DEADLINE: Duration = Duration::from_secs(300);

/// How many sessions are opened at once, which is less than any backlog holds.
const OPENING: usize = 64;

const KINDS: [Kind; 5] = [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Hybi08, Kind::Rfc6455];

/// A backend of one dialect.
#[derive(Debug)]
pub(crate) struct Echo {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// How many sessions it has now in which something was said; health checks say nothing.
    pub(crate) talking: Arc<AtomicU64>,
    sessions: JoinSet<()>,
}

impl Echo {
    /// A backend that is one by one told what comes, and says it back; when it hears a close it
    /// answers it.
    pub(crate) async fn start(kind: Kind) -> Self {
        Self::over(TcpListener::bind("127.0.0.1:0").await.unwrap(), kind)
    }

    pub(crate) fn over(listener: TcpListener, kind: Kind) -> Self {
        let address = listener.local_addr().unwrap();
        let talking = Arc::new(AtomicU64::new(0));
        let mut sessions = JoinSet::new();
        let count = Arc::clone(&talking);
        sessions.spawn(async move {
            // Ends, with all its sessions, when the backend is dropped.
            let mut sessions = JoinSet::new();
            loop {
                let (peer, _) = Peer::accept(kind, &listener, &Reply::default()).await;
                sessions.spawn(echo(peer, Arc::clone(&count)));
            }
        });
        Self { kind, address, talking, sessions }
    }
}

async fn echo(mut peer: Peer, talking: Arc<AtomicU64>) {
    let mut spoken = false;
    loop {
        match peer.hear().await {
            said @ (Said::Text(_) | Said::Binary(_)) => {
                if !std::mem::replace(&mut spoken, true) {
                    talking.fetch_add(1, Ordering::Relaxed);
                }
                peer.say(&[said]).await;
            }
            close @ Said::Close(_) => {
                peer.answer_close(&close).await;
                break;
            }
            _ => {
                peer.finish().await;
                break;
            }
        }
    }
    if spoken {
        talking.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How a client's session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was told to stop by the test, between two messages.
    Stopped,
    /// The proxy closed it in its dialect, between two messages.
    Closed(Instant),
}

/// A load that runs.
#[derive(Debug)]
pub(crate) struct Load {
    sessions: JoinSet<End>,
    progress: Arc<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    stop: AtomicBool,
    messages: AtomicU64,
    moved: Notify,
}

impl Load {
    /// Opens `each` sessions of every client dialect to every path, and has them talk.
    pub(crate) async fn start(proxy: SocketAddr, paths: &[String], each: usize) -> Self {
        let progress = Arc::<Progress>::default();
        let opening = Arc::new(Semaphore::new(OPENING));
        let opened = Arc::new(Semaphore::new(0));
        let mut sessions = JoinSet::new();
        let mut count = 0;
        for kind in KINDS {
            for path in paths {
                for _ in 0..each {
                    let offer = Offer { target: path.clone(), ..Offer::default() };
                    let (opening, opened) = (Arc::clone(&opening), Arc::clone(&opened));
                    let progress = Arc::clone(&progress);
                    count += 1;
                    sessions.spawn(async move {
                        let permit = opening.acquire().await.unwrap();
                        let (peer, _) = Peer::connect(kind, proxy, &offer).await;
                        drop(permit);
                        opened.add_permits(1);
                        talk(peer, kind, &progress).await
                    });
                }
            }
        }
        drop(opened.acquire_many(count).await.unwrap());
        Self { sessions, progress }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Waits until that many more messages have come back.
    pub(crate) async fn goes_on(&self, messages: u64) {
        let due = self.progress.messages.load(Ordering::Relaxed) + messages;
        while self.progress.messages.load(Ordering::Relaxed) < due {
            self.progress.moved.notified().await;
        }
    }

    /// Has every session stop behind its next message, and returns how each ended.
    pub(crate) async fn stop(self) -> Vec<End> {
        self.progress.stop.store(true, Ordering::Relaxed);
        self.ends().await
    }

    /// Waits until every session has ended.
    pub(crate) async fn ends(self) -> Vec<End> {
        self.sessions.join_all().await
    }
}

/// Says one number after the other, each when the one before has come back.
async fn talk(mut peer: Peer, kind: Kind, progress: &Progress) -> End {
    for number in 0_u64.. {
        if progress.stop.load(Ordering::Relaxed) {
            return End::Stopped;
        }
        let said = Said::Text(format!("{number} of {kind:?}"));
        peer.say(std::slice::from_ref(&said)).await;
        match peer.hear().await {
            heard if heard == said => {
                progress.messages.fetch_add(1, Ordering::Relaxed);
                progress.moved.notify_one();
            }
            // What was said last met the close on its way.
            heard => {
                assert_eq!(heard, farewell(kind), "behind message {number} of {kind:?}");
                let at = Instant::now();
                peer.answer_close(&heard).await;
                return End::Closed(at);
            }
        }
    }
    unreachable!("numbers have no end")
}

/// What a proxy that goes away says in a dialect.
fn farewell(kind: Kind) -> Said {
    match kind {
        Kind::Hixie75 => Said::Fin,
        Kind::Hixie76 => Said::Close(None),
        _ if kind.has_codes() => Said::close(1001, ""),
        _ => Said::Close(None),
    }
}

/// The program before a backend of every dialect, under load.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) program: Program,
    pub(crate) load: Load,
    /// The configuration, and where it stands.
    pub(crate) text: String,
    pub(crate) file: PathBuf,
    _folder: TempDir,
    _echoes: Vec<Echo>,
}

impl Stage {
    /// Starts all, with `each` sessions for every pair of dialects and `more` in the configuration.
    pub(crate) async fn set(more: &str, each: usize) -> Self {
        let mut echoes = Vec::new();
        for kind in KINDS {
            echoes.push(Echo::start(kind).await);
        }
        let (text, paths) = configuration(&echoes, more);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hybridge.toml");
        std::fs::write(&file, &text).unwrap();
        let program = Program::with(&file);
        let load = Load::start(program.address, &paths, each).await;
        Self { program, load, text, file, _folder: folder, _echoes: echoes }
    }
}

/// A configuration with one backend and one route for each of these servers, by path.
fn configuration(echoes: &[Echo], more: &str) -> (String, Vec<String>) {
    let mut text = format!("{more}\n[[listener]]\nname = \"main\"\naddress = [\"127.0.0.1:0\"]\n");
    let mut paths = Vec::new();
    for echo in echoes {
        let (name, address) = (echo.kind.dialect().name(), echo.address);
        text += &format!(
            "[[backend]]\nname = \"{name}\"\ndialect = \"{name}\"\n\
             [[backend.server]]\nurl = \"ws://{address}\"\n\
             [[route]]\nname = \"{name}\"\npath = [\"/{name}\"]\nbackend = \"{name}\"\n"
        );
        paths.push(format!("/{name}"));
    }
    (text, paths)
}

/// Runs what blocks, such as a wait for a line of the program's log, beside the load.
pub(crate) async fn beside<T: Send + 'static>(
    mut program: Program,
    work: impl FnOnce(&mut Program) -> T + Send + 'static,
) -> (Program, T) {
    let done = tokio::task::spawn_blocking(move || {
        let result = work(&mut program);
        (program, result)
    });
    done.await.unwrap()
}
