//! Made-up sessions, and clients that say more, less and other things than they did then.

use super::*;
use crate::event::Kind;
use crate::replay::lanes::Survey;
use crate::replay::script::{Closing, Heard, Said};
use crate::transcript::event::{Accept, Open};

const MS: u64 = 1_000_000;

/// What was recorded: `<` and a message of the server, `>` and one of the client, `x` and the server's
/// close code, each at its time in milliseconds.
fn script(all: &[(u64, &str)]) -> Script {
    let mut script = Script {
        session: 1,
        at: 0,
        open: Open {
            dialect: "rfc6455".parse().unwrap(),
            client: String::new(),
            server: String::new(),
            target: "/".to_owned(),
            fields: Vec::new(),
        },
        accept: Some((0, Accept { status: 101, fields: Vec::new() })),
        said: Vec::new(),
        heard: Vec::new(),
        closing: Closing::default(),
        damage: None,
    };
    for (at, what) in all {
        let (who, text) = what.split_at(1);
        let (at, packet, body) = (at * MS, None, body(text));
        match who {
            ">" => script.said.push(Said { at, packet, seen: script.heard.len(), body }),
            "<" => {
                script.heard.push(Heard { at, packet, after: script.said.len(), body });
            }
            _ => {
                script.closing = Closing {
                    by: Some(Side::Backend),
                    at,
                    code: text.parse().ok(),
                    reason: "bye".to_owned(),
                };
            }
        }
    }
    script
}

fn body(text: &str) -> Body {
    Body { kind: Kind::Text, data: text.as_bytes().to_vec() }
}

fn role(script: &Script, pace: &str) -> Role {
    let mut rules = Rules::default();
    let (mut asks, mut tells) = (Survey::default(), Survey::default());
    tells.look(script, &rules);
    asks.look(&mirrored(script.clone()), &rules);
    let mut role = Role {
        asks: asks.lanes(&mut rules),
        tells: tells.lanes(&mut rules),
        rules,
        strictness: Strictness::Json,
        pace: pace.parse().unwrap(),
        stall: 500 * MS,
        nearest: true,
        carry: true,
        made: Made::new(),
    };
    role.look(&mirrored(script.clone()));
    role
}

fn mock(all: &[(u64, &str)], pace: &str) -> Mock {
    let script = script(all);
    Mock::new(Arc::new(role(&script, pace)), script, 0, &[])
}

/// All that is said now, and then what is waited for.
fn said(mock: &mut Mock, now: u64) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        all.push(match mock.next(now * MS) {
            Next::Say(body) => body.text().unwrap().to_owned(),
            Next::Wait(NEVER) => "…".to_owned(),
            Next::Wait(until) => format!("{} ms", until / MS),
            Next::Leave(code) => format!("leave {code:?}"),
            Next::Ask(_) => panic!("a mock asks nobody"),
            Next::Done => "done".to_owned(),
        });
        if matches!(all.last().map(String::as_str), Some("…" | "done"))
            || all.join("").ends_with("ms")
        {
            return all;
        }
    }
}

fn hears(mock: &mut Mock, now: u64, text: &str) -> Option<Miss> {
    mock.heard(now * MS, &body(text))
}

#[test]
fn a_reply_waits_for_what_it_answers() {
    let mut mock = mock(&[(1, "<hello"), (2, ">a"), (9, "<1"), (10, ">b"), (19, "<2")], "causal");
    assert_eq!(said(&mut mock, 0), ["hello", "…"]);
    assert_eq!(hears(&mut mock, 700, "a"), None);
    assert_eq!(said(&mut mock, 700), ["1", "…"]);
    assert_eq!(hears(&mut mock, 701, "b"), None);
    assert_eq!(said(&mut mock, 701), ["2", "…"]);
    assert_eq!(mock.tally(), Tally { matched: 2, missed: 0 });
    mock.ended();
    assert_eq!(said(&mut mock, 702), ["done"]);
}

/// A reply comes at once, and what comes unasked after its pause behind what came before.
#[test]
fn pauses() {
    let all = [
        (5, r#"<{"op":"hello","v":1}"#),
        (10, r#">{"op":"sub"}"#),
        (30, r#"<{"op":"ok","id":1}"#),
        (130, r#"<{"op":"tick","n":1}"#),
        (330, r#"<{"op":"tick","n":2}"#),
        (530, r#"<{"op":"tick","n":3}"#),
    ];
    let times = |pace: &str| {
        let mut mock = mock(&all, pace);
        let (mut times, mut now, mut asked) = (Vec::new(), 0, false);
        loop {
            match mock.next(now * MS) {
                Next::Say(_) => times.push(now),
                Next::Wait(NEVER) if asked => return times,
                Next::Wait(NEVER) => {
                    (now, asked) = (1000, true);
                    hears(&mut mock, now, r#"{"op":"sub"}"#);
                }
                Next::Wait(until) => now = until.div_ceil(MS),
                next => panic!("{next:?}"),
            }
        }
    };
    assert_eq!(times("causal"), [0, 1000, 1100, 1300, 1500]);
    assert_eq!(times("time"), [5, 1020, 1120, 1320, 1520]);
    assert_eq!(times("time:×2"), [3, 1010, 1060, 1160, 1260]);
    assert_eq!(times("fast"), [0, 1000, 1000, 1000, 1000]);
}

/// What the client passes over, its lane has done with; what comes late is known still.
#[test]
fn some_may_be_missing_or_late() {
    let mut mock =
        mock(&[(1, ">a"), (2, "<1"), (3, ">b"), (4, "<2"), (5, ">c"), (6, "<3")], "fast");
    assert_eq!(said(&mut mock, 0), ["…"]);
    assert_eq!(hears(&mut mock, 0, "b"), None);
    assert_eq!(said(&mut mock, 0), ["1", "2", "…"]);
    assert_eq!(hears(&mut mock, 0, "a"), None);
    assert!(hears(&mut mock, 0, "a").is_some(), "a second time it is not");
    assert_eq!(mock.tally(), Tally { matched: 2, missed: 1 });
}

/// A message of another lane may still come, but not for ever.
#[test]
fn other_lanes_are_waited_for() {
    let all = [
        (1, r#">{"op":"login","user":"a"}"#),
        (2, r#">{"op":"list"}"#),
        (3, r#"<{"re":"login"}"#),
        (4, r#"<{"re":"list"}"#),
    ];
    let mut mock = mock(&all, "causal");
    assert_eq!(hears(&mut mock, 100, r#"{"op":"list"}"#), None);
    assert_eq!(said(&mut mock, 100), ["600 ms"]);
    assert_eq!(said(&mut mock, 600), [r#"{"re":"login"}"#, r#"{"re":"list"}"#, "…"]);
    let mut mock = self::mock(&all, "causal");
    hears(&mut mock, 100, r#"{"op":"list"}"#);
    hears(&mut mock, 101, r#"{"user":"a","op":"login"}"#);
    assert_eq!(said(&mut mock, 101), [r#"{"re":"login"}"#, r#"{"re":"list"}"#, "…"]);
    assert_eq!(mock.tally(), Tally { matched: 2, missed: 0 });
}

#[test]
fn a_miss_stands_for_what_is_most_like_it() {
    let all = [
        (1, r#">{"op":"buy","what":"a","count":1}"#),
        (2, r#"<{"a":1}"#),
        (3, r#">{"op":"buy","what":"b","count":2}"#),
        (4, r#"<{"b":2}"#),
    ];
    let mut mock = mock(&all, "causal");
    let miss = hears(&mut mock, 0, r#"{"op":"buy","what":"b","count":3}"#).unwrap();
    let (place, differences) = miss.nearest.unwrap();
    assert_eq!((place.number, differences.len()), (2, 1));
    assert_eq!(differences[0].path, "/count");
    assert_eq!(said(&mut mock, 0), [r#"{"a":1}"#, r#"{"b":2}"#, "…"]);
    let miss = hears(&mut mock, 0, "nonsense").unwrap();
    assert_eq!((miss.text.as_str(), miss.nearest), ("nonsense", None));
    assert_eq!(mock.tally(), Tally { matched: 0, missed: 2 });
    // Where it does not stand for it, nothing is said.
    let script = script(&all);
    let role = Role { nearest: false, ..role(&script, "causal") };
    let mut mock = Mock::new(Arc::new(role), script, 0, &[]);
    let miss = hears(&mut mock, 0, r#"{"op":"buy","what":"a","count":3}"#).unwrap();
    assert_eq!(miss.nearest.unwrap().0.number, 1);
    assert_eq!(said(&mut mock, 0), ["…"]);
    assert_eq!(hears(&mut mock, 0, r#"{"op":"buy","what":"a","count":1}"#), None);
    assert_eq!(said(&mut mock, 0), [r#"{"a":1}"#, "…"]);
}

/// The client's own values come back to it, and count as the same where it repeats them.
#[test]
fn values_of_the_client() {
    let all = [
        (1, r#">{"id":"call-0001","do":"x"}"#),
        (2, r#"<{"for":"call-0001","ticket":"t-123456"}"#),
        (3, r#">{"end":"call-0001","ticket":"t-123456"}"#),
        (4, r#"<bye call-0001"#),
    ];
    let mut mock = mock(&all, "causal");
    assert_eq!(hears(&mut mock, 0, r#"{"id":"call-7777","do":"x"}"#), None);
    assert_eq!(said(&mut mock, 0), [r#"{"for":"call-7777","ticket":"t-123456"}"#, "…"]);
    assert_eq!(hears(&mut mock, 0, r#"{"end":"call-7777","ticket":"t-123456"}"#), None);
    assert_eq!(said(&mut mock, 0), ["bye call-7777", "…"]);
}

#[test]
fn ends() {
    let all = [(1, ">quit"), (2, "<ok"), (52, "x4001"), (60, ">late")];
    let mut ended = mock(&all, "causal");
    assert_eq!(said(&mut ended, 0), ["…"]);
    hears(&mut ended, 100, "quit");
    assert_eq!(said(&mut ended, 100), ["ok", "150 ms"]);
    assert_eq!(said(&mut ended, 150), ["leave Some(4001)", "2150 ms"]);
    assert_eq!(ended.reason(), "bye");
    assert_eq!(hears(&mut ended, 151, "late"), None, "what comes behind the close does not count");
    assert_eq!(ended.tally(), Tally { matched: 1, missed: 0 });
    assert_eq!(said(&mut ended, 2150), ["done"]);
    let mut mock = mock(&all, "fast");
    mock.end(close_code::GOING_AWAY);
    assert_eq!(said(&mut mock, 0), ["leave Some(1001)", "2000 ms"]);
    assert_eq!(mock.reason(), "");
}
