//! Which recorded session a live client gets: one of the same target, or else of the same path.

use super::script::Script;
use std::collections::HashMap;

/// The sessions that can be given, by what was asked for.
#[derive(Debug, Default)]
pub struct Repertoire {
    pieces: Vec<Piece>,
    by_target: HashMap<String, Vec<usize>>,
    by_path: HashMap<String, Vec<usize>>,
    /// How often each choice of sessions has been given: as many as there are sessions, at most by the
    /// number of subprotocols.
    given: HashMap<Vec<usize>, usize>,
}

#[derive(Debug)]
struct Piece {
    subprotocol: Option<String>,
}

impl Repertoire {
    /// Adds a session; the sessions have numbers from 0, in the order in which they are added.
    pub fn add(&mut self, script: &Script) {
        let number = self.pieces.len();
        let target = &script.open.target;
        self.by_target.entry(target.clone()).or_default().push(number);
        self.by_path.entry(path(target).to_owned()).or_default().push(number);
        let subprotocol = script.accept.as_ref().and_then(|(_, accept)| chosen(&accept.fields));
        self.pieces.push(Piece { subprotocol: subprotocol.map(str::to_owned) });
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Which session a client gets that asks for a target and offers subprotocols: of those with its
    /// target, or else with its path, those whose server chose what it offers, if there are any; the first
    /// client the first of them, and so on, and behind the last the first again.
    pub fn choose(&mut self, target: &str, offered: &[&str]) -> Option<usize> {
        let same = self.by_target.get(target).or_else(|| self.by_path.get(path(target)))?;
        let subprotocol = |number: &usize| {
            self.pieces.get(*number).and_then(|piece| piece.subprotocol.as_deref())
        };
        let with = |wanted: Option<&str>| -> Vec<usize> {
            same.iter().copied().filter(|number| subprotocol(number) == wanted).collect()
        };
        // What the client likes best counts first.
        let wanted = offered.iter().map(|offered| Some(*offered)).chain([None]);
        let choice = wanted.map(with).find(|choice| !choice.is_empty());
        let choice = choice.unwrap_or_else(|| same.clone());
        let count = choice.len();
        let given = self.given.entry(choice.clone()).or_default();
        let number = choice.get(*given % count).copied();
        *given = given.wrapping_add(1);
        number
    }
}

/// A target without its query.
pub fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or(target)
}

/// The subprotocol that a server chose.
pub fn chosen(fields: &[(String, String)]) -> Option<&str> {
    let is_it = |name: &str| {
        let names = ["Sec-WebSocket-Protocol", "WebSocket-Protocol"];
        names.iter().any(|other| name.eq_ignore_ascii_case(other))
    };
    let mut values = fields.iter().filter(|(name, _)| is_it(name)).map(|(_, value)| value.as_str());
    values.find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::script::Closing;
    use crate::transcript::event::{Accept, Open};

    fn repertoire(sessions: &[(&str, &str)]) -> Repertoire {
        let mut repertoire = Repertoire::default();
        for (target, subprotocol) in sessions {
            let field = ("sec-websocket-protocol".to_owned(), (*subprotocol).to_owned());
            repertoire.add(&Script {
                session: 1,
                at: 0,
                open: Open {
                    dialect: "hixie-76".parse().unwrap(),
                    client: String::new(),
                    server: String::new(),
                    target: (*target).to_owned(),
                    fields: Vec::new(),
                },
                accept: Some((0, Accept { status: 101, fields: vec![field] })),
                said: Vec::new(),
                heard: Vec::new(),
                closing: Closing::default(),
                damage: None,
            });
        }
        repertoire
    }

    #[test]
    fn the_same_target_counts_before_the_same_path() {
        let mut all = repertoire(&[("/a?x=1", ""), ("/b", ""), ("/a?x=2", ""), ("/a?x=1", "")]);
        let mut asked = |target: &str| all.choose(target, &[]);
        assert_eq!([(); 3].map(|()| asked("/a?x=1")), [Some(0), Some(3), Some(0)]);
        assert_eq!([(); 4].map(|()| asked("/a?x=3")), [Some(0), Some(2), Some(3), Some(0)]);
        assert_eq!((asked("/a?x=2"), asked("/b?y"), asked("/c")), (Some(2), Some(1), None));
    }

    #[test]
    fn a_subprotocol_chooses() {
        let mut all = repertoire(&[("/", "chat"), ("/", "chat.v2"), ("/", ""), ("/", "chat.v2")]);
        let mut offered = |offered: &[&str]| all.choose("/", offered);
        assert_eq!([(); 3].map(|()| offered(&["chat.v2", "chat"])), [Some(1), Some(3), Some(1)]);
        assert_eq!(
            (offered(&["chat"]), offered(&[]), offered(&["new"])),
            (Some(0), Some(2), Some(2))
        );
        // Where there is no choice, it does not count.
        assert_eq!(repertoire(&[("/", "chat")]).choose("/", &[]), Some(0));
    }
}
