//! A server that stands in for the recorded one: live clients are given recorded sessions.

use super::connection::{at, since};
use super::entrance::Client;
use super::line::{Heard, Line};
use super::relay::relay;
use super::schedule::script;
use super::target::{Opened, Target};
use crate::event::close_code;
use crate::net::listen::Socket;
use crate::net::stream::{PARTING, Stream};
use crate::recording::shelf::Shelf;
use crate::replay::mirror::asked;
use crate::replay::mock::{Miss, Mock, Role, Tally};
use crate::replay::player::Next;
use crate::replay::repertoire::{Repertoire, path};
use crate::replay::script::Body;
use crate::replay::verdict::MOST_FINDINGS;
use crate::transcript::event::Open;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a client has said may not be said here (RFC 6455 section 7.4.1).
const POLICY: u16 = 1008;

/// Something went wrong on our side (RFC 6455 section 7.4.1, as amended by errata 3227).
const UNEXPECTED: u16 = 1011;

/// What becomes of a message that is like none of the recorded ones, and of a path that is not recorded.
#[derive(Debug)]
pub(crate) enum OnMiss {
    /// It is taken for the message that is most like it.
    Nearest,
    /// The session is closed.
    Close,
    /// Nothing, but the end is a failure.
    Error,
    /// Another server has the session from here on.
    Forward(Box<Target>),
}

/// What is given to whom.
pub(crate) struct StandIn {
    pub(crate) shelf: Shelf,
    /// Which session of the shelf has which number in the repertoire.
    pub(crate) sessions: Vec<usize>,
    pub(crate) repertoire: Mutex<Repertoire>,
    pub(crate) role: Arc<Role>,
    pub(crate) on_miss: OnMiss,
    /// How long an opening handshake may take.
    pub(crate) limit: Duration,
    pub(crate) served: Mutex<Served>,
}

/// What was served.
#[derive(Debug, Clone, Default)]
pub(crate) struct Served {
    /// By path; only those that are recorded.
    pub(crate) paths: BTreeMap<String, Counts>,
    /// How many clients asked for other paths.
    pub(crate) unknown: u64,
}

/// What was served of a path.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) sessions: u64,
    pub(crate) forwarded: u64,
    pub(crate) tally: Tally,
}

impl StandIn {
    /// Serves clients until it is told to end, and then ends their sessions in order.
    pub(crate) async fn serve(
        self: &Arc<Self>,
        sockets: Vec<Socket>,
        at_once: usize,
        end: &CancellationToken,
    ) {
        let (places, sessions) = (Arc::new(Semaphore::new(at_once)), TaskTracker::new());
        let mut accepting = JoinSet::new();
        for socket in sockets {
            let (this, places, sessions) =
                (Arc::clone(self), Arc::clone(&places), sessions.clone());
            let end = end.clone();
            accepting.spawn(async move {
                // The places are never closed.
                while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                    let (conduit, peer) = socket.accept().await.into_parts();
                    let (this, end) = (Arc::clone(&this), end.clone());
                    conduit.set_nodelay().ok();
                    sessions.spawn(async move {
                        this.client(Stream::Plain(conduit), peer.to_string(), &end).await;
                        drop(place);
                    });
                }
            });
        }
        end.cancelled().await;
        accepting.shutdown().await;
        sessions.close();
        sessions.wait().await;
    }

    /// Serves a client to its end.
    async fn client(&self, stream: Stream, peer: String, end: &CancellationToken) {
        let served = match self.in_time(Client::ask(stream, peer.clone()), end).await {
            Ok(client) => self.session(client, end).await,
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            tracing::debug!(%peer, "no session: {error:#}");
        }
    }

    async fn session(&self, client: Client, end: &CancellationToken) -> anyhow::Result<()> {
        let open = client.open.clone();
        let number = locked(&self.repertoire).choose(&open.target, &client.offered());
        let number = number.and_then(|number| self.sessions.get(number));
        let script = number.map(|number| script(&self.shelf, *number)).transpose();
        let script = match script {
            Ok(script) => script.flatten(),
            Err(error) => {
                client.refuse(500, &[]).await;
                tracing::error!("a session cannot be read: {error:#}");
                return Ok(());
            }
        };
        let Some(script) = script else { return self.unknown(client, end).await };
        let name = path(&script.open.target).to_owned();
        let session = script.session;
        self.count(&name, |counts| counts.sessions += 1);
        let answered = script.accept.as_ref().map(|(_, accept)| accept.clone());
        let (status, fields) = answered.map_or((101, Vec::new()), |a| (a.status, a.fields));
        tracing::debug!(peer = open.client, path = name, session, status, "session");
        if status != 101 {
            client.refuse(status, &fields).await;
            return Ok(());
        }
        let line = self.in_time(client.accept(&fields), end).await?;
        let clock = Instant::now();
        let known = asked(&open.target, &open.fields);
        let mut mock = Mock::new(Arc::clone(&self.role), script, since(clock), &known);
        let told = Told { path: &name, session };
        let handed = play(line, &mut mock, &told, &self.on_miss, clock, end).await;
        self.count(&name, |counts| {
            let Tally { matched, missed } = mock.tally();
            counts.tally.matched += matched;
            counts.tally.missed += missed;
            counts.forwarded += u64::from(handed.is_some());
        });
        if let (Some((line, body)), OnMiss::Forward(target)) = (handed, &self.on_miss) {
            hand_over(line, &body, target, &open, end).await;
        }
        Ok(())
    }

    /// A client that asks for a path that is not recorded.
    async fn unknown(&self, client: Client, end: &CancellationToken) -> anyhow::Result<()> {
        let (peer, name) = (&client.open.client, path(&client.open.target));
        locked(&self.served).unknown += 1;
        let OnMiss::Forward(target) = &self.on_miss else {
            tracing::warn!(peer, path = ?name, "answered 404: no session of this path is recorded");
            client.refuse(404, &[]).await;
            return Ok(());
        };
        tracing::warn!(peer, path = ?name, "forwarded: no session of this path is recorded");
        let opened = tokio::select! {
            opened = target.open(&client.open) => opened,
            () = end.cancelled() => return Ok(()),
        };
        match opened {
            Ok(Opened::Open(accepted)) => {
                let line = self.in_time(client.accept(&accepted.fields), end).await?;
                relay(line, accepted.into_line(), end).await;
            }
            Ok(Opened::Refused(status, fields)) => client.refuse(status, &fields).await,
            Err(error) => {
                tracing::warn!("cannot forward: {error:#}");
                client.refuse(502, &[]).await;
            }
        }
        Ok(())
    }

    /// A part of an opening handshake, which may not take for ever.
    async fn in_time<T>(
        &self,
        part: impl Future<Output = anyhow::Result<T>>,
        end: &CancellationToken,
    ) -> anyhow::Result<T> {
        tokio::select! {
            done = timeout(self.limit, part) => done.context("no handshake in time")?,
            () = end.cancelled() => bail!("the end came before"),
        }
    }

    /// What was served until now, and whether that is a failure.
    pub(crate) fn served(&self) -> (Served, bool) {
        let served = locked(&self.served).clone();
        let missed = served.paths.values().any(|counts| counts.tally.missed > 0);
        let is_failure = matches!(self.on_miss, OnMiss::Error) && (missed || served.unknown > 0);
        (served, is_failure)
    }

    fn count(&self, name: &str, count: impl FnOnce(&mut Counts)) {
        count(locked(&self.served).paths.entry(name.to_owned()).or_default());
    }
}

/// What is said of a session in the log.
struct Told<'a> {
    path: &'a str,
    session: u64,
}

/// Plays the server to a client, to the end or to a message that another server is to have.
async fn play(
    mut line: Line,
    mock: &mut Mock,
    told: &Told<'_>,
    on_miss: &OnMiss,
    clock: Instant,
    end: &CancellationToken,
) -> Option<(Line, Body)> {
    // Until when the client is waited for, once the end was ordered.
    let mut limit: Option<Instant> = None;
    loop {
        while let Some(heard) = line.hear() {
            match heard {
                Heard::Message(body) => {
                    let Some(miss) = mock.heard(since(clock), &body) else { continue };
                    // More are only counted, or a client could fill a disk.
                    if mock.tally().missed <= MOST_FINDINGS as u64 {
                        log(told, &miss);
                    }
                    match on_miss {
                        OnMiss::Nearest | OnMiss::Error => {}
                        OnMiss::Close => mock.end(POLICY),
                        OnMiss::Forward(_) => return Some((line, body)),
                    }
                }
                Heard::Ended(_) => mock.ended(),
            }
        }
        let mut until = u64::MAX;
        while line.has_room() || mock.is_over() {
            match mock.next(since(clock)) {
                Next::Say(body) => line.say(&body),
                Next::Leave(code) => line.leave(code, mock.reason()),
                Next::Wait(time) => {
                    until = time;
                    break;
                }
                // A mock asks nobody.
                Next::Ask(_) => break,
                Next::Done => {
                    line.part().await;
                    return None;
                }
            }
        }
        let until = at(clock, until);
        let until = limit.map_or(until, |limit| until.min(limit));
        tokio::select! {
            biased;
            () = end.cancelled(), if limit.is_none() => {
                limit = Some(Instant::now() + PARTING);
                mock.end(close_code::GOING_AWAY);
            }
            ended = line.step(until, true) => {
                // A client that does not read can be told nothing.
                let is_late = limit.is_some_and(|limit| Instant::now() >= limit);
                if ended.is_some() || is_late && !line.has_room() {
                    mock.ended();
                }
            }
        }
    }
}

/// Hands a client over to another server, from this message on.
async fn hand_over(
    mut line: Line,
    body: &Body,
    target: &Target,
    open: &Open,
    end: &CancellationToken,
) {
    let opened = tokio::select! {
        opened = target.open(open) => opened,
        () = end.cancelled() => {
            line.leave(Some(close_code::GOING_AWAY), "");
            return line.part().await;
        }
    };
    let why = match opened {
        Ok(Opened::Open(accepted)) => {
            let mut server = accepted.into_line();
            server.say(body);
            return relay(line, server, end).await;
        }
        Ok(Opened::Refused(status, _)) => format!("answered with {status}"),
        Err(error) => format!("{error:#}"),
    };
    tracing::warn!("cannot forward: {why}");
    line.leave(Some(UNEXPECTED), "");
    line.part().await;
}

fn log(told: &Told<'_>, miss: &Miss) {
    let Told { path, session } = told;
    let Some((place, differences)) = &miss.nearest else {
        tracing::warn!(path, session, text = ?miss.text, "not expected: nothing more is recorded");
        return;
    };
    let differs: Vec<_> = differences
        .iter()
        .map(|difference| {
            let said =
                |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
            let (then, now) = (said(&difference.expected), said(&difference.actual));
            format!("{}: {now} instead of {then}", difference.path)
        })
        .collect();
    let (number, differs) = (place.number, differs.join("; "));
    tracing::warn!(path, session, text = ?miss.text, nearest = number, ?differs, "not expected");
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
