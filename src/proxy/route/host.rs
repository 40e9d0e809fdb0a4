//! Hosts, as requests and origins name them, and the patterns of them.

use crate::config::values::HostPattern;
use anyhow::ensure;
use std::net::Ipv6Addr;

/// A pattern of hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Any,
    /// All names that end in this, which begins with a dot.
    Below(String),
    Name(String),
    /// An address has many spellings.
    V6(Ipv6Addr),
}

impl Host {
    /// The pattern of a setting.
    ///
    /// # Errors
    /// When it has a port.
    pub(crate) fn new(pattern: &HostPattern) -> anyhow::Result<Self> {
        let text = pattern.0.as_str();
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Ok(address) = text.trim_matches(['[', ']']).parse() {
            return Ok(Self::V6(address));
        }
        ensure!(!text.contains([':', '[', ']']), "host {text}: write it without a port");
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        Ok(match text.strip_prefix('*') {
            Some(below) => Self::Below(below.to_owned()),
            None => Self::Name(text),
        })
    }

    /// Whether a name is one of them; see [`split`].
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Below(below) => {
                let cut = name.len().checked_sub(below.len()).filter(|cut| *cut > 0);
                let end = cut.and_then(|cut| name.get(cut..)).unwrap_or_default();
                !below.is_empty() && end.eq_ignore_ascii_case(below.as_bytes())
            }
            Self::Name(wanted) => name.eq_ignore_ascii_case(wanted.as_bytes()),
            Self::V6(wanted) => {
                std::str::from_utf8(name).is_ok_and(|name| name.parse() == Ok(*wanted))
            }
        }
    }
}

/// The name in a `Host` field and its port: `a.example.:80` is `a.example` and 80, `[::1]` is `::1`.
pub(crate) fn split(host: &[u8]) -> (&[u8], Option<&[u8]>) {
    if let Some(rest) = host.strip_prefix(b"[")
        && let Some(end) = memchr::memchr(b']', rest)
    {
        let (address, behind) = rest.split_at(end);
        return (address, behind.strip_prefix(b"]:"));
    }
    let end = memchr::memchr(b':', host).unwrap_or(host.len());
    let (name, port) = host.split_at(end);
    // "a.example." is the same name, said absolutely (RFC 1034 section 3.1).
    (name.strip_suffix(b".").unwrap_or(name), port.strip_prefix(b":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_its_hosts() {
        for (pattern, host, due) in [
            ("a.example", "a.example", true),
            ("a.example", "A.Example.:8080", true),
            ("A.example.", "a.example", true),
            ("a.example", "b.a.example", false),
            ("*.example", "a.example", true),
            ("*.example", "c.b.a.example:1", true),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*.example", "anexample", false),
            ("*", "anything", true),
            ("[::1]", "[::1]:443", true),
            ("::1", "[0:0::1]", true),
            ("[::1]", "[::2]", false),
            ("127.0.0.1", "127.0.0.1:80", true),
        ] {
            let host = split(host.as_bytes()).0;
            let parsed = Host::new(&pattern.parse().unwrap()).unwrap();
            assert_eq!(parsed.has(host), due, "{pattern} {}", host.escape_ascii());
        }
        assert!("a.example:80".parse::<HostPattern>().is_err());
    }
}
