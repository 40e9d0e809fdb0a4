//! Who may take a route: address, dialect, password, origin.

mod origin;
mod password;

use super::route::path::BadTarget;
use super::route::{Asked, Route};
use super::visible::visible;
use crate::config::route::{self, ClientKind};
use crate::config::values::Network;
use crate::handshake::Field;
use anyhow::Context;
use origin::Origins;
use password::Passwords;

/// Why a client may not take the route, or finds none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error(transparent)]
    Target(#[from] BadTarget),
    #[error("no route")]
    NoRoute,
    #[error("address not allowed")]
    Address,
    #[error("dialect not accepted")]
    Dialect,
    #[error("no valid name and password")]
    Password {
        /// What `WWW-Authenticate` asks for.
        challenge: String,
    },
    #[error(transparent)]
    Origin(#[from] BadOrigin),
}

/// Why the pages of an origin may not open a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadOrigin {
    #[error("no origin")]
    Missing,
    #[error("origin null not allowed")]
    Null,
    #[error("origin not allowed")]
    Other,
}

impl Denied {
    /// The HTTP status that tells the client.
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::Target(_) => 400,
            Self::NoRoute => 404,
            // "SHOULD return a 403 (Forbidden)" (RFC 6455 section 4.2.2, for origins).
            Self::Address | Self::Origin(_) => 403,
            Self::Dialect => 426,
            Self::Password { .. } => 401,
        }
    }

    /// The fields that go with it.
    pub(crate) fn fields(&self) -> Vec<Field> {
        match self {
            // RFC 9110 section 11.6.1.
            Self::Password { challenge } => {
                vec![("WWW-Authenticate".to_owned(), challenge.clone().into_bytes())]
            }
            _ => Vec::new(),
        }
    }
}

/// The guard of a route.
#[derive(Debug)]
pub(crate) struct Guard {
    allow: Vec<Network>,
    deny: Vec<Network>,
    passwords: Option<Passwords>,
    origins: Option<Origins>,
}

impl Guard {
    /// The guard of the settings.
    ///
    /// # Errors
    /// When a digest is none, or an origin is none.
    pub(crate) fn new(settings: &route::Route) -> anyhow::Result<Self> {
        let passwords = settings.basic_auth.as_ref().map(Passwords::new).transpose();
        let origins = settings.origins.as_ref().map(Origins::new).transpose();
        Ok(Self {
            allow: settings.allow.clone(),
            deny: settings.deny.clone(),
            passwords: passwords.context("basic_auth")?,
            origins: origins.context("origins")?,
        })
    }

    /// Whether the address of a client is let in. Who has none, on a Unix socket, is in no network.
    fn lets_in(&self, asked: &Asked<'_>) -> bool {
        let Self { allow, deny, .. } = self;
        if allow.is_empty() && deny.is_empty() {
            return true;
        }
        let address = visible(asked.hop, asked.host, asked.headers).client.ip();
        let within = |networks: &[Network]| {
            address.is_some_and(|address| networks.iter().any(|network| network.contains(address)))
        };
        !within(deny) && (allow.is_empty() || within(allow))
    }
}

/// Lets a client take a route. What a password protects is told to nobody without one, so that the
/// password comes before the origin; accepted dialects and origins are only for openings.
///
/// # Errors
/// With the reason why not.
pub(crate) fn admit(route: &Route, asked: &Asked<'_>) -> Result<(), Denied> {
    let guard = &route.guard;
    if !guard.lets_in(asked) {
        return Err(Denied::Address);
    }
    if let ClientKind::WebSocket(dialect) = asked.client
        && !route.settings.accept.contains(&dialect)
    {
        return Err(Denied::Dialect);
    }
    if let Some(passwords) = &guard.passwords {
        passwords.check(asked.headers)?;
    }
    match (&guard.origins, asked.client) {
        (Some(origins), ClientKind::WebSocket(_)) => Ok(origins.check(asked.headers)?),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::config::listener::Listener;
    use crate::config::route::{BasicAuth, Respond};
    use crate::dialect::Dialect;
    use crate::net::{Hop, Peer};
    use crate::proxy::route::Router;
    use std::net::SocketAddr;
    use std::sync::Arc;

    fn asked(
        route: route::Route,
        peer: &str,
        client: ClientKind,
        fields: &[&str],
    ) -> Option<Denied> {
        let (body, content_type) = (String::new(), "text/plain".to_owned());
        let respond = Respond { status: 200, body, content_type };
        let routes = vec![route::Route { respond: Some(respond), ..route }];
        let settings = Settings { routes, ..Settings::default() };
        let router = Router::new(&settings, &[]).unwrap();
        let peer = peer.parse::<SocketAddr>().map_or(Peer::Unix, Peer::from);
        let listener = Arc::new(Listener::default());
        let hop = Hop { listener, peer, local: Peer::Unix, secure: false, trusted: false };
        let fields = fields.iter().map(|value| ((*value).to_owned(), value.as_bytes().to_vec()));
        let fields: Vec<Field> = fields.collect();
        let asked = Asked { hop: &hop, host: b"a", target: b"/", client, headers: &fields };
        admit(&router.find(&asked).unwrap(), &asked).err()
    }

    const OPENING: ClientKind = ClientKind::WebSocket(Dialect::RFC6455);

    #[test]
    fn plain_requests_are_asked_for_what_they_have() {
        let route = route::Route {
            accept: Vec::new(),
            origins: Some(route::Origins::default()),
            ..route::Route::default()
        };
        assert_eq!(asked(route.clone(), "192.0.2.1:1", ClientKind::Http, &["Origin"]), None);
        assert_eq!(asked(route.clone(), "192.0.2.1:1", OPENING, &[]), Some(Denied::Dialect));
        let route = route::Route { accept: vec![Dialect::RFC6455], ..route };
        let missing = Some(Denied::Origin(BadOrigin::Missing));
        assert_eq!(asked(route.clone(), "192.0.2.1:1", OPENING, &[]), missing);
        let users = [("a".to_owned(), "b".to_owned())].into();
        let basic_auth = Some(BasicAuth { realm: "r".to_owned(), users });
        let route = route::Route { basic_auth, ..route };
        for client in [ClientKind::Http, OPENING] {
            let denied = asked(route.clone(), "192.0.2.1:1", client, &["Authorization"]);
            assert!(matches!(denied, Some(Denied::Password { .. })), "{denied:?}");
        }
    }

    #[test]
    fn who_has_no_address_is_in_no_network() {
        for (allow, deny, peer, lets_in) in [
            ("", "192.0.2.0/24", "192.0.2.1:1", false),
            ("", "192.0.2.0/24", "[::ffff:192.0.2.1]:1", false),
            ("", "192.0.2.0/24", "unix", true),
            ("192.0.2.0/24", "", "192.0.2.1:1", true),
            ("192.0.2.0/24", "", "unix", false),
            ("192.0.2.0/24", "192.0.2.1", "192.0.2.1:1", false),
            ("192.0.2.0/24", "192.0.2.1", "192.0.2.2:1", true),
            ("", "", "unix", true),
        ] {
            let networks = |text: &str| text.parse().into_iter().collect();
            let (allow, deny) = (networks(allow), networks(deny));
            let route = route::Route { allow, deny, ..route::Route::default() };
            let due = (!lets_in).then_some(Denied::Address);
            assert_eq!(asked(route, peer, ClientKind::Http, &[]), due, "{peer}");
        }
    }
}
