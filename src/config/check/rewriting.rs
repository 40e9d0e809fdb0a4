//! That what a route makes of a path fits the path that it matches.

use super::Report;
use crate::config::key::KeyPath;
use crate::config::route::Route;
use crate::config::values::PathPattern;
use regex::bytes::Regex;

pub(super) fn check(route: &Route, key: &KeyPath, report: &mut Report) {
    if route.strip_prefix {
        let key = key.key("strip_prefix");
        let prefixes = route.path.iter().all(|path| matches!(path, PathPattern::Prefix(_)));
        if route.backend.is_none() {
            report.error(key, "without a backend there is nobody to see the path");
        } else if route.rewrite.is_some() {
            report.error(key, "give one of strip_prefix and rewrite");
        } else if route.path.is_empty() || !prefixes {
            let what = "needs a path to take off, which is no exact one and no regular expression";
            report.error(key, what);
        }
    }
    if let Some(rewrite) = &route.rewrite {
        let key = key.key("rewrite");
        if route.backend.is_none() {
            report.error(key, "without a backend there is nobody to see the path");
        } else if route.path.is_empty() {
            report.error(key, "needs a path to put this in the place of");
        } else if let Err(what) = fits(rewrite, &route.path) {
            report.error(key, what);
        }
    }
}

fn fits(rewrite: &str, paths: &[PathPattern]) -> Result<(), String> {
    let patterns = paths.iter().filter_map(|path| match path {
        PathPattern::Pattern(pattern) => Some(pattern),
        PathPattern::Prefix(_) | PathPattern::Exact(_) => None,
    });
    let patterns: Vec<_> = patterns.collect();
    if !rewrite.starts_with('/') && (patterns.is_empty() || !rewrite.starts_with('$')) {
        return Err("a path begins with /".to_owned());
    }
    if let Some(bad) = rewrite.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '?' | '#')) {
        return Err(format!("a path has no {bad:?}; the query stays as the client sent it"));
    }
    if patterns.len() < paths.len() && !patterns.is_empty() {
        let what = "the paths are of two kinds; make a route for the regular expressions";
        return Err(what.to_owned());
    }
    for pattern in patterns {
        if let Some(group) = groups(rewrite).into_iter().find(|group| !has(pattern, group)) {
            return Err(format!("${group} is no group of ~ {pattern}; ${{1}}x parts $1 from an x"));
        }
    }
    Ok(())
}

/// The groups that a text names, as `Regex::expand` reads them.
fn groups(mut text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    while let Some((_, behind)) = text.split_once('$') {
        if let Some(rest) = behind.strip_prefix('$') {
            text = rest;
            continue;
        }
        let braced = behind.strip_prefix('{').and_then(|behind| behind.split_once('}'));
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = behind.find(|c| !word(c)).unwrap_or(behind.len());
        let (name, rest) = braced.unwrap_or_else(|| behind.split_at(end));
        // A $ before nothing of that kind is one.
        found.extend(Some(name).filter(|name| !name.is_empty()));
        text = rest;
    }
    found
}

fn has(pattern: &Regex, group: &str) -> bool {
    match group.parse::<usize>() {
        Ok(number) => number < pattern.captures_len(),
        Err(_) => pattern.capture_names().flatten().any(|name| name == group),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_groups_as_the_crate_does() {
        assert_eq!(groups("/a/$1/${2}x$name.$$3$"), ["1", "2", "name"]);
        assert_eq!(groups("$1x"), ["1x"]);
        assert_eq!(groups("/${1"), [""; 0]);
    }

    #[test]
    fn fits_the_path() {
        let paths = |texts: &[&str]| -> Vec<PathPattern> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        for (rewrite, path) in [
            ("/new/", &["/old/"][..]),
            ("/new", &["= /old", "/older/"]),
            ("$1", &["~ ^/old(/.*)$"]),
            ("/x/$rest", &["~ ^/old/(?P<rest>.*)$"]),
        ] {
            assert_eq!(fits(rewrite, &paths(path)), Ok(()), "{rewrite}");
        }
        for (rewrite, path) in [
            ("new", &["/old"][..]),
            ("$1", &["/old"]),
            ("/new?a", &["/old"]),
            ("/$2", &["~ ^/(a)"]),
            ("/$1x", &["~ ^/(a)"]),
            ("/$1", &["~ ^/(a)", "/b"]),
        ] {
            assert!(fits(rewrite, &paths(path)).is_err(), "{rewrite}");
        }
    }
}
