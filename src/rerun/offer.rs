//! What a recorded client asks another server for.

use crate::dialect::Dialect;
use crate::handshake::{Offer, Proof, Subprotocols, is_end_to_end};
use crate::transcript::event::Open;
use regex::Regex;

/// What is changed in recorded requests.
#[derive(Debug, Default)]
pub(crate) struct Rewriting {
    /// Fields that are set, in the place of those of the same name.
    pub(crate) set: Vec<(String, String)>,
    /// The names of fields that are left out.
    pub(crate) drop: Vec<String>,
    /// The origin, where it is another.
    pub(crate) origin: Option<String>,
    /// The host, where it is another than the target's.
    pub(crate) host: Option<String>,
    /// What becomes of request targets.
    pub(crate) targets: Vec<(Regex, String)>,
}

impl Rewriting {
    /// What a client asks a server for, whose own name is `host`, below `path`.
    pub(super) fn offer(&self, open: &Open, host: &str, path: &str) -> Offer {
        let field = |names: &[&str]| {
            let of = |name: &str| names.iter().any(|other| name.eq_ignore_ascii_case(other));
            open.fields.iter().find(|(name, _)| of(name)).map(|(_, value)| bytes(value))
        };
        let origin = field(&["Origin", "Sec-WebSocket-Origin"]);
        let origin = self.origin.as_deref().map(bytes).or(origin);
        let subprotocols = match field(&["Sec-WebSocket-Protocol", "WebSocket-Protocol"]) {
            None => Subprotocols::None,
            Some(value) => match open.dialect {
                Dialect::Hixie(_) => Subprotocols::Opaque(value),
                Dialect::Hybi(_) => {
                    let list = String::from_utf8_lossy(&value).into_owned();
                    let tokens = list.split(',').map(str::trim).filter(|token| !token.is_empty());
                    Subprotocols::List(tokens.map(str::to_owned).collect())
                }
            },
        };
        let target = self.targets.iter().fold(open.target.clone(), |target, (pattern, with)| {
            pattern.replace_all(&target, with.as_str()).into_owned()
        });
        let same = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
        let stays = |name: &str| {
            is_end_to_end(name)
                && !self.drop.iter().any(|dropped| same(dropped, name))
                && !self.set.iter().any(|(set, _)| same(set, name))
        };
        let kept = open.fields.iter().filter(|(name, value)| stays(name) && !value.is_empty());
        Offer {
            target: bytes(&format!("{path}{target}")),
            host: bytes(self.host.as_deref().unwrap_or(host)),
            origin: origin.filter(|origin| !origin.is_empty()),
            subprotocols,
            extensions: Vec::new(),
            fields: kept
                .chain(&self.set)
                .map(|(name, value)| (name.clone(), bytes(value)))
                .collect(),
            proof: Proof::None,
        }
    }
}

/// The bytes of a text of a recording, in which what is not ASCII stands as in Latin-1.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    match text.chars().map(u8::try_from).collect() {
        Ok(bytes) => bytes,
        Err(_) => text.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_hop_is_made_anew() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let open = Open {
            dialect: "hixie-76".parse().unwrap(),
            client: String::new(),
            server: String::new(),
            target: "/old/a?b".to_owned(),
            fields: vec![
                field("Host", "old.example"),
                field("Upgrade", "WebSocket"),
                field("Sec-WebSocket-Key1", "1 2"),
                field("Origin", "http://old.example"),
                field("Sec-WebSocket-Protocol", "chat"),
                field("Cookie", "a=\u{e9}"),
                field("X-Gone", "1"),
            ],
        };
        let rewriting = Rewriting {
            set: vec![field("X-Set", "2")],
            drop: vec!["x-gone".to_owned()],
            targets: vec![(Regex::new("^/old").unwrap(), "/new".to_owned())],
            ..Rewriting::default()
        };
        let offer = rewriting.offer(&open, "new.example:81", "/base");
        assert_eq!(offer.target, b"/base/new/a?b");
        assert_eq!(offer.host, b"new.example:81");
        assert_eq!(offer.origin.as_deref(), Some(&b"http://old.example"[..]));
        assert_eq!(offer.subprotocols, Subprotocols::Opaque(b"chat".to_vec()));
        let due = [("Cookie", &b"a=\xe9"[..]), ("X-Set", b"2")];
        assert_eq!(offer.fields, due.map(|(name, value)| (name.to_owned(), value.to_vec())));
    }
}
