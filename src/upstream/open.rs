//! A session with a backend: the opening handshake, in the dialect that is configured or found out.

use super::announce::Ends;
use super::{Lease, Member, Pool, Seeker};
use crate::config::values::{BackendDialect, HostPolicy, Period};
use crate::dialect::hybi::deflate::Compression;
use crate::dialect::opening::{ClientOpening, suggests_older};
use crate::dialect::{self, Agreement, Dialect};
use crate::event::Side;
use crate::handshake::{Answer, Failure, Offer, Refusal};
use crate::net::stream::Stream;
use crate::watch::Watched;
use rand::Rng;
use std::io;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

/// A backend that has accepted a session.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) agreed: Agreement,
    pub(crate) answer: Answer,
    /// What it said right behind its answer.
    pub(crate) early: Vec<u8>,
    pub(crate) lease: Lease,
}

/// The same, before it is known whose place it takes.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) agreed: Agreement,
    answer: Answer,
    early: Vec<u8>,
}

/// Why there is no session with the backend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoBackend {
    #[error("backend: no server is up")]
    Down,
    #[error("backend: queue full")]
    QueueFull,
    #[error("backend: waited too long in the queue")]
    QueueTimeout,
    #[error("backend: cannot resolve {host}: {error}")]
    Unresolved { host: String, error: String },
    #[error("backend: cannot connect: {0}")]
    Connect(io::Error),
    #[error("no socket left for the backend: {0}")]
    Starved(io::Error),
    #[error("backend: no connection in time")]
    ConnectTimeout,
    #[error("backend: TLS: {0}")]
    Tls(io::Error),
    #[error("backend: connection lost during the handshake: {0}")]
    Lost(io::Error),
    #[error("backend: no answer in time")]
    Timeout,
    #[error("backend: {0}")]
    Broken(hyper::Error),
    #[error("backend: not certain where its response ends")]
    Ambiguous,
    #[error("backend: 101 to a request that is no opening")]
    Upgrade,
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error("{0} for this backend")]
    Unsayable(#[from] Refusal),
}

/// Whose doing an opening was that came to nothing.
pub(super) enum Blame {
    /// The server does not work.
    Server,
    /// The server works, and has refused.
    Nobody,
    /// The server was not asked, be it by the client's fault or by ours.
    Unasked,
}

impl NoBackend {
    /// The HTTP status that tells the client (RFC 9110 section 15.6).
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::Down | Self::QueueFull | Self::QueueTimeout | Self::Starved(_) => 503,
            Self::Timeout | Self::ConnectTimeout => 504,
            Self::Unsayable(refusal) => refusal.status(),
            // These speak of our request, which is not the client's.
            Self::Failure(Failure::Status { status: 304 | 400 | 426 | 501, .. }) => 502,
            Self::Failure(Failure::Status { status: status @ 300..=599, .. }) => *status,
            Self::Unresolved { .. }
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Lost(_)
            | Self::Broken(_)
            | Self::Ambiguous
            | Self::Upgrade
            | Self::Failure(_) => 502,
        }
    }

    pub(super) fn blame(&self) -> Blame {
        match self {
            Self::Down
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::Starved(_)
            | Self::Unsayable(_) => Blame::Unasked,
            Self::Failure(Failure::Status { status: 502..=504, .. } | Failure::End { .. }) => {
                Blame::Server
            }
            Self::Failure(_) => Blame::Nobody,
            // An answer that cannot be read is one.
            Self::Broken(error) if error.is_parse() => Blame::Nobody,
            Self::Unresolved { .. }
            | Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Tls(_)
            | Self::Lost(_)
            | Self::Broken(_)
            | Self::Ambiguous
            | Self::Upgrade
            | Self::Timeout => Blame::Server,
        }
    }
}

/// What a session is asked for with.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) offer: &'a Offer,
    pub(crate) host: &'a HostPolicy,
    /// The longest head of an answer, in bytes.
    pub(crate) head: usize,
    /// From the first connection attempt to the answer.
    pub(crate) limit: Period,
    /// Whether messages are to be compressed.
    pub(crate) compression: Compression,
    pub(crate) watched: Watched<'a>,
}

impl Pool {
    /// Connects and does the opening handshake, in the dialect that is configured or found out.
    ///
    /// # Errors
    /// When the backend cannot be reached or does not accept.
    pub(crate) async fn open(
        &self,
        seeker: &Seeker<'_>,
        wanted: Wanted<'_>,
    ) -> Result<Opened, NoBackend> {
        let lease = self.lease(seeker).await?;
        let deadline = Instant::now() + wanted.limit.0;
        let (stream, lease) = self.reach(lease, seeker, deadline).await?;
        let handshake = lease.member().handshake(stream, Some(seeker.ends()), wanted);
        let accepted = timeout_at(deadline, handshake).await.unwrap_or(Err(NoBackend::Timeout));
        let accepted = accepted.inspect_err(|reason| lease.failed(reason));
        let Accepted { stream, agreed, mut answer, early } = accepted?;
        lease.member().succeeded();
        let cookie = lease.cookie().map(|cookie| ("Set-Cookie".to_owned(), cookie.into_bytes()));
        answer.fields.extend(cookie);
        Ok(Opened { stream, agreed, answer, early, lease })
    }
}

impl Member {
    /// Does the opening handshake on a new connection, and on further ones where an older dialect
    /// has to be tried.
    ///
    /// # Errors
    /// When the server does not accept.
    pub(super) async fn handshake(
        &self,
        stream: Stream,
        ends: Option<Ends>,
        wanted: Wanted<'_>,
    ) -> Result<Accepted, NoBackend> {
        let dialects = match &self.settings().dialect {
            BackendDialect::Fixed(dialect) => std::slice::from_ref(dialect),
            BackendDialect::Auto => &dialect::TRIED,
        };
        let offer = self.offer_as_seen(wanted);
        let known = self.known.load(Ordering::Relaxed);
        // What has worked comes first, then the others, newest first.
        let others = (0..dialects.len()).filter(|index| *index != known);
        let (mut unused, mut failed, mut proven) = (Some(stream), None, true);
        for index in std::iter::once(known).chain(others) {
            let Some(dialect) = dialects.get(index).copied() else {
                continue;
            };
            let mut request = Vec::with_capacity(1024);
            let mut keys = |bytes: &mut [u8]| rand::rng().fill_bytes(bytes);
            let how = wanted.compression;
            let opening = match ClientOpening::start(dialect, &offer, how, &mut keys, &mut request)
            {
                Ok(opening) => opening,
                // A subprotocol that one dialect cannot say, another may; which tells nothing of
                // the backend.
                Err(refusal) => {
                    proven = false;
                    failed = failed.or(Some(NoBackend::Unsayable(refusal)));
                    continue;
                }
            };
            let stream = match unused.take() {
                Some(stream) => stream,
                None => self.connect(ends).await?,
            };
            match ask(stream, dialect, opening, &request, wanted).await {
                Ok(accepted) => {
                    // What is known only ever becomes newer: no request of one client may make the
                    // proxy speak an older dialect for all.
                    if proven {
                        self.known.fetch_min(index, Ordering::Relaxed);
                    }
                    return Ok(accepted);
                }
                Err(NoBackend::Failure(failure)) if suggests_older(&failure) => {
                    tracing::debug!(%dialect, %failure, "backend speaks another dialect");
                    failed = failed.or(Some(NoBackend::Failure(failure)));
                }
                Err(other) => return Err(other),
            }
        }
        Err(failed.unwrap_or(NoBackend::Timeout))
    }

    fn offer_as_seen(&self, wanted: Wanted<'_>) -> Offer {
        let mut offer = wanted.offer.clone();
        match wanted.host {
            HostPolicy::Preserve => {}
            HostPolicy::Backend => offer.host = self.url().authority().into(),
            HostPolicy::Name(name) => offer.host = name.clone().into(),
        }
        offer
    }
}

/// Asks for a session in one dialect.
async fn ask(
    mut stream: Stream,
    dialect: Dialect,
    mut opening: ClientOpening,
    request: &[u8],
    wanted: Wanted<'_>,
) -> Result<Accepted, NoBackend> {
    let watched = wanted.watched;
    watched.speaks(Side::Backend, dialect);
    watched.written(Side::Backend, request);
    // Head and key3 in one write: some servers look for key3 in the segment of the head.
    stream.write_all(request).await.map_err(|error| lost(error, NoBackend::Lost))?;
    stream.flush().await.map_err(|error| lost(error, NoBackend::Lost))?;
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if let Some((answer, length)) = opening.read(&bytes)? {
            let early = bytes.split_off(length);
            return Ok(Accepted { stream, agreed: opening.agreement(), answer, early });
        }
        if bytes.len() >= wanted.head {
            return Err(Failure::HeadTooLong.into());
        }
        match stream.read_buf(&mut bytes).await {
            Ok(0) => return Err(opening.end(&bytes).into()),
            Ok(count) => watched.read(Side::Backend, newest(&bytes, count)),
            Err(_) if !bytes.is_empty() => return Err(opening.end(&bytes).into()),
            Err(error) => return Err(lost(error, NoBackend::Lost)),
        }
    }
}

/// A connection that the backend broke off before it said a word has ended like any other: so does
/// a server that does not know what it was asked.
pub(super) fn lost(error: io::Error, otherwise: fn(io::Error) -> NoBackend) -> NoBackend {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Failure::End { status: false }.into()
        }
        _ => otherwise(error),
    }
}

/// The bytes that were read last.
pub(crate) fn newest(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(bytes.len() - count..).unwrap_or_default()
}
