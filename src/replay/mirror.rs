//! A recorded session from its other side: the server says what it said, and the client is heard. What
//! comes from the client first and from the server later is then found as variables are.

use super::script::{Heard, Said, Script};
use crate::event::Side;
use crate::transcript::event::{Accept, Open};

/// The script of the server of a session.
///
/// Its `said` are the messages of the server, and `seen` of each is how many the client had said before;
/// its `heard` are those of the client. What the server answered the opening with stands where a client's
/// request does, and the other way round.
pub fn mirrored(script: Script) -> Script {
    let opened = script.opened();
    let answered = script.accept.map(|(_, accept)| accept.fields).unwrap_or_default();
    let Open { dialect, client, server, target, fields } = script.open;
    let accept = Accept { status: 101, fields: asked(&target, &fields) };
    let mut before = script.heard.iter().map(|heard| heard.after).peekable();
    let mut after = 0;
    let heard = script.said.into_iter().enumerate().map(|(index, said)| {
        while before.next_if(|before| *before <= index).is_some() {
            after += 1;
        }
        Heard { at: said.at, packet: said.packet, after, body: said.body }
    });
    let heard = heard.collect();
    let said = script.heard.into_iter().map(|heard| Said {
        at: heard.at,
        packet: heard.packet,
        seen: heard.after,
        body: heard.body,
    });
    let mut closing = script.closing;
    closing.by = closing.by.map(Side::other);
    Script {
        session: script.session,
        at: script.at,
        open: Open {
            dialect,
            client: server,
            server: client,
            target: String::new(),
            fields: answered,
        },
        accept: Some((opened, accept)),
        said: said.collect(),
        heard,
        closing,
        damage: script.damage,
    }
}

/// What a client says in its request: the fields, and the parameters of the query as fields whose names
/// begin with a question mark, which no other does.
pub fn asked(target: &str, fields: &[(String, String)]) -> Vec<(String, String)> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    let parameters = parameters.map(|(name, value)| (format!("?{name}"), value.to_owned()));
    fields.iter().cloned().chain(parameters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;
    use crate::replay::rules::Rules;
    use crate::replay::script::{Body, Closing};
    use crate::replay::variables::Variables;

    fn body(text: &str) -> Body {
        Body { kind: Kind::Text, data: text.as_bytes().to_vec() }
    }

    /// What the client made up, in its request or a message, is its own again where the server repeats it.
    #[test]
    fn the_other_side() {
        let said = |at, text: &str| Said { at, packet: None, seen: 0, body: body(text) };
        let heard = |at, after, text: &str| Heard { at, packet: None, after, body: body(text) };
        let field = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let script = Script {
            session: 1,
            at: 0,
            open: Open {
                dialect: "hixie-76".parse().unwrap(),
                client: "c".to_owned(),
                server: "s".to_owned(),
                target: "/a?user=alice99".to_owned(),
                fields: field("X-Trace", "trace-0001"),
            },
            accept: Some((5, Accept { status: 101, fields: field("Set-Cookie", "sid=own-0001") })),
            said: vec![said(20, r#"{"id":"call-0001"}"#), said(30, r#"{"id":"call-0002"}"#)],
            heard: vec![
                heard(10, 0, r#"{"user":"alice99","trace":"trace-0001","sid":"own-0001"}"#),
                heard(40, 2, r#"{"to":["call-0002","call-0001"]}"#),
            ],
            closing: Closing { by: Some(Side::Backend), at: 50, ..Closing::default() },
            damage: None,
        };
        let mirror = mirrored(script);
        assert_eq!(mirror.opened(), 5);
        assert_eq!(mirror.closing.by, Some(Side::Client));
        assert_eq!(mirror.said.iter().map(|said| said.seen).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(mirror.heard.iter().map(|heard| heard.after).collect::<Vec<_>>(), [1, 1]);
        let mut variables = Variables::find(&mirror);
        let live = asked("/a?user=bob0001&x", &field("X-Trace", "trace-9999"));
        variables.answered(&live, &Rules::default());
        variables.heard(0, &body(r#"{"id":"call-8888"}"#), &Rules::default());
        variables.heard(1, &body(r#"{"id":"call-9999"}"#), &Rules::default());
        let rewritten = |number| {
            let said = &mirror.said[number];
            String::from_utf8(variables.rewritten(number, &said.body).into_owned().data).unwrap()
        };
        assert_eq!(rewritten(0), r#"{"user":"bob0001","trace":"trace-9999","sid":"own-0001"}"#);
        assert_eq!(rewritten(1), r#"{"to":["call-9999","call-8888"]}"#);
    }
}
