//! The `[[listener]]` tables, and that no address is taken twice.

use super::{Report, names};
use crate::config::Settings;
use crate::config::key::KeyPath;
use crate::config::listener::{ClientCertificate, FlashPolicy, Listener, ServerTls};
use crate::config::values::{Address, Size};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The longest and the shortest head that make sense: the first is held in memory for each
/// connection, and no browser sends less than the second.
const HEADS: [Size; 2] = [Size(1 << 10), Size(1 << 20)];

/// The most that `listen` takes on any system of today.
const LONGEST_BACKLOG: u32 = 65_535;

pub(super) fn check(settings: &Settings, report: &mut Report) {
    names(report, "listener", settings.listeners.iter().map(|listener| &*listener.name));
    for (index, listener) in settings.listeners.iter().enumerate() {
        let key = KeyPath::of("listener").index(index);
        sockets(listener, &key, report);
        trust(listener, &key, report);
        limits(listener, &key, report);
        if let Some(tls) = &listener.tls {
            certificates(tls, &key.key("tls"), report);
        }
        if let Some(policy) = &listener.flash_policy {
            flash(policy, &key.key("flash_policy"), report);
        }
        let taken = |name: &[String]| name.is_empty() || name.contains(&listener.name);
        if !settings.routes.is_empty()
            && !settings.routes.iter().any(|route| taken(&route.listener))
        {
            report.warning(key, "no route takes what comes here");
        }
    }
    no_address_twice(settings, report);
}

fn sockets(listener: &Listener, key: &KeyPath, report: &mut Report) {
    if listener.address.is_empty() {
        let what = "the listener has none; write address = [\"0.0.0.0:80\"], say";
        report.error(key.key("address"), what);
    }
    let mode = listener.unix_mode.strip_prefix('0').unwrap_or(&listener.unix_mode);
    let octal = mode.len() == 3 && mode.bytes().all(|b| matches!(b, b'0'..=b'7'));
    if !octal || mode == "000" {
        report.error(
            key.key("unix_mode"),
            "a mode is three octal digits behind a 0, such as \"0660\"",
        );
    }
    if listener.backlog.get() > LONGEST_BACKLOG {
        report.error(key.key("backlog"), format!("at most {LONGEST_BACKLOG}"));
    }
}

fn trust(listener: &Listener, key: &KeyPath, report: &mut Report) {
    if listener.proxy_protocol && listener.trusted.is_empty() {
        let what = "nobody is trusted to send a PROXY header; \
                    list the front proxies in trusted, say trusted = [\"10.0.0.0/8\"]";
        report.error(key.key("proxy_protocol"), what);
    }
    for (index, network) in listener.trusted.iter().enumerate() {
        if network.0.prefix_len() == 0 {
            let what = "anybody can say to be another client; list the front proxies only";
            report.warning(key.key("trusted").index(index), what);
        }
    }
}

fn limits(listener: &Listener, key: &KeyPath, report: &mut Report) {
    report.positive(key, [("handshake_timeout", listener.handshake_timeout)]);
    let [least, most] = HEADS;
    if !(least..=most).contains(&listener.max_head) {
        report.error(key.key("max_head"), format!("from {least} to {most}"));
    }
    if listener.max_connections.is_some_and(|all| listener.max_connections_per_address > Some(all))
    {
        let what = "more than max_connections, and so without effect";
        report.warning(key.key("max_connections_per_address"), what);
    }
    if listener.max_rate.is_some_and(|all| listener.max_rate_per_address > Some(all)) {
        let what = "more than max_rate, and so without effect";
        report.warning(key.key("max_rate_per_address"), what);
    }
}

fn certificates(tls: &ServerTls, key: &KeyPath, report: &mut Report) {
    if tls.certificates.is_empty() {
        let what = "TLS needs one; add a [[listener.tls.certificate]] with chain and key";
        report.error(key.key("certificate"), what);
    }
    match (tls.client_certificate, &tls.client_ca) {
        (ClientCertificate::Off, Some(_)) => {
            let what = "without effect; set client_certificate = \"optional\" or \"required\"";
            report.warning(key.key("client_ca"), what);
        }
        (ClientCertificate::Optional | ClientCertificate::Required, None) => {
            let what = "needs client_ca, the file with those who sign them";
            report.error(key.key("client_certificate"), what);
        }
        _ => {}
    }
}

fn flash(policy: &FlashPolicy, key: &KeyPath, report: &mut Report) {
    for (index, domain) in policy.domains.iter().enumerate() {
        let name = domain.strip_prefix("*.").unwrap_or(domain);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if domain != "*" && (name.is_empty() || !name.bytes().all(plain)) {
            let what = "write a domain like example.com, *.example.com or *";
            report.error(key.key("domains").index(index), what);
        }
    }
    let digits = |text: &&str| text.bytes().all(|b| b.is_ascii_digit());
    let port = |text: &str| Some(text).filter(digits)?.parse().ok().filter(|port: &u16| *port > 0);
    let ports = |text: &str| match text.split_once('-') {
        Some((first, last)) => port(first).is_some_and(|first| Some(first) <= port(last)),
        None => port(text).is_some(),
    };
    if !matches!(&*policy.ports, "" | "*") && !policy.ports.split(',').all(ports) {
        report.error(key.key("ports"), "write ports like 80,443 or 1024-65535, or *");
    }
}

/// The system refuses it, and only when the server starts.
fn no_address_twice(settings: &Settings, report: &mut Report) {
    let admin = settings.admin.address.iter();
    let admin = admin.map(|address| (address, false, KeyPath::of("admin").key("address")));
    let listeners = settings.listeners.iter().enumerate().flat_map(|(index, listener)| {
        let key = KeyPath::of("listener").index(index).key("address");
        let address = listener.address.iter().enumerate();
        address.map(move |(index, address)| (address, listener.ipv6_only, key.index(index)))
    });
    let mut seen: Vec<(&Address, bool, KeyPath)> = Vec::new();
    for (address, ipv6_only, key) in listeners.chain(admin) {
        let taken = seen.iter().find(|(other, other_ipv6_only, _)| {
            collide(address, ipv6_only, other, *other_ipv6_only)
        });
        if let Some((other, ..)) = taken {
            let hint = match is_dual(address) || is_dual(other) {
                true => "; with ipv6_only = true, [::] leaves IPv4 alone",
                false => "",
            };
            report.error(key.clone(), format!("{other} has it already{hint}"));
        }
        seen.push((address, ipv6_only, key));
    }
}

fn collide(one: &Address, one_ipv6_only: bool, other: &Address, other_ipv6_only: bool) -> bool {
    let (Address::Tcp(a), Address::Tcp(b)) = (one, other) else { return one == other };
    // The system chooses another each time for port 0.
    let port = a.port() == b.port() && a.port() != 0;
    let covers = |wide: &SocketAddr, ipv6_only: bool, narrow: &SocketAddr| match wide.ip() {
        IpAddr::V4(ip) => ip.is_unspecified() && narrow.is_ipv4(),
        IpAddr::V6(ip) => ip.is_unspecified() && (narrow.is_ipv6() || !ipv6_only),
    };
    port && (a.ip() == b.ip() || covers(a, one_ipv6_only, b) || covers(b, other_ipv6_only, a))
}

fn is_dual(address: &Address) -> bool {
    matches!(address, Address::Tcp(address) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED))
}
