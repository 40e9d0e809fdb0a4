//! Opening handshakes that have to be accepted, and what the answer must look like.

use super::{Case, Course, Cut, Dialect, Message, Opening, Side, Step, case, echo, text};
use crate::conformance::case::{Change, Counts, Grade};
use crate::conformance::request::has_key3;
use crate::dialect::hixie::Draft;
use crate::dialect::hybi::Version;

pub(super) fn add(dialect: Dialect, cases: &mut Vec<Case>) {
    let section = match dialect {
        Dialect::Hixie(_) => "opening handshake",
        Dialect::Hybi(_) => "§4",
    };
    let new = |name: &str, about: &str| {
        case(dialect, &format!("opening/{name}"), section, about).only_for(Side::Backend)
    };
    let alive = || echo(Vec::new());
    let with = |changes: Vec<Change>, cut| Opening::Request(changes, cut);
    let whole = Cut::Whole;

    let about =
        "The request of the document: the answer has every field that it has to have, once.";
    cases.push(new("plain", about).comes(alive()).counting(Counts::Opening));
    let about = "The request, one byte a segment.";
    cases.push(new("byte-by-byte", about).opened(with(Vec::new(), Cut::Pieces(1))).comes(alive()));
    let name = if dialect == Dialect::Hixie(Draft::H75) {
        "WebSocket-Protocol"
    } else {
        "Sec-WebSocket-Protocol"
    };
    let about = "A subprotocol is asked for: it comes back, or none does.";
    let asked = with(vec![Change::Add(name, b"echo.conformance".to_vec())], whole);
    cases.push(new("subprotocol", about).opened(asked).comes(alive()).counting(Counts::Opening));
    let about = "A target with a query.";
    let target = with(vec![Change::Line("GET {target}?a=b&c=%20d HTTP/1.1")], whole);
    cases.push(new("query", about).opened(target).comes(alive()).counting(Counts::Opening));
    let about = "Cookies and fields that nobody knows.";
    let fields =
        [("Cookie", &b"a=b; c=d"[..]), ("X-Unknown", b"1"), ("User-Agent", b"conformance")];
    let fields = fields.map(|(name, value)| Change::Add(name, value.to_vec())).to_vec();
    cases.push(new("more-fields", about).opened(with(fields, whole)).comes(alive()));

    if matches!(dialect, Dialect::Hixie(_)) {
        for (name, origin) in [("origin-null", &b"null"[..]), ("origin-file", b"file://")] {
            let about = format!(
                "The origin {}, as of a page from a file, comes back.",
                origin.escape_ascii()
            );
            let origin = with(vec![Change::Set("Origin", origin.to_vec())], whole);
            cases.push(new(name, &about).opened(origin).comes(alive()).counting(Counts::Opening));
        }
        let about = "A cookie field without a value, as the Flash client sends it.";
        let empty = with(vec![Change::Add("Cookie", Vec::new())], whole);
        cases.push(new("empty-cookie", about).opened(empty).comes(alive()));
    }
    if has_key3(dialect) {
        let about = "Key3 comes when the head of the answer has come, as behind an HTTP proxy.";
        // The drafts let a server wait for key3 before it answers.
        let waits = Course::any().graded(Grade::NonStrict);
        let mut late = new("late-key3", about).opened(Opening::LateKey3).comes(alive());
        late = late.comes(waits);
        cases.push(late);
        let about = "The announcement of key3 as a body, which some clients make.";
        let length = with(vec![Change::Add("Content-Length", b"8".to_vec())], whole);
        let may = super::refuses(&[400, 501, 0]).graded(Grade::Informational);
        cases.push(new("content-length-8", about).opened(length).comes(alive()).comes(may));
    } else if matches!(dialect, Dialect::Hybi(_)) {
        modern(&new, cases);
    }
    let about = "What is said right behind the answer, in one segment with it, comes back.";
    cases.push(
        case(dialect, "opening/server-first", section, about)
            .only_for(Side::Client)
            .opened(Opening::AnswerWith(vec![text(dialect, "first of all")]))
            .does(Step::Await(1))
            .says(vec![text(dialect, "and then")])
            .comes(echo(vec![Message::text("first of all"), Message::text("and then")])),
    );
}

fn modern(new: &impl Fn(&str, &str) -> Case, cases: &mut Vec<Case>) {
    let alive = || echo(Vec::new());
    let mut accepts = |name: &str, about: &str, changes: Vec<Change>| {
        let opening = Opening::Request(changes, Cut::Whole);
        let case = new(name, about).opened(opening).comes(alive()).counting(Counts::Opening);
        // The oldest of these versions wanted one word exactly.
        cases.push(case.since(Version::V6));
    };
    let set = |name, value: &[u8]| Change::Set(name, value.to_vec());
    accepts("small-names", "Names of fields in small letters.", vec![Change::SmallNames]);
    let about = "Connection lists more, as in requests of Firefox.";
    accepts("connection-list", about, vec![set("Connection", b"keep-alive, Upgrade")]);
    let about = "Upgrade and Connection in other cases.";
    accepts(
        "other-cases",
        about,
        vec![set("Upgrade", b"WebSocket"), set("Connection", b"UPGRADE")],
    );
    accepts(
        "no-origin",
        "No origin, as of a client that is no browser.",
        vec![Change::Drop("Origin"), Change::Drop("Sec-WebSocket-Origin")],
    );
    let about = "An extension that nobody knows is offered.";
    accepts(
        "unknown-extension",
        about,
        vec![Change::Add("Sec-WebSocket-Extensions", b"x-unknown; a=1, x-other".to_vec())],
    );
    let about = "Several subprotocols are offered, in two fields.";
    accepts(
        "two-subprotocol-fields",
        about,
        vec![
            Change::Add("Sec-WebSocket-Protocol", b"one.conformance, two.conformance".to_vec()),
            Change::Add("Sec-WebSocket-Protocol", b"three.conformance".to_vec()),
        ],
    );
    accepts(
        "other-key",
        "The key of 16 zero bytes.",
        vec![set("Sec-WebSocket-Key", b"AAAAAAAAAAAAAAAAAAAAAA==")],
    );
    accepts(
        "spaces",
        "Spaces around values.",
        vec![
            set("Sec-WebSocket-Key", b"  dGhlIHNhbXBsZSBub25jZQ== \t"),
            set("Upgrade", b" websocket "),
        ],
    );
}
