//! The backend: connecting to it, and finding out what it speaks.

use super::open::newest;
use crate::config::{HostPolicy, Settings};
use crate::dialect::opening::{ClientOpening, suggests_older};
use crate::dialect::{self, Dialect};
use crate::event::Side;
use crate::handshake::{Answer, Failure, Offer, Refusal};
use crate::watch::Watched;
use rand::Rng;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is known of the backend, by all workers.
#[derive(Debug)]
pub struct Backend {
    /// What may be tried, in order.
    dialects: Vec<Dialect>,
    /// The newest of them that has worked, an index; none yet when it is beyond the end.
    known: AtomicUsize,
}

/// A backend that has accepted a session.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) stream: TcpStream,
    pub(crate) dialect: Dialect,
    pub(crate) answer: Answer,
    /// What it said right behind its answer.
    pub(crate) early: Vec<u8>,
}

/// Why there is no session with the backend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoBackend {
    #[error("backend: cannot connect: {0}")]
    Connect(io::Error),
    #[error("backend: connection lost during the handshake: {0}")]
    Lost(io::Error),
    #[error("backend: no answer in time")]
    Timeout,
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error("{0} for this backend")]
    Unsayable(#[from] Refusal),
}

impl NoBackend {
    /// The HTTP status that tells the client (RFC 9110 section 15.6).
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::Timeout => 504,
            Self::Unsayable(refusal) => refusal.status(),
            // These speak of our request, which is not the client's.
            Self::Failure(Failure::Status { status: 304 | 400 | 426 | 501, .. }) => 502,
            Self::Failure(Failure::Status { status: status @ 300..=599, .. }) => *status,
            Self::Connect(_) | Self::Lost(_) | Self::Failure(_) => 502,
        }
    }
}

impl Backend {
    /// A backend of which nothing more is known than the settings say.
    pub fn new(settings: &Settings) -> Self {
        let dialects =
            settings.backend_dialect.map_or_else(|| dialect::ALL.to_vec(), |one| vec![one]);
        Self { dialects, known: AtomicUsize::new(usize::MAX) }
    }

    /// Connects and does the opening handshake, in the dialect that is configured or found out.
    ///
    /// # Errors
    /// When the backend cannot be reached or does not accept.
    pub(crate) async fn open(
        &self,
        settings: &Settings,
        offer: &Offer,
        watched: Watched<'_>,
    ) -> Result<Opened, NoBackend> {
        let offer = offer_as_seen(settings, offer);
        let known = self.known.load(Ordering::Relaxed);
        // What has worked comes first, then the others, newest first.
        let others = (0..self.dialects.len()).filter(|index| *index != known);
        let (mut failed, mut proven) = (None, true);
        for index in std::iter::once(known).chain(others) {
            let Some(dialect) = self.dialects.get(index).copied() else {
                continue;
            };
            match attempt(settings, dialect, &offer, watched).await {
                Ok(opened) => {
                    // What is known only ever becomes newer: no request of one client may make the
                    // proxy speak an older dialect for all.
                    if proven {
                        self.known.fetch_min(index, Ordering::Relaxed);
                    }
                    return Ok(opened);
                }
                Err(NoBackend::Failure(failure)) if suggests_older(&failure) => {
                    tracing::debug!(%dialect, %failure, "backend speaks another dialect");
                    failed = failed.or(Some(NoBackend::Failure(failure)));
                }
                // A subprotocol that one dialect cannot say, another may; which tells nothing of the
                // backend.
                Err(NoBackend::Unsayable(refusal)) => {
                    proven = false;
                    failed = failed.or(Some(NoBackend::Unsayable(refusal)));
                }
                Err(other) => return Err(other),
            }
        }
        Err(failed.unwrap_or(NoBackend::Timeout))
    }
}

fn offer_as_seen(settings: &Settings, offer: &Offer) -> Offer {
    let mut offer = offer.clone();
    match &settings.host {
        HostPolicy::Preserve => {}
        HostPolicy::Backend => offer.host = settings.backend.authority.clone().into(),
        HostPolicy::Name(name) => offer.host = name.clone().into(),
    }
    offer
}

async fn attempt(
    settings: &Settings,
    dialect: Dialect,
    offer: &Offer,
    watched: Watched<'_>,
) -> Result<Opened, NoBackend> {
    let url = &settings.backend;
    let mut request = Vec::with_capacity(1024);
    let mut keys = |bytes: &mut [u8]| rand::rng().fill_bytes(bytes);
    let mut opening = ClientOpening::start(dialect, offer, &mut keys, &mut request)?;
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await;
    let mut stream = stream.map_err(|error| lost(error, NoBackend::Connect))?;
    stream.set_nodelay(true).map_err(|error| lost(error, NoBackend::Connect))?;
    watched.speaks(Side::Backend, dialect);
    watched.written(Side::Backend, &request);
    // Head and key3 in one write: some servers look for key3 in the segment of the head.
    stream.write_all(&request).await.map_err(|error| lost(error, NoBackend::Lost))?;
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if let Some((answer, length)) = opening.read(&bytes)? {
            let early = bytes.split_off(length);
            return Ok(Opened { stream, dialect, answer, early });
        }
        if bytes.len() >= settings.limits.head {
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
fn lost(error: io::Error, otherwise: fn(io::Error) -> NoBackend) -> NoBackend {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Failure::End { status: false }.into()
        }
        _ => otherwise(error),
    }
}
