//! The opening of one connection: the client's handshake, the backend's, and the answer.

use super::Service;
use super::backend::{NoBackend, Opened};
use super::refuse::{linger, write_refusal};
use super::report::path;
use crate::dialect::Dialect;
use crate::dialect::hixie::keys::{self, KEY3_LEN};
use crate::dialect::opening;
use crate::event::{Side, Sides};
use crate::handshake::{Failure, Field, Offer, Proof, Refusal};
use crate::limits::Millis;
use crate::watch::{ConnectionId, Watched};
use crate::wire::head;
use crate::worker::load::Place;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Why a client gets no session.
#[derive(Debug, thiserror::Error)]
enum NoSession {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Backend(#[from] NoBackend),
    #[error("handshake not finished in time")]
    Timeout,
    #[error("too many connections")]
    TooMany,
    #[error("shutting down")]
    Leaving,
    #[error("client left during the handshake")]
    Left,
    #[error("connection lost during the handshake: {0}")]
    Lost(#[from] io::Error),
}

/// A client and its backend behind both opening handshakes.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) peer: SocketAddr,
    /// The path of the request.
    pub(crate) path: Box<str>,
    pub(crate) dialects: Sides<Dialect>,
    pub(crate) streams: Sides<std::net::TcpStream>,
    /// What each side said right behind its handshake.
    pub(crate) early: Sides<Vec<u8>>,
    pub(crate) place: Place,
}

/// Opens a connection, or tells the client why not.
pub(crate) async fn open(
    service: &Service,
    mut stream: TcpStream,
    id: ConnectionId,
    peer: SocketAddr,
    place: Place,
) -> Option<Connection> {
    let watched = Watched { id, watcher: service.watcher.as_deref() };
    watched.opened(peer);
    let buffer = Vec::with_capacity(1024);
    let mut client = Client { peer, watched, buffer, told: None, answered: false };
    let opened = tokio::select! {
        opened = client.open(service, &mut stream, &place) => opened,
        () = service.leaving.cancelled() => Err(NoSession::Leaving),
    };
    let (offer, dialect, backend) = match opened {
        Ok(opened) => opened,
        Err(reason) => {
            client.refuse(service, &mut stream, &reason).await;
            watched.ended();
            return None;
        }
    };
    tracing::debug!(%peer, client = %dialect, backend = %backend.dialect, "session opened");
    let streams = stream
        .into_std()
        .and_then(|client| backend.stream.into_std().map(|backend| Sides { client, backend }));
    match streams {
        Ok(streams) => Some(Connection {
            id,
            peer,
            path: path(&offer.target).into(),
            dialects: Sides { client: dialect, backend: backend.dialect },
            streams,
            early: Sides { client: client.buffer, backend: backend.early },
            place,
        }),
        Err(error) => {
            tracing::warn!(%peer, %error, "connection dropped");
            watched.ended();
            None
        }
    }
}

/// A client during its handshake.
struct Client<'w> {
    peer: SocketAddr,
    watched: Watched<'w>,
    /// What it sent and what is not yet used.
    buffer: Vec<u8>,
    /// What it asked for, once that is known.
    told: Option<(Dialect, String)>,
    /// Whether a 101 has gone out, so that no other status can.
    answered: bool,
}

impl Client<'_> {
    async fn open(
        &mut self,
        service: &Service,
        stream: &mut TcpStream,
        place: &Place,
    ) -> Result<(Offer, Dialect, Opened), NoSession> {
        if place.over_limit() {
            return Err(NoSession::TooMany);
        }
        // A frame that is ready has nothing to wait for.
        stream.set_nodelay(true)?;
        let limits = &service.settings.limits;
        let head = self.read_head(stream, limits.head);
        let (dialect, offer) = within(limits.handshake, head).await??;
        self.told = Some((dialect, path(&offer.target)));
        self.watched.speaks(Side::Client, dialect);
        if !service.settings.accept.contains(&dialect) {
            return Err(Refusal::NotAccepted.into());
        }
        let backend = service.backend.open(&service.settings, &offer, self.watched);
        let backend = match within(limits.backend_handshake, backend).await {
            Ok(opened) => opened?,
            Err(_) => return Err(NoBackend::Timeout.into()),
        };
        let mut answer = Vec::with_capacity(512);
        // Listeners speak plain TCP, so that Location says ws.
        opening::write_answer(dialect, &offer, &backend.answer, false, &mut answer);
        within(limits.handshake, self.answer(stream, answer, &offer.proof)).await??;
        Ok((offer, dialect, backend))
    }

    /// Reads the head; what comes behind it stays in the buffer.
    async fn read_head(
        &mut self,
        stream: &mut TcpStream,
        limit: usize,
    ) -> Result<(Dialect, Offer), NoSession> {
        let mut searched = 0;
        let end = loop {
            // No method begins otherwise; this also finds TLS on a port that is none.
            if self.buffer.first().is_some_and(|first| !first.is_ascii_alphabetic()) {
                return Err(Refusal::Head(head::Fault::StartLine).into());
            }
            match head::end(&self.buffer, searched) {
                Some(end) if end <= limit => break end,
                None if self.buffer.len() < limit => {}
                _ => return Err(Refusal::HeadTooLong.into()),
            }
            searched = self.buffer.len();
            self.read(stream).await?;
        };
        let behind = self.buffer.split_off(end);
        let head = std::mem::replace(&mut self.buffer, behind);
        Ok(opening::read_offer(&head)?)
    }

    /// Answers. Without key3, which a front proxy may withhold until it sees the 101, the head goes
    /// ahead and the 16 bytes follow key3.
    async fn answer(
        &mut self,
        stream: &mut TcpStream,
        mut answer: Vec<u8>,
        proof: &Proof,
    ) -> Result<(), NoSession> {
        self.answered = true;
        if let Proof::Keys(parts) = *proof {
            if self.buffer.len() < KEY3_LEN {
                self.watched.written(Side::Client, &answer);
                stream.write_all(&answer).await?;
                answer.clear();
            }
            let key3 = loop {
                if let Some(key3) = self.buffer.first_chunk::<KEY3_LEN>() {
                    break *key3;
                }
                self.read(stream).await?;
            };
            self.buffer.drain(..KEY3_LEN);
            answer.extend(keys::answer(parts, key3));
        }
        self.watched.written(Side::Client, &answer);
        Ok(stream.write_all(&answer).await?)
    }

    /// Reads once into the buffer.
    async fn read(&mut self, stream: &mut TcpStream) -> Result<(), NoSession> {
        let count = stream.read_buf(&mut self.buffer).await?;
        if count == 0 {
            return Err(NoSession::Left);
        }
        self.watched.read(Side::Client, newest(&self.buffer, count));
        Ok(())
    }

    async fn refuse(&self, service: &Service, stream: &mut TcpStream, reason: &NoSession) {
        let status = reason.status().filter(|_| !self.answered);
        self.log(reason, status);
        let mut response = Vec::new();
        if let Some(status) = status {
            let accept = &service.settings.accept;
            write_refusal(status, &reason.fields(), accept, reason.text(), &mut response);
        }
        self.watched.written(Side::Client, &response);
        // The client may be gone; then there is no one left to tell.
        let parting = async {
            stream.write_all(&response).await?;
            linger(stream).await
        };
        drop(within(service.settings.limits.linger, parting).await);
    }

    fn log(&self, reason: &NoSession, status: Option<u16>) {
        let (dialect, path) = match &self.told {
            Some((dialect, path)) => (Some(dialect.name()), Some(path.as_str())),
            None => (None, None),
        };
        let peer = self.peer;
        match reason {
            NoSession::Backend(_) | NoSession::TooMany => {
                tracing::warn!(%peer, dialect, path, status, %reason, "handshake refused");
            }
            // Port scans and health checks connect and leave.
            NoSession::Left if self.buffer.is_empty() && self.told.is_none() => {
                tracing::debug!(%peer, %reason, "handshake refused");
            }
            _ => tracing::info!(%peer, dialect, path, status, %reason, "handshake refused"),
        }
    }
}

impl NoSession {
    /// The HTTP status that tells the client; `None` where there is no one to tell.
    const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status()),
            Self::Backend(reason) => Some(reason.status()),
            Self::Timeout => Some(408),
            Self::TooMany | Self::Leaving => Some(503),
            Self::Left | Self::Lost(_) => None,
        }
    }

    /// What the client is told; of the backend only that it is its fault, the rest is in the log.
    fn text(&self) -> Option<String> {
        match self {
            Self::Backend(_) => None,
            _ => Some(self.to_string()),
        }
    }

    /// What of a backend's refusal goes on to the client: all but what describes its body.
    fn fields(&self) -> Vec<Field> {
        match self {
            Self::Backend(NoBackend::Failure(Failure::Status { fields, .. }))
                if !matches!(self.status(), Some(502)) =>
            {
                let about_body = |name: &str| name.to_ascii_lowercase().starts_with("content-");
                fields.iter().filter(|(name, _)| !about_body(name)).cloned().collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The bytes that were read last.
pub(super) fn newest(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(bytes.len() - count..).unwrap_or_default()
}

async fn within<T>(limit: Millis, work: impl Future<Output = T>) -> Result<T, NoSession> {
    timeout(Duration::from_millis(limit), work).await.map_err(|_| NoSession::Timeout)
}
