//! Header fields that the settings remove, set and add.

use crate::config::route::{HeaderEdits, Route};
use crate::handshake::{Field, Headers, is_end_to_end};
use crate::wire::grammar::is_token;
use anyhow::{Context, ensure};

/// What is done to the fields of a request or a response.
#[derive(Debug)]
pub(super) struct Changes {
    remove: Vec<String>,
    set: Vec<Field>,
    add: Vec<Field>,
}

impl Changes {
    /// The changes of the settings.
    ///
    /// # Errors
    /// When a field is none, or not the route's to change.
    pub(super) fn new(settings: &HeaderEdits) -> anyhow::Result<Self> {
        let HeaderEdits { remove, set, add } = settings;
        remove.iter().try_for_each(|name| check_name(name))?;
        let field = |(name, value): (&String, &String)| {
            check_name(name)?;
            check_value(value).with_context(|| name.clone())?;
            Ok((name.clone(), value.clone().into_bytes()))
        };
        Ok(Self {
            remove: remove.clone(),
            set: set.iter().map(field).collect::<anyhow::Result<_>>()?,
            add: add.iter().map(field).collect::<anyhow::Result<_>>()?,
        })
    }

    /// Makes the changes.
    pub(super) fn apply(&self, headers: &mut dyn Headers) {
        self.remove.iter().for_each(|name| headers.remove(name));
        self.set.iter().for_each(|(name, value)| headers.set(name, value.clone()));
        self.add.iter().for_each(|(name, value)| headers.add(name, value.clone()));
    }
}

/// Checks the other fields that a route can name.
///
/// # Errors
/// When one cannot stand in a head.
pub(super) fn check(settings: &Route) -> anyhow::Result<()> {
    if let Some(name) = &settings.request_id {
        check_name(name).context("request_id")?;
    }
    if let Some(origin) = &settings.origin_header {
        check_value(origin).context("origin_header")?;
        // What is asked of the origins of clients.
        ensure!(origin.is_ascii(), "origin_header: only ASCII can stand in an origin");
    }
    Ok(())
}

fn check_name(name: &str) -> anyhow::Result<()> {
    ensure!(is_token(name.as_bytes()), "{name:?} is no name of a field");
    // Host and Origin among them, which have keys of their own.
    ensure!(is_end_to_end(name), "{name} belongs to the connection or to the handshake");
    Ok(())
}

fn check_value(value: &str) -> anyhow::Result<()> {
    ensure!(!value.is_empty(), "empty; some old peers cannot read that, use remove");
    ensure!(!value.contains(char::is_control), "control character in the value");
    ensure!(value.trim_ascii() == value, "blank at the start or the end");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn fields_are_removed_set_and_added_in_this_order() {
        let one = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let changes = Changes::new(&HeaderEdits {
            remove: vec!["x-gone".to_owned(), "X-Both".to_owned()],
            set: one("X-Set", "new"),
            add: one("X-Both", "again"),
        });
        let field = |name: &str, value: &str| -> Field { (name.to_owned(), value.into()) };
        let mut fields = vec![
            field("X-Gone", "1"),
            field("x-set", "old"),
            field("X-BOTH", "2"),
            field("X-Kept", "3"),
            field("X-SET", "older"),
        ];
        changes.unwrap().apply(&mut fields);
        let due = [field("X-Set", "new"), field("X-Kept", "3"), field("X-Both", "again")];
        assert_eq!(fields, due);
    }

    #[test]
    fn what_is_not_a_routes_to_change_is_told() {
        for name in [
            "Upgrade",
            "connection",
            "Host",
            "Origin",
            "Sec-WebSocket-Key",
            "WebSocket-Protocol",
            "Content-Length",
            "Transfer-Encoding",
            "TE",
            "Expect",
            "a b",
            "",
        ] {
            let remove = vec![name.to_owned()];
            let edits = HeaderEdits { remove, ..HeaderEdits::default() };
            assert!(Changes::new(&edits).is_err(), "{name}");
        }
        for value in ["", "a\r\nb: c", "a\0", " a", "a\u{7f}"] {
            let set = BTreeMap::from([("X-A".to_owned(), value.to_owned())]);
            let edits = HeaderEdits { set, ..HeaderEdits::default() };
            assert!(Changes::new(&edits).is_err(), "{value:?}");
        }
    }
}
