//! The page of the demo, over HTTP: one file without outside resources, and the event stream that it
//! shows.

use crate::inspect::stream::{self, events};
use crate::inspect::{Inspector, VIEW_SCRIPT, VIEW_STYLE};
use crate::server::next_client;
use crate::wire::entropy::Entropy;
use crate::worker::Random;
use anyhow::Context;
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::future::ready;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How many connections are served at once: some dozen open pages.
const CONNECTIONS: usize = 64;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);

/// How long connections may take to end at the end.
const GRACE: Duration = Duration::from_secs(2);

/// The page, with places for what is only known when it is served.
const PAGE: &str = include_str!("page.html");
const PAGE_STYLE: &str = include_str!("page.css");
const PAGE_SCRIPT: &str = include_str!("page.js");

type Body = UnsyncBoxBody<Bytes, Infallible>;

#[derive(Debug)]
pub(super) struct Page {
    listener: TcpListener,
    address: SocketAddr,
}

/// Where the visitor's browser finds the proxies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) old: u16,
    pub(super) modern: u16,
}

/// What answers a request.
#[derive(Debug)]
struct Site {
    address: SocketAddr,
    ports: Ports,
    inspector: Inspector,
}

impl Page {
    pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("cannot serve the page on {address}; give another address with --listen")
        })?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`; then tells the open pages that the demo has ended.
    pub(super) async fn serve(
        self,
        ports: Ports,
        inspector: &Inspector,
        stop: impl Future<Output = ()>,
    ) {
        let site = Arc::new(Site { address: self.address, ports, inspector: inspector.clone() });
        let connections = GracefulShutdown::new();
        tokio::select! {
            () = accept(&self.listener, &site, &connections) => {}
            () = stop => {}
        }
        drop(self.listener);
        inspector.end();
        // A page that does not read is not waited for longer.
        drop(timeout(GRACE, connections.shutdown()).await);
    }
}

async fn accept(listener: &TcpListener, site: &Arc<Site>, connections: &GracefulShutdown) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let (stream, _) = next_client(listener).await;
        let site = Arc::clone(site);
        let service = service_fn(move |request| ready(Ok::<_, Infallible>(site.answer(&request))));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let served = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::debug!(%error, "page");
            }
            drop(place);
        });
    }
}

impl Site {
    fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let host = request.headers().get(header::HOST).and_then(|host| self.own_host(host));
        let Some(host) = host else {
            return plain(StatusCode::MISDIRECTED_REQUEST, "This host is not served here.\n");
        };
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD.\n");
            refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        let head_only = request.method() == Method::HEAD;
        match request.uri().path() {
            "/" => self.page(&host),
            // The head of a stream without its body would hold the connection for nothing.
            "/frames" if head_only => answer(stream::MEDIA_TYPE, Empty::new().boxed_unsync()),
            "/frames" => {
                let last = request.headers().get("last-event-id");
                let last = last.and_then(|last| last.to_str().ok());
                let events = events(&self.inspector, last).map_ok(Frame::data);
                answer(stream::MEDIA_TYPE, BodyExt::boxed_unsync(StreamBody::new(events)))
            }
            _ => plain(StatusCode::NOT_FOUND, "Not found.\n"),
        }
    }

    /// The host of a request, if it is ours. A name that leads here by someone else's DNS is not:
    /// its page would be of another site, and could read what is only for ours.
    fn own_host(&self, host: &HeaderValue) -> Option<String> {
        let uri: Uri = host.to_str().ok()?.parse().ok()?;
        let authority = uri.into_parts().authority?;
        if authority.port_u16().unwrap_or(80) != self.address.port() {
            return None;
        }
        let name = authority.host();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let own = match bare.parse::<IpAddr>() {
            // All addresses of this machine; and an address needs no DNS.
            Ok(_) if self.address.ip().is_unspecified() => true,
            Ok(address) => address == self.address.ip(),
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        };
        own.then(|| name.to_owned())
    }

    fn page(&self, host: &str) -> Response<Body> {
        let Ok(nonce) = nonce() else {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "No randomness.\n");
        };
        let Ports { old, modern } = self.ports;
        let page = PAGE
            .replace("{{nonce}}", &nonce)
            .replace("{{old}}", &old.to_string())
            .replace("{{modern}}", &modern.to_string())
            .replace("{{version}}", env!("CARGO_PKG_VERSION"))
            .replace("{{page.css}}", PAGE_STYLE)
            .replace("{{view.css}}", VIEW_STYLE)
            .replace("{{page.js}}", PAGE_SCRIPT)
            .replace("{{view.js}}", VIEW_SCRIPT);
        // CSP has no form for an address of IPv6 (CSP 3 section 2.3.1, `host-part`).
        let sockets = match host.starts_with('[') {
            true => "ws:".to_owned(),
            false => format!("ws://{host}:{old} ws://{host}:{modern}"),
        };
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
             img-src data:; connect-src 'self' {sockets}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let mut response = answer("text/html; charset=utf-8", full(page));
        match HeaderValue::try_from(policy) {
            Ok(policy) => {
                response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
                response
            }
            // A host that cannot stand there cannot be ours either.
            Err(_) => plain(StatusCode::BAD_REQUEST, "Malformed host.\n"),
        }
    }
}

/// What marks the scripts and styles of one answer as ours (CSP 3, section 2.3.1): 128 random bits.
fn nonce() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    Random::new()?.fill(&mut bytes);
    Ok(BASE64_STANDARD.encode(bytes))
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = answer("text/plain; charset=utf-8", full(text));
    *response.status_mut() = status;
    response
}

/// An answer with what every answer has.
fn answer(media_type: &'static str, body: Body) -> Response<Body> {
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
