//! Where clients connect: the `[[listener]]` tables.

use super::values::{Address, Network, Period, Size};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

/// A `[[listener]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listener {
    /// What routes, the log and the metrics call it.
    pub name: String,
    /// Where it listens; several addresses are one listener.
    pub address: Vec<Address>,
    /// Whether an IPv6 address takes IPv6 only, so that `[::]` and `0.0.0.0` can share a port.
    pub ipv6_only: bool,
    /// How many connections the system holds that are not accepted yet.
    pub backlog: NonZeroU32,
    /// The mode of Unix sockets, in octal.
    pub unix_mode: String,
    /// TLS; plain without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTls>,
    /// The front proxies: whose PROXY header, and whose `X-Forwarded-*` and `Forwarded` fields are
    /// believed. Peers on Unix sockets are trusted where this is not empty.
    pub trusted: Vec<Network>,
    /// Whether connections of trusted addresses begin with a PROXY header, version 1 or 2.
    pub proxy_protocol: bool,
    /// How many connections it has at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<NonZeroUsize>,
    /// How many of them one address has; an IPv6 address counts with its /64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections_per_address: Option<NonZeroUsize>,
    /// How many new connections a second it takes; more are answered 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rate: Option<NonZeroU32>,
    /// How many of them one address may have; an IPv6 address counts with its /64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rate_per_address: Option<NonZeroU32>,
    /// The longest head of a request. 16 KiB hold the cookies of any browser.
    pub max_head: Size,
    /// From the accepted connection to the end of the client's head, PROXY header and TLS included;
    /// and again, once a backend has answered, to the end of a Hixie-76 client's key3.
    pub handshake_timeout: Period,
    /// How long a connection is kept for the next plain request.
    pub keep_alive: Period,
    /// What Flash clients are told that ask `<policy-file-request/>`; without it they are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flash_policy: Option<FlashPolicy>,
}

impl Default for Listener {
    fn default() -> Self {
        const BACKLOG: NonZeroU32 = NonZeroU32::new(1024).unwrap();
        Self {
            name: String::new(),
            address: Vec::new(),
            ipv6_only: false,
            backlog: BACKLOG,
            unix_mode: "0660".to_owned(),
            tls: None,
            trusted: Vec::new(),
            proxy_protocol: false,
            max_connections: None,
            max_connections_per_address: None,
            max_rate: None,
            max_rate_per_address: None,
            max_head: Size(16 << 10),
            handshake_timeout: Period::seconds(10),
            keep_alive: Period::seconds(60),
            flash_policy: None,
        }
    }
}

impl Listener {
    /// Whether a peer is a front proxy that is believed; one on a Unix socket has no address.
    pub fn trusts(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self.trusted.iter().any(|network| network.contains(address)),
            None => !self.trusted.is_empty(),
        }
    }
}

/// `[listener.tls]`. The files are read again at each reload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerTls {
    /// The certificates. A client gets the first that is for the name it asks for, and the first of
    /// all where none is.
    #[serde(rename = "certificate")]
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version of TLS that is spoken.
    pub min_version: TlsVersion,
    /// Who signs the certificates of clients: a PEM file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// Whether clients must have a certificate.
    pub client_certificate: ClientCertificate,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The certificate, and those between it and its root: a PEM file.
    pub chain: PathBuf,
    /// Its key: a PEM file.
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V13,
}

/// Whether clients must have a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificate {
    /// They are not asked for one.
    #[default]
    Off,
    /// They are asked; one that is not signed by `client_ca` is refused.
    Optional,
    /// They need one that is signed by `client_ca`.
    Required,
}

/// What a Flash client is told, which asks whose pages may connect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlashPolicy {
    /// Whose pages: `example.com`, `*.example.com`, `*`. None at all without it.
    pub domains: Vec<String>,
    /// To which ports: `80,443` or `1024-65535`, `*`. Where it is empty, to the listener's own.
    pub ports: String,
}
