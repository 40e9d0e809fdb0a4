//! The admin listener: metrics, health, readiness, and the order to read the settings again. There is
//! no password; who reaches the socket may do all of it.

mod backends;

use crate::config::operation::Admin as Settings;
use crate::config::values::Address;
use crate::net::listen::Socket;
use crate::net::site::{self, Body, answer, full, other_method, plain};
use crate::proxy::Shared;
use anyhow::{Context, bail};
use futures_util::future::BoxFuture;
use hyper::header::{self, HeaderName};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::server::graceful::GracefulShutdown;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long one request may take, with its answer. A reload looks up names and opens files.
const LIFETIME: Duration = Duration::from_secs(60);

/// The media type of the metrics, which is that of version 1.0.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Reads the settings again; with what came of it, for a person.
#[derive(Clone)]
pub(crate) struct Reload(Arc<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>);

impl Reload {
    pub(crate) fn new<F>(reload: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, String>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(reload())))
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
    }
}

/// The admin listener, bound.
#[derive(Debug)]
pub(crate) struct Admin {
    socket: Socket,
    /// Whether others than this machine are meant to reach it.
    remote: bool,
}

/// What answers a request.
#[derive(Debug)]
struct Desk {
    shared: Arc<Shared>,
    reload: Option<Reload>,
    /// Whether requests have to name the host as this machine does.
    local_names: bool,
}

impl Admin {
    /// Begins to listen; `None` where the settings have no address.
    ///
    /// # Errors
    /// When the address cannot be bound, or others could reach it that are not meant to.
    pub(crate) async fn bind(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let Some(address) = &settings.address else { return Ok(None) };
        let socket = site::listen(address).context("admin")?;
        // That of the socket itself, which systemd may have opened anywhere.
        if let Address::Tcp(tcp) = socket.address()
            && !tcp.ip().to_canonical().is_loopback()
            && !settings.allow_remote
        {
            bail!(
                "admin: others could reach {tcp}; use a loopback address or a Unix socket, or set \
                 allow_remote = true"
            );
        }
        Ok(Some(Self { socket, remote: settings.allow_remote }))
    }

    /// Where it listens, with the port that the system chose where 0 was asked for.
    pub(crate) fn address(&self) -> Address {
        self.socket.address()
    }

    /// Serves for ever.
    pub(crate) async fn serve(self, shared: Arc<Shared>, reload: Option<Reload>) {
        let local_names = !self.remote && matches!(self.address(), Address::Tcp(_));
        let desk = Arc::new(Desk { shared, reload, local_names });
        let answer = move |request| {
            let desk = Arc::clone(&desk);
            async move { desk.answer(&request).await }
        };
        site::serve(&self.socket, &GracefulShutdown::new(), Some(LIFETIME), answer).await;
    }
}

impl Desk {
    async fn answer<B: Sync>(&self, request: &Request<B>) -> Response<Body> {
        if self.local_names && !names_this_machine(request) {
            return plain(StatusCode::MISDIRECTED_REQUEST, "This host is not served here.\n");
        }
        let method = request.method();
        let reads = method == Method::GET || method == Method::HEAD;
        match request.uri().path() {
            "/reload" if method == Method::POST => self.reload(request).await,
            "/reload" => other_method("POST"),
            "/metrics" | "/health" | "/ready" if !reads => other_method("GET, HEAD"),
            "/metrics" => self.metrics(),
            "/health" => plain(StatusCode::OK, "alive\n"),
            "/ready" => self.ready(),
            _ => plain(StatusCode::NOT_FOUND, "Here are /metrics, /health, /ready, /reload.\n"),
        }
    }

    fn metrics(&self) -> Response<Body> {
        let backends = backends::metrics(&self.shared.service().pools);
        match self.shared.telemetry.metrics(&backends) {
            Ok(text) => answer(METRICS, full(text)),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    /// Whether new sessions can be opened. One backend of several that is down does not count: who
    /// asks would take the routes of the others away with it.
    fn ready(&self) -> Response<Body> {
        let no = |text: &'static str| plain(StatusCode::SERVICE_UNAVAILABLE, text);
        if self.shared.leaving.is_cancelled() {
            return no("leaving\n");
        }
        if backends::all_down(&self.shared.service().pools) {
            return no("no backend has a server that is up\n");
        }
        plain(StatusCode::OK, "ready\n")
    }

    async fn reload<B>(&self, request: &Request<B>) -> Response<Body> {
        // Browsers send these with every POST, and no page is to steer a proxy.
        let of_page = [header::ORIGIN, HeaderName::from_static("sec-fetch-site")];
        if of_page.iter().any(|name| request.headers().contains_key(name)) {
            return plain(StatusCode::FORBIDDEN, "Not from a page.\n");
        }
        let Some(Reload(reload)) = &self.reload else {
            return plain(StatusCode::NOT_IMPLEMENTED, "This server has no file to read again.\n");
        };
        match reload().await {
            Ok(text) => plain(StatusCode::OK, text + "\n"),
            Err(findings) => plain(StatusCode::CONFLICT, findings + "\n"),
        }
    }
}

/// Whether a request names this machine, by an address or as `localhost`. A name that leads here by
/// someone else's DNS is one of a page, which could read what is not for it. Only what is no browser
/// names no host.
fn names_this_machine<B>(request: &Request<B>) -> bool {
    let Some(host) = request.headers().get(header::HOST) else { return true };
    let uri = host.to_str().ok().and_then(|host| host.parse::<Uri>().ok());
    uri.as_ref().and_then(Uri::host).is_some_and(|name| {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, operation::AccessLog};
    use crate::proxy::Service;
    use crate::telemetry::{Output, Telemetry};
    use http_body_util::BodyExt;

    fn desk(reload: Reload) -> Desk {
        let off = AccessLog { enabled: false, ..AccessLog::default() };
        let telemetry = Telemetry::start(Output::open(&off).unwrap()).unwrap();
        let service = Service::new(config::Settings::default(), &[]).unwrap();
        let shared = Arc::new(Shared::new(service, None, Arc::new(telemetry)));
        Desk { shared, reload: Some(reload), local_names: true }
    }

    async fn ask(desk: &Desk, fields: &[(&str, &str)]) -> (u16, String) {
        let mut request = Request::post("/reload");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = desk.answer(&request.body(()).unwrap()).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_reload_is_told_as_it_came_out() {
        let taken = desk(Reload::new(async || Ok("2 routes".to_owned())));
        assert_eq!(ask(&taken, &[]).await, (200, "2 routes\n".to_owned()));
        let refused = desk(Reload::new(async || Err("line 3: no such key".to_owned())));
        assert_eq!(ask(&refused, &[]).await, (409, "line 3: no such key\n".to_owned()));
    }

    #[tokio::test]
    async fn no_page_orders_a_reload() {
        let never = desk(Reload::new(async || panic!("a page has ordered a reload")));
        for field in [("Origin", "null"), ("Sec-Fetch-Site", "same-origin")] {
            assert_eq!(ask(&never, &[field]).await.0, 403, "{field:?}");
        }
        assert_eq!(ask(&never, &[("Host", "evil.example")]).await.0, 421);
    }

    #[test]
    fn knows_the_names_of_this_machine() {
        let named = |host: Option<&str>| {
            let mut request = Request::builder().uri("/metrics");
            if let Some(host) = host {
                request = request.header("host", host);
            }
            names_this_machine(&request.body(()).unwrap())
        };
        for own in ["127.0.0.1:9000", "[::1]:9000", "localhost:9000", "LOCALHOST", "127.0.0.1"] {
            assert!(named(Some(own)), "{own}");
        }
        assert!(named(None));
        for other in ["evil.example:9000", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            assert!(!named(Some(other)), "{other}");
        }
    }
}
