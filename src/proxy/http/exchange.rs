//! One plain request and its response, from the route to the log line.

use super::download::{Download, Source};
use super::forward::forward;
use super::plain::Plain;
use super::turn::Turn;
use super::upload::Progress;
use crate::config::route::ClientKind;
use crate::handshake::{Headers, Refusal, first};
use crate::net::Hop;
use crate::proxy::guard::admit;
use crate::proxy::reply::may_have_body;
use crate::proxy::route::{Asked, Route};
use crate::proxy::unserved::{LEFT, Unserved};
use crate::proxy::visible::visible;
use crate::proxy::{Service, Shared};
use crate::telemetry::{self, Details, Identity, Telemetry};
use crate::wire::body::Framing;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::time::Instant;

/// The account of one request, told when it is over.
#[derive(Debug)]
pub(super) struct Exchange {
    telemetry: Arc<Telemetry>,
    /// With the client as it is behind its proxies.
    pub(super) hop: Hop,
    method: Box<str>,
    host: Vec<u8>,
    target: Vec<u8>,
    user_agent: Vec<u8>,
    pub(super) request_id: Vec<u8>,
    route: Option<Arc<Route>>,
    /// The server that it was taken to.
    pub(super) server: String,
    /// The way of its body.
    pub(super) upload: Option<Arc<Progress>>,
    /// None, when the client left before there was one.
    status: Option<u16>,
    /// Of the response's body.
    pub(super) bytes: u64,
    start: Instant,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        done(self);
    }
}

/// Writes the line.
fn done(exchange: &mut Exchange) {
    let details = Details {
        route: exchange.route.as_ref().map_or("", |route| &route.settings.name),
        host: &exchange.host,
        target: &exchange.target,
        server: &exchange.server,
        user_agent: &exchange.user_agent,
        request_id: &exchange.request_id,
    };
    let identity = Identity::new(&exchange.hop, details);
    let request = telemetry::Request {
        method: std::mem::take(&mut exchange.method),
        status: exchange.status.unwrap_or(LEFT),
        received: exchange.upload.as_ref().map_or(0, |upload| upload.received()),
        sent: exchange.bytes,
        duration: exchange.start.elapsed(),
    };
    exchange.telemetry.request(identity, request);
}

/// What of a method is told: one that is known has 18 bytes at most (RFC 9110 section 16.1.1), and a client
/// can say any that fits into a head.
fn clipped(method: &str) -> Box<str> {
    method.get(..32).unwrap_or(method).into()
}

/// Answers a request.
pub(super) async fn exchange(
    shared: &Shared,
    hop: &Hop,
    plain: &Plain,
    turn: Arc<Turn>,
    request: Request<Incoming>,
) -> Result<Response<Download>, Infallible> {
    let seen = visible(hop, &plain.host, request.headers());
    let mut exchange = Exchange {
        telemetry: Arc::clone(&shared.telemetry),
        hop: Hop { peer: seen.client, secure: seen.secure, ..hop.clone() },
        method: clipped(plain.method.as_str()),
        host: plain.host.clone(),
        target: plain.target.clone(),
        user_agent: first(request.headers(), "User-Agent"),
        request_id: Vec::new(),
        route: None,
        server: String::new(),
        upload: None,
        status: None,
        bytes: 0,
        start: Instant::now(),
    };
    let service = shared.service();
    let passed = pass(&service, hop, plain, &turn, &mut exchange, request).await;
    let response = passed.unwrap_or_else(|unserved| own(unserved, plain, &turn, &exchange));
    exchange.status = Some(response.status().as_u16());
    Ok(response.map(|source| Download::new(source, exchange, turn)))
}

/// Takes a request where its route leads.
async fn pass(
    service: &Service,
    hop: &Hop,
    plain: &Plain,
    turn: &Turn,
    exchange: &mut Exchange,
    request: Request<Incoming>,
) -> Result<Response<Source>, Unserved> {
    let asked = Asked {
        hop,
        host: &plain.host,
        target: &plain.target,
        client: ClientKind::Http,
        headers: request.headers(),
    };
    let route = service.router.find(&asked)?;
    exchange.route = Some(Arc::clone(&route));
    turn.wait(route.settings.limits.body_idle);
    admit(&route, &asked)?;
    let pool = route.pool(&plain.host, &plain.target)?;
    forward(&route, pool, hop, plain, exchange, request).await
}

/// A response of our own.
fn own(unserved: Unserved, plain: &Plain, turn: &Turn, exchange: &Exchange) -> Response<Source> {
    // What looks like a body that was broken off is one that was malformed, if the gate says so.
    let unserved = match (unserved, turn.fault()) {
        (Unserved::Cut(_), Some(fault)) => Refusal::from(fault).into(),
        (unserved, _) => unserved,
    };
    if let Unserved::Backend(reason) = &unserved {
        let (peer, path) = (exchange.hop.peer, Identity::path_of(&exchange.target));
        tracing::warn!(%peer, path, server = exchange.server, %reason, "request failed");
    }
    let reply = unserved.reply(exchange.route.as_deref());
    let mut response = Response::new(Source::Own(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in reply.fields {
        headers.add(&name, value);
    }
    if may_have_body(reply.status) {
        if let Ok(content_type) = HeaderValue::try_from(reply.content_type) {
            headers.insert(CONTENT_TYPE, content_type);
        }
    } else {
        *response.body_mut() = Source::Own(Default::default());
    }
    // Nobody has read the body of the request, and it may be long.
    if plain.framing != Framing::Length(0) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
