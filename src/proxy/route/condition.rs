//! The conditions of a route, read once and then asked for each request.

use super::Asked;
use super::host::{Host, split};
use super::path::Path;
use crate::config::route::{ClientKind, Route};
use crate::config::values::PathPattern;
use anyhow::Context;
use regex::bytes::Regex;

/// The conditions of a route; where there is none of a kind, it holds.
#[derive(Debug)]
pub(crate) struct Conditions {
    listeners: Vec<String>,
    hosts: Vec<Host>,
    paths: Vec<Place>,
    headers: Vec<(String, String)>,
    clients: Vec<ClientKind>,
}

/// A pattern of paths in their normal form.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// All that begins so, at the end of a segment.
    Prefix(Vec<u8>),
    Exact(Vec<u8>),
    Pattern(Regex),
}

impl Conditions {
    /// The conditions of the settings.
    ///
    /// # Errors
    /// When a pattern can have nothing.
    pub(crate) fn new(route: &Route) -> anyhow::Result<Self> {
        let headers = route.header.iter().map(|(name, value)| (name.clone(), value.clone()));
        Ok(Self {
            listeners: route.listener.clone(),
            hosts: route.host.iter().map(Host::new).collect::<anyhow::Result<_>>()?,
            paths: route.path.iter().map(Place::new).collect::<anyhow::Result<_>>()?,
            headers: headers.collect(),
            clients: route.client.clone(),
        })
    }

    /// Whether all of them hold.
    pub(super) fn hold(&self, asked: &Asked<'_>, path: &Path<'_>) -> bool {
        let name = split(asked.host).0;
        any(&self.listeners, |listener| *listener == asked.hop.listener.name)
            && any(&self.hosts, |host| host.has(name))
            && any(&self.paths, |place| place.has(path))
            && any(&self.clients, |kind| *kind == asked.client)
            && self.headers.iter().all(|(name, wanted)| {
                let values = asked.headers.all(name);
                values.into_iter().any(|value| wanted == "*" || value == wanted.as_bytes())
            })
    }

    /// The patterns of paths.
    pub(crate) fn places(&self) -> &[Place] {
        &self.paths
    }
}

/// Whether there is no condition, or one that holds.
fn any<T>(conditions: &[T], holds: impl Fn(&T) -> bool) -> bool {
    conditions.is_empty() || conditions.iter().any(holds)
}

impl Place {
    fn new(pattern: &PathPattern) -> anyhow::Result<Self> {
        let normal = |path: &str| {
            let read = Path::read(path.as_bytes()).map(|path| path.normal().to_vec());
            read.with_context(|| format!("path {path}"))
        };
        Ok(match pattern {
            PathPattern::Prefix(prefix) => Self::Prefix(normal(prefix)?),
            PathPattern::Exact(path) => Self::Exact(normal(path)?),
            PathPattern::Pattern(pattern) => Self::Pattern(pattern.clone()),
        })
    }

    /// Whether a path is one of them.
    pub(crate) fn has(&self, path: &Path<'_>) -> bool {
        let path = path.normal();
        match self {
            Self::Prefix(prefix) => path.strip_prefix(prefix.as_slice()).is_some_and(|rest| {
                prefix.ends_with(b"/") || rest.is_empty() || rest.starts_with(b"/")
            }),
            Self::Exact(exact) => path == exact,
            Self::Pattern(pattern) => pattern.is_match(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_its_paths() {
        for (pattern, target, due) in [
            ("/chat", "/chat", true),
            ("/chat", "/chat/a?b", true),
            ("/chat", "/x/..//%63hat", true),
            ("/chat", "/chats", false),
            ("/chat", "/chat%2Fa", false),
            ("/chat/", "/chat/a", true),
            ("/chat/", "/chat", false),
            ("/", "/anything", true),
            ("= /chat", "/chat?b", true),
            ("= /chat", "/chat/", false),
            ("~ ^/c[0-9]+$", "/c%31", true),
            ("~ ^/c[0-9]+$", "/c1/", false),
            ("~ ^/admin.*$", "/admin%0A%FF", true),
            ("/a b", "/a%20b", true),
            ("/a%20b", "/a b", true),
            ("/ch%C3%A2t", "/ch%c3%a2t", true),
        ] {
            let place = Place::new(&pattern.parse().unwrap()).unwrap();
            let path = Path::read(target.as_bytes()).unwrap();
            assert_eq!(place.has(&path), due, "{pattern} {target}");
        }
        assert!(Place::new(&"/a/../..".parse().unwrap()).is_err());
    }
}
