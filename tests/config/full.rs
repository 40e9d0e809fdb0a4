//! Settings with every key, as values of the program. A key that is new does not compile here until
//! it is named, and then has to stand in the example and on the reference page.

use hybridge::config::Settings;
use hybridge::config::backend::{
    Backend, Balance, Check, ClientTls, Health, PassiveHealth, ProxyVersion, Server, Sticky,
};
use hybridge::config::listener::{
    CertificateFiles, ClientCertificate, FlashPolicy, Listener, ServerTls, TlsVersion,
};
use hybridge::config::operation::{AccessLog, Admin, Log, LogFormat, LogLevel, Record};
use hybridge::config::route::{
    BasicAuth, Bounds, ClientKind, Forwarded, HeaderEdits, KeepaliveTable, Mode, Origins, Rate,
    Redirect, Respond, Route,
};
use hybridge::config::values::{BackendDialect, HostPolicy, Percent, Period, Size};
use hybridge::dialect::Dialect;
use hybridge::dialect::hybi::Version;
use hybridge::dialect::hybi::deflate::Compression;
use hybridge::quirk::Quirk;
use hybridge::session::policy::Fragments;
use hybridge::session::translate::BinaryPolicy;
use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};

const PERIOD: Period = Period::seconds(1);

fn fields() -> BTreeMap<String, String> {
    BTreeMap::from([("502".to_owned(), "a".to_owned())])
}

pub(crate) fn settings() -> Settings {
    Settings {
        workers: NonZeroUsize::MIN,
        max_connections: Some(NonZeroUsize::MIN),
        shutdown_deadline: PERIOD,
        drain_window: PERIOD,
        include: vec!["a".into()],
        log: Log { level: LogLevel::Info, format: LogFormat::Text },
        access_log: AccessLog { enabled: true, file: Some("a".into()), format: LogFormat::Text },
        admin: Admin { address: Some("127.0.0.1:1".parse().unwrap()), allow_remote: false },
        record: Record {
            folder: Some("a".into()),
            percent: Percent::ALL,
            paths: vec!["/a".to_owned()],
            secrets: false,
            pcapng: false,
            max_file: Size(1),
            max_age: PERIOD,
            keep: NonZeroUsize::MIN,
        },
        listeners: vec![listener()],
        backends: vec![backend()],
        routes: vec![route()],
    }
}

fn listener() -> Listener {
    Listener {
        name: "a".to_owned(),
        address: vec!["127.0.0.1:1".parse().unwrap()],
        ipv6_only: false,
        backlog: NonZeroU32::MIN,
        unix_mode: "0660".to_owned(),
        tls: Some(ServerTls {
            certificates: vec![CertificateFiles { chain: "a".into(), key: "a".into() }],
            min_version: TlsVersion::V12,
            client_ca: Some("a".into()),
            client_certificate: ClientCertificate::Off,
        }),
        trusted: vec!["::1".parse().unwrap()],
        proxy_protocol: false,
        max_connections: Some(NonZeroUsize::MIN),
        max_connections_per_address: Some(NonZeroUsize::MIN),
        max_rate: Some(NonZeroU32::MIN),
        max_rate_per_address: Some(NonZeroU32::MIN),
        max_head: Size(1),
        handshake_timeout: PERIOD,
        keep_alive: PERIOD,
        flash_policy: Some(FlashPolicy { domains: vec!["*".to_owned()], ports: "*".to_owned() }),
    }
}

fn backend() -> Backend {
    Backend {
        name: "a".to_owned(),
        dialect: BackendDialect::Auto,
        balance: Balance::RoundRobin,
        sticky: Some(Sticky { cookie: "a".to_owned(), max_age: Some(PERIOD) }),
        connect_timeout: PERIOD,
        retries: 1,
        max_connections: Some(NonZeroUsize::MIN),
        queue: 1,
        queue_timeout: PERIOD,
        resolve_every: PERIOD,
        keep_alive: 1,
        proxy_protocol: Some(ProxyVersion::V1),
        tls: ClientTls {
            ca: Some("a".into()),
            server_name: Some("a".to_owned()),
            certificate: Some("a".into()),
            key: Some("a".into()),
        },
        passive_health: PassiveHealth { failures: 1, rest: PERIOD },
        health: Some(Health {
            check: Check::Tcp,
            path: "/".to_owned(),
            host: Some("a".to_owned()),
            status: 200,
            interval: PERIOD,
            timeout: PERIOD,
            fall: NonZeroU32::MIN,
            rise: NonZeroU32::MIN,
        }),
        servers: vec![Server { url: "ws://a".parse().unwrap(), weight: NonZeroU16::MIN }],
    }
}

fn route() -> Route {
    let edits = HeaderEdits { remove: vec!["a".to_owned()], set: fields(), add: fields() };
    let rate = Rate { messages: Some(NonZeroU32::MIN), bytes: Some(NonZeroU64::MIN) };
    Route {
        name: "a".to_owned(),
        listener: vec!["a".to_owned()],
        host: vec!["a".parse().unwrap()],
        path: vec!["/".parse().unwrap()],
        header: fields(),
        client: vec![ClientKind::Http],
        backend: Some("a".to_owned()),
        respond: Some(Respond { status: 200, body: String::new(), content_type: String::new() }),
        redirect: Some(Redirect { to: "/".to_owned(), status: 302 }),
        strip_prefix: false,
        rewrite: Some("/".to_owned()),
        host_header: HostPolicy::Preserve,
        origin_header: Some("a".to_owned()),
        forwarded: vec![Forwarded::Forwarded],
        request_id: Some("a".to_owned()),
        request_headers: edits.clone(),
        response_headers: edits,
        error_pages: BTreeMap::from([("502".to_owned(), "a".into())]),
        accept: vec![Dialect::RFC6455],
        assume: vec![Dialect::Hybi(Version::V1)],
        origins: Some(Origins { allow: vec!["a".to_owned()], missing: true, null: true }),
        allow: vec!["::1".parse().unwrap()],
        deny: vec!["::1".parse().unwrap()],
        basic_auth: Some(BasicAuth { realm: "a".to_owned(), users: fields() }),
        mode: Mode::Translate,
        binary: BinaryPolicy::Frame,
        fragments: Fragments::Keep,
        quirks: vec![Quirk::NoEmptyText],
        limits: Bounds {
            streamed: Size(1),
            collected: Size(1),
            inflated: Size(1),
            body: Some(Size(1)),
            backend_handshake: PERIOD,
            response: PERIOD,
            idle: PERIOD,
            body_idle: PERIOD,
            close: PERIOD,
            drain: PERIOD,
            linger: PERIOD,
        },
        keepalive: KeepaliveTable {
            ping_every: Some(PERIOD),
            patience: PERIOD,
            tcp: PERIOD,
            tcp_user_timeout: PERIOD,
        },
        client_compression: Compression::On,
        backend_compression: Compression::On,
        client_rate: rate.clone(),
        backend_rate: rate,
    }
}
