//! Made-up sessions: orders that are acknowledged, quotes that come unasked, and a token that the client
//! has to say.

use hybridge::event::{Kind, Side};
use hybridge::replay::script::{Body, Closing, Heard, Said, Script};
use hybridge::transcript::event::{Accept, Open};
use proptest::prelude::*;

pub(crate) const TOKEN: &str = "abc123def456";

/// What happens in a session, in order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happening {
    /// The client orders, when it has seen all of the server that came by then but the last so many.
    Order(usize),
    /// The oldest order that is not yet is acknowledged.
    Ack,
    /// A quote comes.
    Quote,
}

pub(crate) fn text(text: &str) -> Body {
    Body { kind: Kind::Text, data: text.as_bytes().to_vec() }
}

pub(crate) fn welcome(token: &str) -> Body {
    text(&format!(r#"{{"op":"welcome","token":"{token}"}}"#))
}

pub(crate) fn order(id: usize, token: &str) -> Body {
    text(&format!(r#"{{"op":"order","id":{id},"token":"{token}"}}"#))
}

pub(crate) fn ack(id: usize) -> Body {
    text(&format!(r#"{{"op":"ack","id":{id},"status":"filled"}}"#))
}

pub(crate) fn quote(number: usize) -> Body {
    text(&format!(r#"{{"op":"quote","number":{number},"price":{number}.5}}"#))
}

/// A session in which this happens behind a login and its welcome. Every order is acknowledged.
pub(crate) fn script(happenings: &[Happening]) -> Script {
    let open = Open {
        dialect: "hixie-76".parse().unwrap(),
        client: String::new(),
        server: String::new(),
        target: "/".to_owned(),
        fields: Vec::new(),
    };
    let mut script = Script {
        session: 1,
        at: 0,
        open,
        accept: Some((1, Accept { status: 101, fields: Vec::new() })),
        said: vec![Said { at: 2, packet: None, seen: 0, body: text(r#"{"op":"login"}"#) }],
        heard: vec![Heard { at: 3, packet: None, after: 1, body: welcome(TOKEN) }],
        closing: Closing::default(),
        damage: None,
    };
    let (mut at, mut acks, mut quotes, mut seen) = (3, 0, 0, 1);
    let hear = |script: &mut Script, at, body| {
        let after = script.said.len();
        script.heard.push(Heard { at, packet: None, after, body });
    };
    for happening in happenings {
        at += 1_000_000;
        match happening {
            Happening::Order(unseen) => {
                seen = script.heard.len().saturating_sub(*unseen).max(seen);
                let body = order(script.said.len(), TOKEN);
                script.said.push(Said { at, packet: None, seen, body });
            }
            Happening::Ack if acks + 1 < script.said.len() => {
                acks += 1;
                hear(&mut script, at, ack(acks));
            }
            Happening::Ack => {}
            Happening::Quote => {
                quotes += 1;
                hear(&mut script, at, quote(quotes));
            }
        }
    }
    while acks + 1 < script.said.len() {
        acks += 1;
        at += 1_000_000;
        hear(&mut script, at, ack(acks));
    }
    script.closing = Closing { by: Some(Side::Client), at: at + 1, ..Closing::default() };
    script
}

pub(crate) fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        (0_usize..4).prop_map(Happening::Order),
        Just(Happening::Ack),
        Just(Happening::Quote),
    ];
    prop::collection::vec(one, 0..40)
}
