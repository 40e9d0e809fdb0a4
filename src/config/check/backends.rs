//! The `[[backend]]` tables.

use super::words::{bare_host, cookie_name, field_name, final_status};
use super::{Report, names};
use crate::config::Settings;
use crate::config::backend::{Backend, Balance, Check, ClientTls, Health};
use crate::config::key::KeyPath;
use crate::config::server_url::ServerUrl;
use crate::handshake::is_host;
use std::collections::HashSet;

/// How many times a client can be made to wait for a connection.
const MOST_RETRIES: u32 = 100;

/// How many can wait for a place at a backend: each holds a connection and its head.
const LONGEST_QUEUE: usize = 65_536;

pub(super) fn check(settings: &Settings, report: &mut Report) {
    names(report, "backend", settings.backends.iter().map(|backend| &*backend.name));
    for (index, backend) in settings.backends.iter().enumerate() {
        let key = KeyPath::of("backend").index(index);
        servers(backend, &key, report);
        choice(backend, &key, report);
        tls(backend, &key.key("tls"), report);
        waiting(backend, &key, report);
        if backend.passive_health.failures > 0 {
            let rest = ("rest", backend.passive_health.rest);
            report.positive(&key.key("passive_health"), [rest]);
        }
        if let Some(asked) = &backend.health {
            health(asked, &key.key("health"), report);
        }
        let leads_here = |name: &Option<String>| name.as_ref() == Some(&backend.name);
        if !settings.routes.is_empty()
            && !settings.routes.iter().any(|route| leads_here(&route.backend))
        {
            report.warning(key, "no route leads here");
        }
    }
}

fn servers(backend: &Backend, key: &KeyPath, report: &mut Report) {
    let key = key.key("server");
    if backend.servers.is_empty() {
        let what = "the backend has none; add a [[backend.server]] with a url";
        report.error(key.clone(), what);
    }
    let mut seen = HashSet::new();
    for (index, server) in backend.servers.iter().enumerate() {
        if !seen.insert(&server.url) {
            let what = "stands here twice; give it a weight instead";
            report.warning(key.index(index).key("url"), what);
        }
    }
    let secure = backend.servers.iter().filter(|server| is_secure(&server.url)).count();
    if secure > 0 && secure < backend.servers.len() {
        let what = "some servers are reached by TLS and some are not";
        report.warning(key, what);
    }
}

const fn is_secure(url: &ServerUrl) -> bool {
    matches!(url, ServerUrl::Network { secure: true, .. })
}

fn choice(backend: &Backend, key: &KeyPath, report: &mut Report) {
    match &backend.balance {
        Balance::HashHeader(name) => report.value(key.key("balance"), field_name(name)),
        Balance::HashCookie(name) => report.value(key.key("balance"), cookie_name(name)),
        _ => {}
    }
    if let Some(sticky) = &backend.sticky {
        let key = key.key("sticky");
        report.value(key.key("cookie"), cookie_name(&sticky.cookie));
        report.positive(&key, sticky.max_age.map(|age| ("max_age", age)));
    }
}

fn tls(backend: &Backend, key: &KeyPath, report: &mut Report) {
    let ClientTls { server_name, certificate, key: private, .. } = &backend.tls;
    if let Some(name) = server_name {
        report.value(key.key("server_name"), bare_host(name));
    }
    match (certificate, private) {
        (Some(_), None) => report.error(key.key("key"), "a certificate needs its key"),
        (None, Some(_)) => report.error(key.key("certificate"), "a key needs its certificate"),
        _ => {}
    }
    let secure = backend.servers.iter().any(|server| is_secure(&server.url));
    if backend.tls != ClientTls::default() && !backend.servers.is_empty() && !secure {
        report.warning(key.clone(), "without effect; no server has a wss:// URL");
    }
}

fn waiting(backend: &Backend, key: &KeyPath, report: &mut Report) {
    let Backend { connect_timeout, queue_timeout, resolve_every, .. } = *backend;
    report.positive(key, [("connect_timeout", connect_timeout), ("resolve_every", resolve_every)]);
    if backend.retries > MOST_RETRIES {
        report.error(key.key("retries"), format!("at most {MOST_RETRIES}"));
    }
    if backend.queue > LONGEST_QUEUE {
        report.error(key.key("queue"), format!("at most {LONGEST_QUEUE}"));
    }
    if backend.queue > 0 {
        report.positive(key, [("queue_timeout", queue_timeout)]);
        if backend.max_connections.is_none() {
            let what = "nobody has to wait; set max_connections, or take queue out";
            report.warning(key.key("queue"), what);
        }
    }
}

fn health(health: &Health, key: &KeyPath, report: &mut Report) {
    report.positive(key, [("interval", health.interval), ("timeout", health.timeout)]);
    let target = health.path.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if !health.path.starts_with('/') || !target {
        report.error(key.key("path"), "a path begins with / and has no spaces");
    }
    if let Some(host) = &health.host {
        let known = is_host(host.as_bytes()).then_some(());
        report.value(key.key("host"), known.ok_or("malformed host"));
    }
    if health.check == Check::Http {
        report.value(key.key("status"), final_status(health.status));
    }
}
