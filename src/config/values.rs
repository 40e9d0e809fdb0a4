//! The values that keys have: durations, sizes, addresses, networks, patterns, names.

use crate::dialect::Dialect;
use crate::handshake::is_host;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What is wrong with a value, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(pub String);

/// A duration: `500ms`, `30s`, `5m`, `1h 30m`; whole milliseconds, and a year at most.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, DeserializeFromStr, SerializeDisplay,
)]
pub struct Period(pub Duration);

impl Period {
    /// A number of seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The duration in milliseconds.
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl FromStr for Period {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        // Deadlines count in milliseconds, and a longer one could not be added to a point in time.
        const LONGEST: Duration = Duration::from_hours(24 * 366);
        let duration = match text {
            "0" => Some(Duration::ZERO),
            text => humantime::parse_duration(text).ok(),
        };
        duration
            .filter(|duration| duration.subsec_nanos() % 1_000_000 == 0 && *duration <= LONGEST)
            .map(Self)
            .ok_or_else(|| {
                let what = "write a duration like 500ms, 30s, 5m or 1h 30m, a year at most";
                BadValue(what.to_owned())
            })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A share of a hundred, from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8")]
pub struct Percent(u8);

impl Percent {
    /// All of it.
    pub const ALL: Self = Self(100);

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Percent {
    type Error = BadValue;

    fn try_from(percent: u8) -> Result<Self, BadValue> {
        match percent {
            1..=100 => Ok(Self(percent)),
            _ => Err(BadValue("write a number from 1 to 100".to_owned())),
        }
    }
}

/// A size in bytes: `512`, `64KiB`, `1MiB`, `4GiB`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, DeserializeFromStr, SerializeDisplay,
)]
pub struct Size(pub u64);

impl Size {
    /// The size as a number of bytes in memory.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The units of a size, largest first.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

impl FromStr for Size {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        let unit = match unit.trim() {
            "B" => "",
            unit => unit,
        };
        UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .and_then(|(_, factor)| digits.parse::<u64>().ok()?.checked_mul(*factor))
            .map(Self)
            .ok_or_else(|| BadValue("write a size like 512B, 64KiB, 1MiB or 4GiB".to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor));
        let (unit, factor) = whole.copied().unwrap_or(("", 1));
        write!(f, "{}{}", self.0 / factor, if unit.is_empty() { "B" } else { unit })
    }
}

/// Where a listener listens: `0.0.0.0:443`, `[::]:443`, `unix:/run/h.sock`, or `systemd:NAME` for a
/// socket that systemd hands over under that name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, DeserializeFromStr, SerializeDisplay)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
    /// A socket that systemd has opened.
    Systemd(String),
}

impl FromStr for Address {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with('/') {
                true => Ok(Self::Unix(path.into())),
                false => Err(BadValue("the path of a Unix socket begins with /".to_owned())),
            };
        }
        if let Some(name) = text.strip_prefix("systemd:")
            && !name.is_empty()
        {
            return Ok(Self::Systemd(name.to_owned()));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            BadValue(
                "write an address like 0.0.0.0:443, [::]:443, unix:/run/hybridge.sock or \
                 systemd:NAME"
                    .to_owned(),
            )
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// Addresses: `10.0.0.0/8`, `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub struct Network(pub IpNet);

impl Network {
    /// Whether the address is one of them; an IPv4 address in an IPv6 socket counts as itself.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let single = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| single()).map(|net| Self(net.trunc())).map_err(|_| {
            BadValue("write a network like 10.0.0.0/8, 192.0.2.7, 2001:db8::/32 or ::1".to_owned())
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a backend speaks: a dialect, or `auto`, which tries the newest first and remembers what
/// worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub enum BackendDialect {
    /// To be found out.
    Auto,
    /// This one.
    Fixed(Dialect),
}

impl FromStr for BackendDialect {
    type Err = crate::dialect::UnknownDialect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == "auto" { Ok(Self::Auto) } else { Ok(Self::Fixed(name.parse()?)) }
    }
}

impl fmt::Display for BackendDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(dialect) => dialect.fmt(f),
        }
    }
}

/// The `Host` that a backend sees.
#[derive(Debug, Clone, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub enum HostPolicy {
    /// What the client sent.
    Preserve,
    /// That of the server's URL. Some old servers refuse a port that is not theirs.
    Backend,
    /// A fixed one.
    Name(String),
}

impl FromStr for HostPolicy {
    type Err = BadValue;

    fn from_str(host: &str) -> Result<Self, BadValue> {
        match host {
            "preserve" => Ok(Self::Preserve),
            "backend" => Ok(Self::Backend),
            name if is_host(name.as_bytes()) => Ok(Self::Name(name.to_owned())),
            _ => Err(BadValue(
                "malformed host; give preserve, backend, or a name with an optional port"
                    .to_owned(),
            )),
        }
    }
}

impl fmt::Display for HostPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preserve => "preserve",
            Self::Backend => "backend",
            Self::Name(name) => name,
        })
    }
}

/// A host in a route: `chat.example`, `*.example` for all names below it, `*` for any.
#[derive(Debug, Clone, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub struct HostPattern(pub String);

impl FromStr for HostPattern {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        // Colons stand in addresses of IPv6 only, in brackets or without.
        let bracketed = text.starts_with('[') && text.ends_with(']');
        let bare = bracketed || !text.contains(':') || text.parse::<Ipv6Addr>().is_ok();
        if text == "*" || (is_host(name.as_bytes()) && !name.contains('*') && bare) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        let what =
            "write a host like chat.example, *.example (names below it) or *, without a port";
        Err(BadValue(what.to_owned()))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A path in a route: `/chat/` for all that begins so, `= /chat` for exactly that, `~ ^/c[0-9]+$`
/// for a regular expression.
#[derive(Debug, Clone, DeserializeFromStr, SerializeDisplay)]
pub enum PathPattern {
    /// All that begins so, at the end of a segment: `/chat` has `/chat/a` and not `/chats`.
    Prefix(String),
    /// Exactly this.
    Exact(String),
    /// What it matches.
    Pattern(regex::bytes::Regex),
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl FromStr for PathPattern {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if let Some(pattern) = text.strip_prefix('~') {
            let pattern = regex::bytes::Regex::new(pattern.trim_start());
            return pattern.map(Self::Pattern).map_err(|error| {
                // The lines before the last show where.
                let error = error.to_string();
                let what = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                BadValue(format!("malformed regular expression: {what}"))
            });
        }
        let (exact, path) = match text.strip_prefix('=') {
            Some(path) => (true, path.trim_start()),
            None => (false, text),
        };
        // Old WebKit sends spaces as they are; what else is no ASCII has come with %.
        let sent = |b: u8| (b.is_ascii_graphic() || b == b' ') && b != b'?' && b != b'#';
        if !path.starts_with('/') || !path.bytes().all(sent) {
            return Err(BadValue(
                "write a path like /chat/ (what begins so), \"= /chat\" (exactly) or \
                 \"~ ^/c[0-9]+$\" (a regular expression), without a query, and as it is sent"
                    .to_owned(),
            ));
        }
        Ok(if exact { Self::Exact(path.to_owned()) } else { Self::Prefix(path.to_owned()) })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(path) => f.write_str(path),
            Self::Exact(path) => write!(f, "= {path}"),
            Self::Pattern(pattern) => write!(f, "~ {pattern}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads each, and what it is written as.
    fn written<T: FromStr + fmt::Display>(cases: &[(&str, &str)]) {
        for (text, due) in cases {
            let value = text.parse::<T>().ok().unwrap_or_else(|| panic!("{text}"));
            assert_eq!(value.to_string(), *due);
            assert!(due.parse::<T>().is_ok(), "{due}");
        }
    }

    fn refused<T: FromStr>(texts: &[&str]) {
        texts.iter().for_each(|text| assert!(text.parse::<T>().is_err(), "{text:?}"));
    }

    #[test]
    fn periods() {
        written::<Period>(&[
            ("500ms", "500ms"),
            ("90s", "1m 30s"),
            ("1h 30m", "1h 30m"),
            ("0", "0s"),
            ("366days", "1year 18h"),
        ]);
        refused::<Period>(&["", "30", "1us", "-1s", "s", "2years", "99999999999999999999s"]);
    }

    #[test]
    fn sizes() {
        written::<Size>(&[
            ("512", "512B"),
            ("512B", "512B"),
            ("1024", "1KiB"),
            ("16 KiB", "16KiB"),
            ("4GiB", "4GiB"),
            ("0", "0B"),
        ]);
        refused::<Size>(&["", "KiB", "1.5MiB", "1MB", "-1", "99999999999GiB"]);
    }

    #[test]
    fn addresses() {
        for text in ["0.0.0.0:443", "[::1]:0", "unix:/run/a b.sock", "systemd:main"] {
            written::<Address>(&[(text, text)]);
        }
        refused::<Address>(&["", "80", "localhost:80", "unix:a", "systemd:", "[::]", "::1:80"]);
    }

    #[test]
    fn networks() {
        written::<Network>(&[("10.1.2.3/8", "10.0.0.0/8"), ("::1", "::1/128")]);
        refused::<Network>(&["", "10.0.0.0/33", "a"]);
        let network: Network = "10.0.0.0/8".parse().unwrap();
        assert!(network.contains("::ffff:10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn hosts_and_paths() {
        written::<HostPattern>(&[("A.example", "a.example"), ("*.b", "*.b"), ("[::1]", "[::1]")]);
        refused::<HostPattern>(&["", "*.*", "a*", "a:80", "a/b", "[::1]:80"]);
        written::<PathPattern>(&[("/a", "/a"), ("=/a", "= /a"), ("~^/a$", "~ ^/a$")]);
        refused::<PathPattern>(&["", "a", "= a", "/a?b", "/\u{e4}", "~ ("]);
    }
}
