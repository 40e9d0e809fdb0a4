//! What comes before a client's first request: whether it is let in, whom a front proxy brings,
//! Flash's question, TLS. All of it and the head of the request have one deadline.

use super::admission::Place;
use super::listen::Accepted;
use super::listener::Listener;
use super::proxy_protocol::{self, Header, Stray};
use super::stream::{Conduit, PARTING, Stream, linger};
use super::{Arrival, Hop, Peer, TurnedAway, flash};
use crate::config::listener::FlashPolicy;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Why there is nobody to serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoArrival {
    #[error(transparent)]
    TurnedAway(#[from] TurnedAway),
    #[error(transparent)]
    ProxyHeader(#[from] proxy_protocol::Fault),
    #[error(transparent)]
    Stray(#[from] Stray),
    #[error("malformed policy request")]
    PolicyRequest,
    #[error("asked for the Flash policy")]
    Policy,
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("handshake not finished in time")]
    Timeout,
    #[error("client left without a word")]
    Left,
    #[error("connection lost: {0}")]
    Lost(#[from] io::Error),
}

/// What a connection goes on with.
enum Greeting<'a> {
    Request,
    Tls(&'a TlsAcceptor),
    /// A request where TLS is expected.
    NoTls,
}

impl Listener {
    /// Does what comes before the first request.
    ///
    /// # Errors
    /// With the reason why there will be none, which is in the log.
    pub(crate) async fn arrive(
        &self,
        accepted: Accepted,
        place: &mut Place,
    ) -> Result<Arrival, NoArrival> {
        let mut peer = accepted.peer;
        let arrived = self.receive(accepted, place, &mut peer).await;
        match &arrived {
            Ok(Arrival { turned_away: Some(reason), .. }) => {
                self.tell_refusal(peer, Some(reason.status()), &(*reason).into());
            }
            Ok(_) => {}
            Err(reason) => self.tell_refusal(peer, None, reason),
        }
        arrived
    }

    /// The same, with `client` set to whom a front proxy has brought.
    async fn receive(
        &self,
        accepted: Accepted,
        place: &mut Place,
        client: &mut Peer,
    ) -> Result<Arrival, NoArrival> {
        let deadline = Instant::now() + self.settings.handshake_timeout.0;
        let Accepted { mut conduit, peer } = accepted;
        conduit.set_nodelay()?;
        let mut hop = self.hop(&conduit, peer)?;
        let entered = in_time(deadline, self.enter(&mut conduit, &mut hop, place)).await;
        *client = hop.peer;
        let (mut turned_away, mut early) = (None, Vec::new());
        let greeting = match entered {
            Ok(()) => self.greet(&mut conduit, &hop, &mut early, deadline).await?,
            Err(NoArrival::TurnedAway(reason)) if self.can_tell(place) => {
                turned_away = Some(reason);
                Greeting::Request
            }
            Err(reason) => return Err(reason),
        };
        let stream = match greeting {
            Greeting::Request => Stream::Plain(conduit),
            Greeting::NoTls => {
                turned_away = Some(TurnedAway::NoTls);
                Stream::Plain(conduit)
            }
            Greeting::Tls(acceptor) => {
                let stream = begin_tls(acceptor, conduit, deadline).await?;
                hop.secure = true;
                Stream::Tls(Box::new(stream.into()))
            }
        };
        Ok(Arrival { stream, hop, early, deadline, turned_away })
    }

    /// The connection as the system has it.
    fn hop(&self, conduit: &Conduit, peer: Peer) -> io::Result<Hop> {
        let settings = &self.settings;
        let trusted = settings.trusts(peer.ip());
        let local = match conduit {
            Conduit::Tcp(stream) => stream.local_addr()?.into(),
            Conduit::Unix(_) => Peer::Unix,
        };
        Ok(Hop { listener: Arc::clone(settings), peer, local, secure: false, trusted })
    }

    /// Learns whom a front proxy brings, and lets the client in.
    async fn enter(
        &self,
        conduit: &mut Conduit,
        hop: &mut Hop,
        place: &mut Place,
    ) -> Result<(), NoArrival> {
        if place.is_over_limit() {
            return Err(TurnedAway::Full.into());
        }
        // A front proxy is many clients, and counts as none.
        let mut address = hop.peer.ip().filter(|_| !hop.trusted);
        if self.settings.proxy_protocol && hop.trusted {
            let Header { ends, secure } = read_proxy_header(conduit).await?;
            hop.secure = secure;
            if let Some(ends) = ends {
                (hop.peer, hop.local) = (ends.source, ends.destination);
                address = hop.peer.ip();
            }
            // What the front passes on is the word of whom it brings, be it nobody.
            hop.trusted = ends.is_some() && self.settings.trusts(hop.peer.ip());
        }
        let now = Instant::now().into_std();
        Ok(self.admission.admit(&self.settings, address, place, now)?)
    }

    /// Whether a client can be told that it is turned away: not before a TLS handshake, which would
    /// cost what a flood is to cost us, and not if many are being told.
    fn can_tell(&self, place: &mut Place) -> bool {
        self.tls.is_none() && self.admission.tell(place)
    }

    /// Looks how the connection begins, where that decides something, and answers Flash's question.
    async fn greet(
        &self,
        conduit: &mut Conduit,
        hop: &Hop,
        early: &mut Vec<u8>,
        deadline: Instant,
    ) -> Result<Greeting<'_>, NoArrival> {
        let (tls, flash_policy) = (self.tls.as_ref(), &self.settings.flash_policy);
        if tls.is_none() && flash_policy.is_none() {
            return Ok(Greeting::Request);
        }
        let mut seen = [0; 16];
        let start = in_time(deadline, start_of(conduit, &mut seen)).await;
        if let Some(policy) = flash_policy
            && start.as_ref().is_ok_and(|start| flash::is_likely(start))
        {
            match in_time(deadline, take_start(conduit, early, flash::parse)).await {
                Ok(()) => {
                    drop(timeout(PARTING, answer_flash(conduit, policy, hop.local)).await);
                    return Err(NoArrival::Policy);
                }
                Err(reason) if tls.is_some() => return Err(reason),
                Err(_) => {}
            }
        }
        match (tls, start) {
            // Who reads the request finds the same faults, and knows what to answer.
            (None, _) => Ok(Greeting::Request),
            (Some(_), Err(reason)) => Err(reason),
            (Some(acceptor), Ok(start)) => match (proxy_protocol::stray(start, hop), start) {
                (Some(stray), _) => Err(stray.into()),
                // No record of TLS begins so, and the client understands a plain answer.
                (None, [first, ..]) if first.is_ascii_alphabetic() => Ok(Greeting::NoTls),
                (None, _) => Ok(Greeting::Tls(acceptor)),
            },
        }
    }

    /// Says why a client comes to nothing; of a flood only some lines.
    fn tell_refusal(&self, peer: Peer, status: Option<u16>, reason: &NoArrival) {
        let listener = &*self.settings.name;
        match reason {
            // Port scans and health checks connect and leave.
            NoArrival::Left => tracing::debug!(%peer, listener, %reason, "handshake refused"),
            NoArrival::Policy => tracing::debug!(%peer, listener, "Flash policy told"),
            _ => {
                let over_limit =
                    matches!(reason, NoArrival::TurnedAway(reason) if reason.status() == 503);
                let line = || match over_limit {
                    true => {
                        tracing::warn!(%peer, listener, status, %reason, "handshake refused");
                    }
                    false => {
                        tracing::info!(%peer, listener, status, %reason, "handshake refused");
                    }
                };
                let settings = Arc::clone(&self.settings);
                self.admission.refusals.say(line, move |more| {
                    tracing::warn!(listener = settings.name, more, "more handshakes refused");
                });
            }
        }
    }
}

/// Reads the header of a front proxy, and not a byte more.
async fn read_proxy_header(conduit: &mut Conduit) -> Result<Header, NoArrival> {
    take_start(conduit, &mut Vec::new(), proxy_protocol::parse).await
}

/// Waits for the first bytes, and leaves them there.
async fn start_of<'a>(conduit: &Conduit, seen: &'a mut [u8]) -> Result<&'a [u8], NoArrival> {
    // A reset is how many a health check leaves.
    let count = conduit.peek(seen).await.map_err(|_| NoArrival::Left)?;
    match seen.get(..count) {
        Some(start) if count > 0 => Ok(start),
        _ => Err(NoArrival::Left),
    }
}

/// Takes what `parse` finds at the start of a connection, which tells its length, and leaves what
/// follows. What is found to be something else stays too, but for what is in `taken` by then.
///
/// Bytes are looked at before they are taken, because those behind a header can be TLS, which reads
/// them from the socket itself.
async fn take_start<T, E: Into<NoArrival>>(
    conduit: &mut Conduit,
    taken: &mut Vec<u8>,
    parse: impl Fn(&[u8]) -> Result<Option<(T, usize)>, E>,
) -> Result<T, NoArrival> {
    loop {
        let mut ahead = [0; 512];
        let count = match conduit.peek(&mut ahead).await {
            Ok(0) | Err(_) if taken.is_empty() => return Err(NoArrival::Left),
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            count => count?,
        };
        let ahead = ahead.get_mut(..count).unwrap_or_default();
        let before = taken.len();
        taken.extend_from_slice(ahead);
        let parsed = parse(taken);
        // As long as it goes on, all that is there is of it.
        let whole = match &parsed {
            Ok(Some((_, len))) => *len,
            Ok(None) => taken.len(),
            Err(_) => before,
        };
        taken.truncate(whole);
        let len = whole.saturating_sub(before).min(ahead.len());
        let (of_it, _) = ahead.split_at_mut(len);
        conduit.read_exact(of_it).await?;
        if let Some((found, _)) = parsed.map_err(Into::into)? {
            return Ok(found);
        }
    }
}

impl From<flash::NoPolicyRequest> for NoArrival {
    fn from(_: flash::NoPolicyRequest) -> Self {
        Self::PolicyRequest
    }
}

async fn begin_tls(
    acceptor: &TlsAcceptor,
    conduit: Conduit,
    deadline: Instant,
) -> Result<TlsStream<Conduit>, NoArrival> {
    match timeout_at(deadline, acceptor.accept(conduit).into_fallible()).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err((error, mut conduit))) => {
            // The alert is on its way; see `linger`.
            drop(timeout(PARTING, linger(&mut conduit)).await);
            Err(NoArrival::Tls(error))
        }
        Err(_) => Err(NoArrival::Timeout),
    }
}

async fn answer_flash(conduit: &mut Conduit, policy: &FlashPolicy, local: Peer) -> io::Result<()> {
    conduit.write_all(&flash::answer(policy, local)).await?;
    linger(conduit).await
}

async fn in_time<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, NoArrival>>,
) -> Result<T, NoArrival> {
    timeout_at(deadline, work).await.unwrap_or(Err(NoArrival::Timeout))
}
