//! The `[[route]]` tables.

use super::rewriting;
use super::words::{changeable_name, field_name, field_value, final_status, origin};
use super::{Report, names, no_such, reach};
use crate::config::Settings;
use crate::config::key::KeyPath;
use crate::config::route::{
    BasicAuth, Bounds, ClientKind, HeaderEdits, Mode, Origins, Redirect, Respond, Route,
};
use crate::dialect;
use crate::dialect::detect::alike;
use crate::dialect::hybi::deflate::Compression;
use crate::session::policy::Fragments;
use std::collections::HashSet;
use std::time::Duration;

/// What Linux takes for `TCP_KEEPIDLE`, in seconds.
const TCP_KEEPIDLE: std::ops::RangeInclusive<u64> = 1..=32_767;

/// The longest `TCP_USER_TIMEOUT`: its milliseconds are a signed number of 32 bits.
const TCP_USER_TIMEOUT: Duration = Duration::from_hours(24 * 24);

pub(super) fn check(settings: &Settings, report: &mut Report) {
    names(report, "route", settings.routes.iter().map(|route| &*route.name));
    for (index, route) in settings.routes.iter().enumerate() {
        let key = KeyPath::of("route").index(index);
        conditions(settings, route, &key, report);
        action(settings, route, &key, report);
        rewriting::check(route, &key, report);
        headers(route, &key, report);
        guards(route, &key, report);
        bounds(route, &key, report);
    }
    reach::check(&settings.routes, report);
}

fn conditions(settings: &Settings, route: &Route, key: &KeyPath, report: &mut Report) {
    let listeners: Vec<_> = settings.listeners.iter().map(|listener| &*listener.name).collect();
    for (index, name) in route.listener.iter().enumerate() {
        if !listeners.contains(&&**name) {
            let what = no_such("listener", name, &listeners);
            report.error(key.key("listener").index(index), what);
        }
    }
    for (index, client) in route.client.iter().enumerate() {
        if let ClientKind::WebSocket(dialect) = client
            && !route.accept.contains(dialect)
        {
            let what = format!("is answered 426; put {dialect} into accept");
            report.warning(key.key("client").index(index), what);
        }
    }
    for (index, dialect) in route.assume.iter().enumerate() {
        if !dialect::ALL.iter().any(|found| alike(*found).contains(dialect)) {
            let what = format!("no other dialect has the marks of {dialect}; leave it out");
            report.error(key.key("assume").index(index), what);
        } else if !route.accept.contains(dialect) {
            let what = format!("is answered 426; put {dialect} into accept");
            report.warning(key.key("assume").index(index), what);
        }
    }
    for (name, value) in &route.header {
        let key = key.key("header").key(name);
        report.value(key.clone(), field_name(name));
        report.value(key, field_value(value));
    }
}

fn action(settings: &Settings, route: &Route, key: &KeyPath, report: &mut Report) {
    let Route { backend, respond, redirect, .. } = route;
    match [backend.is_some(), respond.is_some(), redirect.is_some()]
        .iter()
        .filter(|is| **is)
        .count()
    {
        0 => report.error(key.clone(), "leads nowhere; give it a backend, respond or redirect"),
        1 => {}
        _ => report.error(key.clone(), "leads to several; give one of backend, respond, redirect"),
    }
    if let Some(name) = backend
        && !settings.backends.iter().any(|backend| backend.name == *name)
    {
        let names: Vec<_> = settings.backends.iter().map(|backend| &*backend.name).collect();
        report.error(key.key("backend"), no_such("backend", name, &names));
    }
    if let Some(Respond { status, body, content_type }) = respond {
        let key = key.key("respond");
        report.value(key.key("status"), final_status(*status));
        report.value(key.key("content_type"), field_value(content_type));
        // RFC 9110 sections 15.3.5 and 15.4.5.
        if matches!(status, 204 | 304) && !body.is_empty() {
            report.error(key.key("body"), format!("a response with status {status} has none"));
        }
    }
    if let Some(redirect) = redirect {
        report_redirect(redirect, &key.key("redirect"), report);
    }
}

fn report_redirect(redirect: &Redirect, key: &KeyPath, report: &mut Report) {
    if !matches!(redirect.status, 301 | 302 | 303 | 307 | 308) {
        report.error(key.key("status"), "a redirect has the status 301, 302, 303, 307 or 308");
    }
    let to = redirect.to.replace("{host}", "").replace("{target}", "");
    let known = ["http://", "https://", "/", "{target}"];
    let what = if !known.iter().any(|start| redirect.to.starts_with(start)) {
        "begins with https://, http:// or /"
    } else if to.contains(['{', '}']) {
        "of what is in { }, only {host} and {target} are known"
    } else if !to.bytes().all(|b| b.is_ascii_graphic()) {
        "has no spaces or other characters that a URL writes with %"
    } else {
        return;
    };
    report.error(key.key("to"), what);
}

fn headers(route: &Route, key: &KeyPath, report: &mut Report) {
    if let Some(value) = &route.origin_header {
        let known = if value == "null" { Ok(()) } else { origin(value, false) };
        report.value(key.key("origin_header"), known);
    }
    if let Some(name) = &route.request_id {
        report.value(key.key("request_id"), changeable_name(name));
    }
    for (name, edits) in
        [("request_headers", &route.request_headers), ("response_headers", &route.response_headers)]
    {
        edited(edits, &key.key(name), report);
    }
    for status in route.error_pages.keys() {
        let known = status.len() == 3
            && status.parse::<u16>().is_ok_and(|status| (400..=599).contains(&status));
        if !known {
            let what = "a page is for a status from 400 to 599";
            report.error(key.key("error_pages").key(status), what);
        }
    }
}

fn edited(edits: &HeaderEdits, key: &KeyPath, report: &mut Report) {
    for (index, name) in edits.remove.iter().enumerate() {
        report.value(key.key("remove").index(index), changeable_name(name));
    }
    for (table, fields) in [("set", &edits.set), ("add", &edits.add)] {
        let mut seen = HashSet::new();
        for (name, value) in fields {
            let key = key.key(table).key(name);
            report.value(key.clone(), changeable_name(name));
            report.value(key.clone(), field_value(value));
            if !seen.insert(name.to_ascii_lowercase()) {
                report.error(key, "stands here twice, for case makes no difference");
            }
        }
    }
}

fn guards(route: &Route, key: &KeyPath, report: &mut Report) {
    if let Some(origins) = &route.origins {
        let Origins { allow, missing, null } = origins;
        let key = key.key("origins");
        for (index, allowed) in allow.iter().enumerate() {
            report.value(key.key("allow").index(index), origin(allowed, true));
        }
        if allow.is_empty() && !missing && !null {
            report.error(key, "lets nobody in; list origins in allow");
        }
    }
    if let Some(auth) = &route.basic_auth {
        passwords(auth, &key.key("basic_auth"), report);
    }
}

fn passwords(auth: &BasicAuth, key: &KeyPath, report: &mut Report) {
    report.value(key.key("realm"), field_value(&auth.realm));
    if auth.users.is_empty() {
        report.error(key.key("users"), "lets nobody in; list names and passwords");
    }
    for (name, password) in &auth.users {
        let key = key.key("users").key(name);
        // RFC 7617 section 2: "a user-id containing a colon character is invalid".
        if name.is_empty() || name.contains(|c: char| c == ':' || c.is_control()) {
            report.error(key.clone(), "a name is not empty and has no colon");
        }
        let hex =
            |digest: &str| digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        match password.strip_prefix("sha256:") {
            Some(digest) if !hex(digest) => {
                report.error(key, "behind sha256: stand 64 hexadecimal digits");
            }
            None if password.is_empty() => report.error(key, "an empty password keeps nobody out"),
            None if password.chars().any(char::is_control) => {
                report.error(key, "a password has no control characters");
            }
            _ => {}
        }
    }
}

fn bounds(route: &Route, key: &KeyPath, report: &mut Report) {
    let Bounds { streamed, collected, inflated, backend_handshake, response, .. } = route.limits;
    let Bounds { idle, body_idle, close, drain, linger, .. } = route.limits;
    let limits = key.key("limits");
    let periods = [
        ("backend_handshake", backend_handshake),
        ("response", response),
        ("idle", idle),
        ("body_idle", body_idle),
        ("close", close),
        ("drain", drain),
        ("linger", linger),
    ];
    report.positive(&limits, periods);
    for (name, size) in [("streamed", streamed), ("collected", collected), ("inflated", inflated)] {
        if size.0 == 0 {
            report.error(limits.key(name), "cannot be zero; no message would pass");
        }
    }
    if route.mode == Mode::Tunnel && route.fragments == Fragments::Coalesce {
        let what = "without effect where mode = \"tunnel\" passes bytes as they come";
        report.warning(key.key("fragments"), what);
    }
    for (name, compression) in [
        ("client_compression", route.client_compression),
        ("backend_compression", route.backend_compression),
    ] {
        if route.mode == Mode::Tunnel && compression != Compression::Off {
            let what = "without effect where mode = \"tunnel\" passes bytes as they come";
            report.warning(key.key(name), what);
        }
    }
    let table = key.key("keepalive");
    let keepalive = &route.keepalive;
    report.positive(&table, keepalive.ping_every.map(|every| ("ping_every", every)));
    report.positive(&table, [("patience", keepalive.patience)]);
    if !TCP_KEEPIDLE.contains(&keepalive.tcp.0.as_secs()) {
        report.error(table.key("tcp"), "from 1s to 9h, which is what the system takes");
    }
    let user_timeout = keepalive.tcp_user_timeout.0;
    if user_timeout.is_zero() || user_timeout > TCP_USER_TIMEOUT {
        report.error(table.key("tcp_user_timeout"), "from 1ms to 24days");
    }
}
