//! Routes that can never be taken, because one before them takes all that they would.

use super::{MOST_TABLES, Report};
use crate::config::key::KeyPath;
use crate::config::route::Route;
use crate::config::values::{HostPattern, PathPattern};

pub(super) fn check(routes: &[Route], report: &mut Report) {
    for (index, route) in routes.iter().enumerate().take(MOST_TABLES) {
        if let Some(before) = routes.iter().take(index).find(|before| covers(before, route)) {
            let what = format!("is never taken; route {:?} before it takes all of it", before.name);
            report.warning(KeyPath::of("route").index(index), what);
        }
    }
}

/// Whether all that fits `narrow` fits `wide` too. It says no where it cannot tell.
fn covers(wide: &Route, narrow: &Route) -> bool {
    all_in(&wide.listener, &narrow.listener, PartialEq::eq)
        && all_in(&wide.client, &narrow.client, PartialEq::eq)
        && all_in(&wide.host, &narrow.host, host)
        && all_in(&wide.path, &narrow.path, path)
        && wide.header.iter().all(|(name, value)| {
            let same = narrow.header.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
            same.is_some_and(|(_, other)| value == "*" || value == other)
        })
}

/// Whether each value of the narrower condition is covered by one of the wider. No condition at all
/// is the widest.
fn all_in<T>(wide: &[T], narrow: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    let covered = |value| wide.iter().any(|wider| covers(wider, value));
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(covered))
}

fn host(HostPattern(wide): &HostPattern, HostPattern(narrow): &HostPattern) -> bool {
    let below = wide.strip_prefix('*').is_some_and(|end| {
        // Not `*.a` itself for `a`, but all names below it, also those of `*.b.a`.
        narrow.len() > end.len() && narrow.ends_with(end)
    });
    wide == "*" || wide == narrow || below
}

fn path(wide: &PathPattern, narrow: &PathPattern) -> bool {
    match (wide, narrow) {
        (PathPattern::Prefix(wide), _) if wide == "/" => true,
        (PathPattern::Prefix(wide), PathPattern::Prefix(path) | PathPattern::Exact(path)) => {
            let rest = path.strip_prefix(wide.as_str());
            rest.is_some_and(|rest| rest.is_empty() || wide.ends_with('/') || rest.starts_with('/'))
        }
        _ => wide == narrow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> Route {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn knows_what_is_wider() {
        for (wide, narrow) in [
            ("", "host = ['a']"),
            ("", ""),
            ("path = ['/']", "path = ['~ x', '= /y']"),
            ("path = ['/a']", "path = ['/a/b', '= /a']"),
            ("path = ['/a/']", "path = ['/a/b']"),
            ("host = ['*.a']", "host = ['b.a', '*.c.a']"),
            ("host = ['b', 'a']", "host = ['a']\npath = ['/x']"),
            ("header.A = '*'", "header.a = 'b'"),
        ] {
            assert!(covers(&route(wide), &route(narrow)), "{wide}: {narrow}");
        }
        for (wide, narrow) in [
            ("host = ['a']", ""),
            ("host = ['*.a']", "host = ['a']"),
            ("host = ['*.a']", "host = ['*']"),
            ("host = ['a']", "host = ['a', 'b']"),
            ("path = ['/a']", "path = ['/ab']"),
            ("path = ['= /a']", "path = ['/a']"),
            ("path = ['~ x']", "path = ['/x']"),
            ("header.A = 'b'", "header.A = '*'"),
            ("client = ['http']", "client = ['hixie-76']"),
        ] {
            assert!(!covers(&route(wide), &route(narrow)), "{wide}: {narrow}");
        }
    }
}
