//! A plain request on its way to a server of a backend, and the head of the response on its way back.

use super::download::Source;
use super::exchange::Exchange;
use super::fields::{strip, strip_request};
use super::plain::Plain;
use super::upload::{Cut, Progress, Upload};
use crate::config::values::{HostPolicy, Period};
use crate::handshake::{Refusal, first};
use crate::net::Hop;
use crate::proxy::edit;
use crate::proxy::route::Route;
use crate::proxy::unserved::Unserved;
use crate::upstream::idle::{Body, Line};
use crate::upstream::open::NoBackend;
use crate::upstream::{Pool, Seeker};
use crate::wire::body::Framing;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::TrySendError;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderValue, SET_COOKIE, TRANSFER_ENCODING,
};
use hyper::http::uri::PathAndQuery;
use hyper::http::{request, response};
use hyper::{Request, Response, StatusCode, Uri, Version};
use std::pin::pin;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// Passes a request on and takes the head of its response.
pub(super) async fn forward(
    route: &Route,
    pool: &Pool,
    hop: &Hop,
    plain: &Plain,
    exchange: &mut Exchange,
    request: Request<Incoming>,
) -> Result<Response<Source>, Unserved> {
    let limits = &route.settings.limits;
    if let (Framing::Length(length), Some(most)) = (plain.framing, limits.body)
        && length > most.0
    {
        return Err(Cut::TooLarge.into());
    }
    let (mut parts, body) = request.into_parts();
    let asked = parts.headers.clone();
    let old = parts.version == Version::HTTP_10;
    let asks = prepare(route, hop, plain, &mut parts)? && !body.is_end_stream();
    if let Some(name) = &route.settings.request_id {
        exchange.request_id = first(&parts.headers, name);
    }
    let bare = body.is_end_stream();
    let progress = Progress::new();
    exchange.upload = Some(Arc::clone(&progress));
    let Hop { peer, local, secure, .. } = exchange.hop;
    let seeker = Seeker { peer, local, secure, headers: &asked };
    let head = hop.listener.max_head.bytes();
    let reach = |fresh| pool.line(&seeker, limits.backend_handshake, fresh, head);
    let mut again = None;
    let mut line = reach(false).await?;
    if line.kept && bare && parts.method.is_idempotent() {
        again = Some(parts.clone());
    }
    exchange.server = line.lease.member().url().to_string();
    let upload = Upload::new(body, &progress, asks, limits);
    let mut outgoing = Request::from_parts(parts, Body::new(upload));
    want_on_continue(&mut outgoing, &progress);
    name_host(outgoing.headers_mut(), route, plain, &line);
    let mut sent = send(&mut line, outgoing, &progress, limits.response).await;
    if line.kept
        && let Err(Failed::Lost(failed)) = &mut sent
    {
        // RFC 9110 section 9.2.2: the server has closed a connection that it had kept, before it
        // read the request, or a request that does the same however often it is sent. To one that
        // was answered in part, or so that nobody can read it, another answer would be no better.
        let unsent = failed.take_message();
        let again = again.filter(|_| !line.is_answered());
        let repeated = again.map(|parts| Request::from_parts(parts, Body::default()));
        if let Some(mut outgoing) = unsent.or(repeated) {
            // Its place may be the only one.
            drop(line);
            line = reach(true).await?;
            exchange.server = line.lease.member().url().to_string();
            name_host(outgoing.headers_mut(), route, plain, &line);
            sent = send(&mut line, outgoing, &progress, limits.response).await;
        }
    }
    let response = sent.map_err(|failed| failed.blame(&line, &progress))?;
    let (mut parts, body) = response.into_parts();
    line.lease.answered(parts.status.as_u16());
    check(&parts)?;
    strip(&mut parts.headers);
    edit::response(route, &mut parts.headers);
    if let Some(cookie) = line.lease.cookie()
        && let Ok(cookie) = HeaderValue::try_from(cookie)
    {
        parts.headers.append(SET_COOKIE, cookie);
    }
    // A client of HTTP/1.0 knows the end of an unknown length by that of the connection.
    let by_end = old && body.size_hint().exact().is_none();
    parts.version = if by_end { Version::HTTP_10 } else { Version::HTTP_11 };
    if asks && !progress.has_begun() {
        // The client may send its body or not, so that nobody knows where its next request begins.
        parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        line.spent = true;
    }
    Ok(Response::from_parts(parts, Source::Backend { body, line: Some(line) }))
}

/// Makes of a client's request that to the backend; whether the client asks before it sends its body.
fn prepare(
    route: &Route,
    hop: &Hop,
    plain: &Plain,
    parts: &mut request::Parts,
) -> Result<bool, Unserved> {
    let headers = &mut parts.headers;
    strip_request(headers);
    let mut target = plain.target.clone();
    let mut request = edit::Request { hop, host: &plain.host, target: &mut target, headers };
    edit::request(route, &mut request);
    let target = PathAndQuery::try_from(target).map_err(|_| Refusal::Target)?;
    parts.uri = Uri::from(target);
    let headers = &mut parts.headers;
    if plain.framing == Framing::Chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    // "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that
    // expectation" (RFC 9110 section 10.1.1).
    if parts.version == Version::HTTP_10 {
        headers.remove(EXPECT);
    }
    parts.version = Version::HTTP_11;
    let expect = headers.get(EXPECT).map(HeaderValue::as_bytes);
    Ok(expect.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue")))
}

/// Says the host that the route wants the server to see.
fn name_host(headers: &mut HeaderMap, route: &Route, plain: &Plain, line: &Line) {
    let own = line.lease.member().server.url.authority();
    let host = match &route.settings.host_header {
        HostPolicy::Preserve if plain.host.is_empty() => own.as_bytes(),
        HostPolicy::Preserve => &plain.host,
        HostPolicy::Backend => own.as_bytes(),
        HostPolicy::Name(name) => name.as_bytes(),
    };
    if let Ok(host) = HeaderValue::from_bytes(host) {
        headers.insert(HOST, host);
    }
}

/// Lets the body begin when the backend answers 100. Other interim responses are dropped.
fn want_on_continue(request: &mut Request<Body>, progress: &Arc<Progress>) {
    let progress = Arc::clone(progress);
    hyper::ext::on_informational(request, move |interim| {
        if interim.status() == StatusCode::CONTINUE {
            progress.want();
        }
    });
}

/// Why a request has no response.
enum Failed {
    Lost(Box<TrySendError<Request<Body>>>),
    Timeout,
}

/// Sends a request and waits for the head of its response; not longer than `patience` while nothing
/// of the request moves.
async fn send(
    line: &mut Line,
    request: Request<Body>,
    progress: &Progress,
    patience: Period,
) -> Result<Response<Incoming>, Failed> {
    let mut sent = pin!(line.send(request));
    loop {
        let deadline = progress.moved() + patience.0;
        if let Ok(sent) = timeout_at(deadline, &mut sent).await {
            return sent.map_err(|failed| Failed::Lost(Box::new(failed)));
        }
        if progress.moved() + patience.0 <= Instant::now() {
            return Err(Failed::Timeout);
        }
    }
}

impl Failed {
    /// Finds out whose fault it is, and tells the server's account if it is the server's.
    fn blame(self, line: &Line, progress: &Progress) -> Unserved {
        if let Some(cut) = progress.cut() {
            return cut.into();
        }
        let reason = match self {
            Self::Lost(failed) => NoBackend::Broken(failed.into_error()),
            Self::Timeout => NoBackend::Timeout,
        };
        line.lease.failed(&reason);
        reason.into()
    }
}

/// Refuses a response that another reader could find another end of (RFC 9112 section 6.3), and one
/// that makes a connection something else.
fn check(response: &response::Parts) -> Result<(), Unserved> {
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(NoBackend::Upgrade.into());
    }
    let lengths: Vec<_> = response.headers.get_all(CONTENT_LENGTH).iter().collect();
    let codings: Vec<_> = response.headers.get_all(TRANSFER_ENCODING).iter().collect();
    let digits =
        |value: &HeaderValue| !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(()),
        ([length], []) if digits(length) => Ok(()),
        ([], [coding]) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(NoBackend::Ambiguous.into()),
    }
}
