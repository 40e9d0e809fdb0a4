//! The target that a backend is asked for, where the route takes a prefix off the path or puts
//! another one in its place. What is kept of the path is kept in the client's own spelling, without
//! its dot segments and doubled slashes, which could climb out of the new place.

use crate::config::route::Route;
use crate::proxy::route::condition::Place;
use crate::proxy::route::path::Path;
use anyhow::{Context, bail, ensure};
use regex::bytes::Regex;

/// What is put into the place of what.
#[derive(Debug)]
pub(super) struct Rewrite {
    places: Vec<Place>,
    to: String,
    /// The same, taken apart at the groups of a regular expression.
    pieces: Vec<Piece>,
}

/// A part of a replacement.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Rewrite {
    /// The rewriting of the settings, where there is one.
    ///
    /// # Errors
    /// When it cannot make a path of every path that the route takes.
    pub(super) fn new(settings: &Route, places: &[Place]) -> anyhow::Result<Option<Self>> {
        let (key, to) = match (&settings.rewrite, settings.strip_prefix) {
            (None, false) => return Ok(None),
            (None, true) => ("strip_prefix", "/"),
            (Some(to), false) => ("rewrite", to.as_str()),
            (Some(_), true) => bail!("give one of strip_prefix and rewrite"),
        };
        ensure!(!places.is_empty(), "{key}: the route needs a path");
        let graphic = to.bytes().all(|b| b.is_ascii_graphic() && !b"?#\\".contains(&b));
        ensure!(to.starts_with('/') && graphic, "rewrite: write a path that begins with /");
        let mut pieces = Vec::new();
        for place in places {
            let Place::Pattern(pattern) = place else { continue };
            ensure!(!settings.strip_prefix, "strip_prefix: {pattern} is no prefix; use rewrite");
            pieces = read(to).context("rewrite")?;
            for piece in &pieces {
                let Piece::Group(group) = piece else { continue };
                ensure!(*group < pattern.captures_len(), "rewrite: {pattern} has no ${group}");
            }
        }
        Ok(Some(Self { places: places.to_vec(), to: to.to_owned(), pieces }))
    }

    /// Rewrites a target that the route has taken.
    pub(super) fn apply(&self, target: &mut Vec<u8>) {
        let Ok(path) = Path::read(target) else { return };
        let Some(place) = self.places.iter().find(|place| place.has(&path)) else { return };
        let to = self.to.as_bytes();
        let mut made = match place {
            Place::Prefix(prefix) => {
                let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
                let rest = path.sent(prefix.len()..path.normal().len());
                // One slash between the two, which the rest has.
                let joined = to.strip_suffix(b"/").filter(|_| !rest.is_empty());
                [joined.unwrap_or(to), &rest].concat()
            }
            Place::Exact(_) => to.to_owned(),
            Place::Pattern(pattern) => self.expand(pattern, &path),
        };
        made.extend_from_slice(path.query());
        *target = made;
    }

    fn expand(&self, pattern: &Regex, path: &Path<'_>) -> Vec<u8> {
        let groups = pattern.captures(path.normal());
        let mut made = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => made.extend_from_slice(text.as_bytes()),
                Piece::Group(number) => {
                    let group = groups.as_ref().and_then(|groups| groups.get(*number));
                    made.extend(group.map(|group| path.sent(group.range())).unwrap_or_default());
                }
            }
        }
        made
    }
}

/// `$1` and `${1}` are groups, `$$` is a dollar.
fn read(to: &str) -> anyhow::Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = to;
    while let Some((before, behind)) = rest.split_once('$') {
        pieces.push(Piece::Text(before.to_owned()));
        if let Some(behind) = behind.strip_prefix('$') {
            pieces.push(Piece::Text("$".to_owned()));
            rest = behind;
            continue;
        }
        let (number, next) = match behind.strip_prefix('{') {
            Some(inner) => inner.split_once('}').context("a { without }")?,
            None => {
                let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
                behind.split_at(end)
            }
        };
        pieces.push(Piece::Group(number.parse().context("write $1 for a group, $$ for a dollar")?));
        rest = next;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::route::condition::Conditions;

    fn rewrite(path: &str, to: Option<&str>) -> anyhow::Result<Option<Rewrite>> {
        let route = Route {
            path: vec![path.parse().unwrap()],
            strip_prefix: to.is_none(),
            rewrite: to.map(str::to_owned),
            ..Route::default()
        };
        Rewrite::new(&route, Conditions::new(&route)?.places())
    }

    #[test]
    fn a_path_is_put_in_the_place_of_what_matched() {
        for (path, to, target, due) in [
            ("/chat", None, "/chat", "/"),
            ("/chat", None, "/chat?a=/chat", "/?a=/chat"),
            ("/chat", None, "/chat/a%20b/%2f c?q", "/a%20b/%2f c?q"),
            ("/chat/", None, "/chat/a", "/a"),
            ("/chat", None, "/%63hat/./x/..//a", "/a"),
            ("/chat", None, "/chat/x/..", "/"),
            ("/", None, "/a", "/a"),
            ("= /chat", None, "/chat?q", "/?q"),
            ("/chat", Some("/app"), "/chat/a?q", "/app/a?q"),
            ("/chat", Some("/app"), "/chat", "/app"),
            ("/chat/", Some("/app/"), "/chat/a//", "/app/a/"),
            ("/chat", Some("/app/"), "/chat", "/app/"),
            ("/", Some("/app"), "/a", "/app/a"),
            ("= /chat", Some("/$1"), "/chat?q", "/$1?q"),
            (
                "~ ^/u/([^/]+)/(.*)$",
                Some("/$2/of/${1}0$$"),
                "/u/a%40b/c%20d?q",
                "/c%20d/of/a%40b0$?q",
            ),
            ("~ ^/(a)?", Some("/x$1"), "/b", "/x"),
        ] {
            let rewrite = rewrite(path, to).unwrap().unwrap();
            let mut made = target.as_bytes().to_vec();
            rewrite.apply(&mut made);
            assert_eq!(made.escape_ascii().to_string(), due, "{path} {to:?} {target}");
        }
    }

    #[test]
    fn what_makes_no_path_is_told() {
        for (path, to) in [
            ("/a", Some("b")),
            ("/a", Some("/b?c")),
            ("/a", Some("/b c")),
            ("~ ^/a", Some("/$1")),
            ("~ ^/(a)", Some("/$b")),
            ("~ ^/(a)", Some("/${1")),
            ("~ ^/a", None),
        ] {
            assert!(rewrite(path, to).is_err(), "{path} {to:?}");
        }
        let route = Route { strip_prefix: true, ..Route::default() };
        assert!(Rewrite::new(&route, &[]).is_err());
    }
}
