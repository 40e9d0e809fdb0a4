//! The opening of one connection: the client's handshake, the backend's, and the answer.

use super::client::{Asks, Client, Told};
use super::guard::{Denied, admit};
use super::http::plain::Plain;
use super::route::{Asked, Route};
use super::socket::Socket;
use super::unserved::Unserved;
use super::visible::visible;
use super::{Service, Shared, edit, http};
use crate::config::route::ClientKind;
use crate::config::values::Period;
use crate::dialect::detect::assumed;
use crate::dialect::{Agreement, Dialect, opening};
use crate::event::{Side, Sides};
use crate::handshake::{Failure, Field, Headers, Offer, Subprotocols, first};
use crate::net::admission::Place;
use crate::net::options;
use crate::net::stream::Stream;
use crate::net::{Arrival, Hop};
use crate::quirk::{Quirk, Quirks};
use crate::telemetry::{Identity, Present, Telemetry};
use crate::upstream::open::{NoBackend, Opened, Wanted, newest};
use crate::upstream::{Lease, Seeker};
use crate::watch::{ConnectionId, Watched};
use rand::Rng;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout, timeout_at};

/// The most that is read of what a client says before its session is open, in bytes: key3 and the
/// first messages of a client that does not wait. The rest waits in its socket.
const MAX_EARLY: usize = 16 << 10;

/// A client and its backend behind both opening handshakes.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) route: Arc<Route>,
    pub(crate) identity: Identity,
    pub(crate) agreed: Sides<Agreement>,
    /// The quirks that were used.
    pub(crate) used: Quirks,
    pub(crate) streams: Sides<Socket>,
    /// What each side said right behind its handshake.
    pub(crate) early: Sides<Vec<u8>>,
    pub(crate) place: Place,
    pub(crate) lease: Lease,
    /// By these the client and its session are counted.
    pub(crate) client: Present,
    pub(crate) session: Present,
}

/// What has come of it.
enum Next {
    Session(Session),
    Plain(Plain),
}

/// Opens a connection, or tells the client why not.
pub(crate) async fn open(
    shared: &Shared,
    arrival: Arrival,
    id: ConnectionId,
    place: Place,
    present: Present,
) -> Option<Connection> {
    let Arrival { stream, hop, early, deadline, turned_away } = arrival;
    let mut client = Client {
        id,
        hop,
        stream,
        buffer: early,
        deadline,
        turned_away,
        watcher: shared.watcher.clone(),
        told: None,
        route: None,
        answered: false,
        present,
    };
    client.watched().opened(client.hop.peer);
    loop {
        let opened = tokio::select! {
            opened = client.open(shared) => opened,
            () = shared.leaving.cancelled() => Err(Unserved::Leaving),
        };
        match opened {
            Ok(Next::Session(session)) => {
                return client.into_connection(session, place, &shared.telemetry);
            }
            Ok(Next::Plain(plain)) => {
                // In a box, for its future is larger than that of an opening.
                client = Box::pin(http::serve(shared, client, plain)).await?;
                client.deadline = Instant::now() + client.hop.listener.handshake_timeout.0;
            }
            Err(reason) => {
                client.refuse(&reason, &shared.telemetry).await;
                client.watched().ended();
                return None;
            }
        }
    }
}

/// The subprotocol that a client insists on, be it chosen or not: a Hixie client on its own string, others
/// on one of their list.
fn echo(subprotocols: &Subprotocols, dialect: Dialect) -> Option<&[u8]> {
    let wanted = subprotocols.opaque()?;
    match dialect {
        Dialect::Hixie(_) => Some(wanted),
        Dialect::Hybi(_) => {
            wanted.split(|byte| b" ,".contains(byte)).find(|token| !token.is_empty())
        }
    }
}

/// A session whose two handshakes are done.
struct Session {
    agreed: Agreement,
    route: Arc<Route>,
    backend: Opened,
    used: Quirks,
}

impl Client {
    /// Takes the next request, and opens the session that it asks for.
    async fn open(&mut self, shared: &Shared) -> Result<Next, Unserved> {
        if let Some(reason) = self.turned_away {
            self.show(0..self.buffer.len());
            return Err(reason.into());
        }
        let listener = Arc::clone(&self.hop.listener);
        let deadline = self.deadline;
        let head = timeout_at(deadline, self.read_head(listener.max_head.bytes()));
        let mut used = Quirks::NONE;
        let (dialect, mut offer) = match head.await.map_err(|_| Unserved::Timeout)?? {
            Asks::Session(dialect, offer) => (dialect, offer),
            Asks::Either(_, dialect, offer) if self.means(shared, dialect, &offer) => {
                used.insert(Quirk::MissingConnection);
                self.show(0..self.buffer.len());
                (dialect, offer)
            }
            Asks::Plain(plain) | Asks::Either(plain, ..) => return Ok(Next::Plain(plain)),
        };
        let seen = visible(&self.hop, &offer.host, &offer.fields);
        let hop = self.hop.clone();
        // From here on, for the log and the backend, the client is who it is behind its proxies.
        self.hop.peer = seen.client;
        let (dialect, route) = self.admitted(&shared.service(), dialect, &offer, &hop)?;
        let pool = route.pool(&offer.host, &offer.target)?;
        // What the client is answered, it is answered in its own terms.
        let asked = Offer { host: seen.host, ..offer.clone() };
        edit::request(
            &route,
            &mut edit::Request {
                hop: &hop,
                host: &offer.host,
                target: &mut offer.target,
                headers: &mut offer.fields,
            },
        );
        if let (Some(told), Some(name)) = (&mut self.told, &route.settings.request_id) {
            told.request_id = first(&offer.fields, name);
        }
        let quirks = route.policy.quirks;
        if let Some(origin) = &route.settings.origin_header {
            offer.origin = Some(origin.clone().into());
        } else if offer.origin.is_none() && quirks.contains(Quirk::MissingOrigin) {
            used.insert(Quirk::MissingOrigin);
            let scheme = if seen.secure { &b"https://"[..] } else { b"http://" };
            offer.origin = Some([scheme, &asked.host].concat());
        }
        let seeker = Seeker {
            peer: seen.client,
            local: hop.local,
            secure: seen.secure,
            headers: &asked.fields,
        };
        let watched = Watched { id: self.id, watcher: self.watcher.as_deref() };
        let wanted = Wanted {
            offer: &offer,
            host: &route.settings.host_header,
            head: listener.max_head.bytes(),
            limit: route.settings.limits.backend_handshake,
            compression: route.settings.compression(Side::Backend),
            watched,
        };
        let opened = tokio::select! {
            opened = pool.open(&seeker, wanted) => opened,
            gone = gone(&mut self.stream, &mut self.buffer, watched) => return Err(gone),
        };
        let mut backend = opened.map_err(|mut error| {
            if let NoBackend::Failure(Failure::Status { fields, .. }) = &mut error {
                edit::response(&route, fields);
            }
            error
        })?;
        edit::response(&route, &mut backend.answer.fields);
        if backend.answer.subprotocol.is_none()
            && quirks.contains(Quirk::EchoSubprotocol)
            && let Some(wanted) = echo(&asked.subprotocols, dialect)
        {
            used.insert(Quirk::EchoSubprotocol);
            backend.answer.subprotocol = Some(wanted.to_owned());
        }
        let mut answer = Vec::with_capacity(512);
        let mut keys = |bytes: &mut [u8]| rand::rng().fill_bytes(bytes);
        let compression = route.settings.compression(Side::Client);
        let (secure, given) = (seen.secure, &backend.answer);
        let agreed = opening::write_answer(
            dialect,
            &asked,
            given,
            secure,
            compression,
            &mut keys,
            &mut answer,
        );
        within(listener.handshake_timeout, self.answer(answer, &asked.proof)).await??;
        Ok(Next::Session(Session { agreed, route, backend, used }))
    }

    /// Whether a client that left out `Connection: Upgrade` means it, by the word of its route.
    fn means(&self, shared: &Shared, dialect: Dialect, offer: &Offer) -> bool {
        let asked = Asked {
            hop: &self.hop,
            host: &offer.host,
            target: &offer.target,
            client: ClientKind::WebSocket(dialect),
            headers: &distinguishing(offer),
        };
        let route = shared.service().router.find(&asked);
        route.is_ok_and(|route| route.policy.quirks.contains(Quirk::MissingConnection))
    }

    /// The route that an opening may take, and the dialect that the client is taken for there.
    fn admitted(
        &mut self,
        service: &Service,
        dialect: Dialect,
        offer: &Offer,
        hop: &Hop,
    ) -> Result<(Dialect, Arc<Route>), Denied> {
        let mut asked = Asked {
            hop,
            host: &offer.host,
            target: &offer.target,
            client: ClientKind::WebSocket(dialect),
            headers: &distinguishing(offer),
        };
        let route = service.router.find(&asked);
        self.route = route.as_ref().ok().cloned();
        let dialect = self.route.as_ref().map_or(dialect, |route| {
            assumed(dialect, &route.settings.assume, &route.settings.accept)
        });
        self.told = Some(Told::new(dialect, offer));
        self.watched().speaks(Side::Client, dialect);
        asked.client = ClientKind::WebSocket(dialect);
        let route = route?;
        admit(&route, &asked)?;
        Ok((dialect, route))
    }

    fn into_connection(
        self,
        session: Session,
        place: Place,
        telemetry: &Telemetry,
    ) -> Option<Connection> {
        let Session { agreed, route, backend, used } = session;
        let peer = self.hop.peer;
        let server = backend.lease.member().server.url.to_string();
        let identity = self.identity(&server);
        let took = self.told.as_ref().map(|told| told.at.elapsed()).unwrap_or_default();
        let watched = Watched { id: self.id, watcher: self.watcher.as_deref() };
        let keepalive = &route.settings.keepalive;
        let prepare = |stream: Stream| {
            options::find_the_dead(stream.conduit(), keepalive)?;
            Socket::new(stream)
        };
        let streams = prepare(self.stream)
            .and_then(|client| Ok(Sides { client, backend: prepare(backend.stream)? }));
        let Ok(streams) = streams.inspect_err(|error| {
            tracing::warn!(%peer, %error, "connection dropped");
            watched.ended();
        }) else {
            return None;
        };
        let agreed = Sides { client: agreed, backend: backend.agreed };
        let dialects = Sides { client: agreed.client.dialect, backend: agreed.backend.dialect };
        let session = telemetry.opened(&identity, dialects, took);
        Some(Connection {
            id: self.id,
            identity,
            agreed,
            used,
            route,
            streams,
            early: Sides { client: self.buffer, backend: backend.early },
            place,
            lease: backend.lease,
            client: self.present,
            session,
        })
    }
}

/// The fields that a route can depend on: those of the offer, and what each dialect has in a field
/// of its own under the names of RFC 6455.
fn distinguishing(offer: &Offer) -> Vec<Field> {
    let mut fields = offer.fields.clone();
    if let Some(origin) = &offer.origin {
        fields.add("Origin", origin.clone());
    }
    match &offer.subprotocols {
        Subprotocols::None => {}
        Subprotocols::Opaque(value) => fields.add("Sec-WebSocket-Protocol", value.clone()),
        Subprotocols::List(tokens) => {
            fields.add("Sec-WebSocket-Protocol", tokens.join(", ").into());
        }
    }
    fields
}

/// Waits for a client to leave that waits for its backend. What it says meanwhile stays in the
/// buffer; one that has said something and then ended its stream may still want the session.
async fn gone(stream: &mut Stream, buffer: &mut Vec<u8>, watched: Watched<'_>) -> Unserved {
    while buffer.len() < MAX_EARLY {
        match stream.read_buf(buffer).await {
            Ok(0) if buffer.is_empty() => return Unserved::Left,
            Ok(0) => break,
            Ok(count) => watched.read(Side::Client, newest(buffer, count)),
            Err(error) => return error.into(),
        }
    }
    std::future::pending().await
}

async fn within<T>(limit: Period, work: impl Future<Output = T>) -> Result<T, Unserved> {
    timeout(limit.0, work).await.map_err(|_| Unserved::Timeout)
}
