//! A small HTTP server for what hybridge itself has to show: few connections, short requests.

use super::listen::Socket;
use crate::config::listener::Listener;
use crate::config::values::Address;
use anyhow::Context;
use bytes::Bytes;
use futures_util::future::Either;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How many connections are served at once: some dozen open pages.
const CONNECTIONS: usize = 64;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);

/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Listens where it is told to.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) fn listen(address: &Address) -> anyhow::Result<Socket> {
    let sockets = Socket::bind(address, &Listener::default())?;
    sockets.into_iter().next().context("no such socket")
}

/// Answers all who connect, for ever. With a `lifetime` a connection has one request and ends then
/// at the latest; without one it lives for as long as it is used.
pub(crate) async fn serve<F>(
    socket: &Socket,
    connections: &GracefulShutdown,
    lifetime: Option<Duration>,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) where
    F: Future<Output = Response<Body>> + Send,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let stream = socket.accept().await.into_conduit();
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let answered = answer(request);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(LONGEST_HEAD)
            .keep_alive(lifetime.is_none())
            .serve_connection(TokioIo::new(stream), service);
        let served = connections.watch(connection);
        let served = match lifetime {
            None => Either::Left(async { Ok(served.await) }),
            Some(lifetime) => Either::Right(timeout(lifetime, served)),
        };
        tokio::spawn(async move {
            match served.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "visitor lost"),
                Err(error) => tracing::debug!(%error, "visitor too slow"),
            }
            drop(place);
        });
    }
}

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = answer("text/plain; charset=utf-8", full(text));
    *response.status_mut() = status;
    response
}

/// The answer to a method that is not one of these.
pub(crate) fn other_method(allowed: &'static str) -> Response<Body> {
    let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, format!("Only {allowed}.\n"));
    refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    refusal
}

/// An answer with what every answer has.
pub(crate) fn answer(media_type: &'static str, body: Body) -> Response<Body> {
    const OF_ALL: [(HeaderName, &str); 5] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    for (name, value) in OF_ALL {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
