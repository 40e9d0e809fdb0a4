//! The page of the demo, over HTTP: one file without outside resources, and the event stream that it
//! shows.

use crate::config::values::Address;
use crate::inspect::stream::{self, events};
use crate::inspect::{Inspector, VIEW_SCRIPT, VIEW_STYLE};
use crate::net::listen::Socket;
use crate::net::site::{self, Body, answer, full, other_method, plain};
use crate::wire::entropy::Entropy;
use crate::worker::Random;
use anyhow::Context;
use base64::prelude::{BASE64_STANDARD, Engine};
use futures_util::TryStreamExt;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::server::graceful::GracefulShutdown;
use std::future::ready;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long connections may take to end at the end.
const GRACE: Duration = Duration::from_secs(2);

/// The page, with places for what is only known when it is served.
const PAGE: &str = include_str!("page.html");
const PAGE_STYLE: &str = include_str!("page.css");
const PAGE_SCRIPT: &str = include_str!("page.js");

#[derive(Debug)]
pub(super) struct Page {
    socket: Socket,
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
        let socket = site::listen(&Address::Tcp(address)).with_context(|| {
            format!("cannot serve the page on {address}; give another address with --listen")
        })?;
        let address = socket.local_addr().context("the page has no address")?;
        Ok(Self { socket, address })
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
        let answer = move |request| ready(site.answer(&request));
        tokio::select! {
            () = site::serve(&self.socket, &connections, None, answer) => {}
            () = stop => {}
        }
        drop(self.socket);
        inspector.end();
        // A page that does not read is not waited for longer.
        drop(timeout(GRACE, connections.shutdown()).await);
    }
}

impl Site {
    fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let host = request.headers().get(header::HOST).and_then(|host| self.own_host(host));
        let Some(host) = host else {
            return plain(StatusCode::MISDIRECTED_REQUEST, "This host is not served here.\n");
        };
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return other_method("GET, HEAD");
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
