//! Whose pages may open sessions. Browsers tell the origin of the page (RFC 6454 section 6.2), and
//! send the cookies of the server with it, whoever's page it is.

use super::BadOrigin;
use crate::config::route;
use crate::handshake::Headers;
use crate::proxy::route::host::{Host, split};
use anyhow::Context;

/// The origins that are let in.
#[derive(Debug)]
pub(super) struct Origins {
    allow: Vec<Allowed>,
    missing: bool,
    null: bool,
}

/// A pattern of origins.
#[derive(Debug)]
struct Allowed {
    scheme: String,
    host: Host,
    port: Option<u16>,
}

/// An origin, taken apart.
#[derive(Debug, Clone, Copy)]
struct Origin<'a> {
    scheme: &'a str,
    name: &'a str,
    /// That of the scheme where the origin has none.
    port: Option<u16>,
}

impl Origins {
    pub(super) fn new(settings: &route::Origins) -> anyhow::Result<Self> {
        let allow = settings.allow.iter().map(|text| {
            let how = || format!("{text}: write an origin like https://chat.example");
            let origin = Origin::read(text.as_bytes()).with_context(how)?;
            let pattern = match origin.name {
                "" => return None.with_context(how),
                name => name.parse().with_context(how)?,
            };
            let host = Host::new(&pattern).with_context(how)?;
            Ok(Allowed { scheme: origin.scheme.to_owned(), host, port: origin.port })
        });
        let route::Origins { missing, null, .. } = *settings;
        Ok(Self { allow: allow.collect::<anyhow::Result<_>>()?, missing, null })
    }

    /// Lets the origin of an opening in.
    ///
    /// # Errors
    /// With why not.
    pub(super) fn check(&self, headers: &dyn Headers) -> Result<(), BadOrigin> {
        match *headers.all("Origin") {
            [] if self.missing => Ok(()),
            [] => Err(BadOrigin::Missing),
            [b"null"] if self.null => Ok(()),
            [b"null"] => Err(BadOrigin::Null),
            [origin] if self.allows(origin) => Ok(()),
            _ => Err(BadOrigin::Other),
        }
    }

    fn allows(&self, origin: &[u8]) -> bool {
        Origin::read(origin).is_some_and(|origin| {
            self.allow.iter().any(|allowed| {
                allowed.scheme.eq_ignore_ascii_case(origin.scheme)
                    && allowed.host.has(origin.name.as_bytes())
                    && allowed.port == origin.port
            })
        })
    }
}

impl<'a> Origin<'a> {
    /// `scheme "://" host [ ":" port ]` and nothing behind it (RFC 6454 section 7.1). Some
    /// origins are none, such as the bare host of some old clients.
    fn read(origin: &'a [u8]) -> Option<Self> {
        let (scheme, authority) = std::str::from_utf8(origin).ok()?.split_once("://")?;
        if scheme.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
            return None;
        }
        let (name, port) = split(authority.as_bytes());
        let port = match port {
            Some(digits) => Some(std::str::from_utf8(digits).ok()?.parse().ok()?),
            None if ["http", "ws"].iter().any(|own| scheme.eq_ignore_ascii_case(own)) => Some(80),
            None if ["https", "wss"].iter().any(|own| scheme.eq_ignore_ascii_case(own)) => {
                Some(443)
            }
            None => None,
        };
        Some(Self { scheme, name: std::str::from_utf8(name).ok()?, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::Field;

    fn checked(allow: &[&str], missing: bool, null: bool, origin: &str) -> Result<(), BadOrigin> {
        let allow = allow.iter().copied().map(str::to_owned).collect();
        let origins = Origins::new(&route::Origins { allow, missing, null }).unwrap();
        let field = |origin: &str| -> Field { ("Origin".to_owned(), origin.into()) };
        let fields: Vec<_> =
            Some(origin).filter(|o| !o.is_empty()).map(field).into_iter().collect();
        origins.check(&fields)
    }

    #[test]
    fn an_origin_is_compared_whole() {
        let allow = ["https://chat.example", "http://*.old.example:81", "app://x", "http://[::1]"];
        for (origin, due) in [
            ("https://chat.example", true),
            ("HTTPS://Chat.Example", true),
            ("https://chat.example:443", true),
            ("http://chat.example", false),
            ("https://chat.example:444", false),
            ("https://chat.example.evil.example", false),
            ("https://evilchat.example", false),
            ("https://chat.example@evil.example", false),
            ("https://chat.example/", false),
            ("https://chat.example https://evil.example", false),
            ("http://a.b.old.example:81", true),
            ("http://old.example:81", false),
            ("http://a.old.example", false),
            ("app://x", true),
            ("http://[0::1]:80", true),
            ("chat.example", false),
            ("file://", false),
            ("https://", false),
        ] {
            let due = if due { Ok(()) } else { Err(BadOrigin::Other) };
            assert_eq!(checked(&allow, true, true, origin), due, "{origin}");
        }
    }

    #[test]
    fn none_and_null_are_answered_by_their_own_settings() {
        for (missing, null) in [(true, false), (false, true)] {
            let due = |allowed, fault| if allowed { Ok(()) } else { Err(fault) };
            assert_eq!(checked(&[], missing, null, ""), due(missing, BadOrigin::Missing));
            assert_eq!(checked(&[], missing, null, "null"), due(null, BadOrigin::Null));
        }
        for bad in ["chat.example", "https://a.example/path", "https://", "https://a:b", "*"] {
            let allow = vec![bad.to_owned()];
            let settings = route::Origins { allow, missing: false, null: false };
            assert!(Origins::new(&settings).is_err(), "{bad}");
        }
    }
}
