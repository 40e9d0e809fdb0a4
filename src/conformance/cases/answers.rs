//! Answers that a client must not take for the opening of a session, and such as it has to take.

use super::{Case, Cut, Dialect, Message, Opening, Side, case, echo, refuses, text};
use crate::conformance::case::{Change, Counts, Grade};
use crate::conformance::request::has_key3;
use crate::dialect::hixie::Draft;
use crate::dialect::hybi::Version;

pub(super) fn add(dialect: Dialect, cases: &mut Vec<Case>) {
    let is_hixie = matches!(dialect, Dialect::Hixie(_)) || has_key3(dialect);
    let section = if is_hixie { "opening handshake" } else { "§4.1" };
    let new = |name: &str, about: &str| {
        case(dialect, &format!("answers/{name}"), section, about).only_for(Side::Client)
    };
    let alive = || echo(vec![Message::text("still here?")]);
    let about =
        "The request has all that it has to have; an answer as the document has it is taken.";
    let plain = new("plain", about).says(vec![text(dialect, "still here?")]).comes(alive());
    cases.push(plain.counting(Counts::Opening));
    let about = "The answer, one byte a segment.";
    cases.push(
        new("byte-by-byte", about)
            .opened(Opening::Answer(Vec::new(), Cut::Pieces(1)))
            .says(vec![text(dialect, "still here?")])
            .comes(alive()),
    );
    let mut refused = |name: &str, about: &str, changes: Vec<Change>, accepted: Option<Grade>| {
        let case = new(name, about)
            .opened(Opening::Answer(changes, Cut::Whole))
            .says(vec![text(dialect, "still here?")])
            .comes(refuses(&[0]));
        cases.push(match accepted {
            None => case,
            Some(grade) => case.comes(alive().graded(grade)),
        });
    };
    let set = |name, value: &str| vec![Change::Set(name, value.as_bytes().to_vec())];
    let line = |line| vec![Change::Line(line), Change::Behind(Vec::new())];
    for (name, status) in [
        ("status-200", "HTTP/1.1 200 OK"),
        ("status-302", "HTTP/1.1 302 Found"),
        ("status-404", "HTTP/1.1 404 Not Found"),
        ("status-500", "HTTP/1.1 500 Internal Server Error"),
    ] {
        refused(name, &format!("The answer is {status}."), line(status), None);
    }
    refused("no-http", "The answer is no HTTP.", line("SSH-2.0-OpenSSH_9.9"), None);
    let about = "No Upgrade.";
    refused("no-upgrade", about, vec![Change::Drop("Upgrade")], None);
    refused("other-upgrade", "Another protocol in Upgrade.", set("Upgrade", "h2c"), None);
    refused("no-connection", "No Connection.", vec![Change::Drop("Connection")], None);
    // draft-hixie-75 and 76 let a client take none but the very same; proxies between have reasons to.
    if is_hixie {
        let prefix = dialect == Dialect::Hixie(Draft::H75);
        let [origin, location, subprotocol] = match prefix {
            true => ["WebSocket-Origin", "WebSocket-Location", "WebSocket-Protocol"],
            false => ["Sec-WebSocket-Origin", "Sec-WebSocket-Location", "Sec-WebSocket-Protocol"],
        };
        let lax = Some(Grade::NonStrict);
        refused("other-origin", "Another origin.", set(origin, "http://evil.example"), lax);
        refused("other-location", "Another location.", set(location, "ws://evil.example/"), lax);
        let about = "A subprotocol that was not asked for.";
        refused("other-subprotocol", about, set(subprotocol, "unasked.conformance"), lax);
        if has_key3(dialect) {
            let zeros = vec![Change::Behind(vec![0; 16])];
            refused("wrong-proof", "16 other bytes behind the head.", zeros, None);
            let short = vec![Change::Behind(b"fifteen bytes..".to_vec()), Change::End];
            ends(&new, "short-proof", "15 bytes behind the head, and the end.", short, cases);
        }
        return;
    }
    let about = "An Accept of another key.";
    refused(
        "wrong-proof",
        about,
        set("Sec-WebSocket-Accept", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        None,
    );
    refused("no-proof", "No Accept.", vec![Change::Drop("Sec-WebSocket-Accept")], None);
    let about = "A subprotocol that was not offered.";
    let lax = (dialect != Dialect::RFC6455).then_some(Grade::Informational);
    refused("other-subprotocol", about, set("Sec-WebSocket-Protocol", "unasked.conformance"), lax);
    let about = "An extension that was not offered.";
    refused("other-extension", about, set("Sec-WebSocket-Extensions", "x-unasked"), lax);
    if dialect == Dialect::Hybi(Version::V4) {
        let about = "No nonce.";
        refused("no-nonce", about, vec![Change::Drop("Sec-WebSocket-Nonce")], None);
    }
    let about = "Names of fields in small letters.";
    cases.push(
        new("small-names", about)
            .opened(Opening::Answer(vec![Change::SmallNames], Cut::Whole))
            .says(vec![text(dialect, "still here?")])
            .comes(alive()),
    );
    let half =
        vec![Change::Line("HTTP/1.1 101 Switching"), Change::End, Change::Drop("Connection")];
    ends(&new, "end-of-stream", "A head without Connection, and the end.", half, cases);
}

fn ends(
    new: &impl Fn(&str, &str) -> Case,
    name: &str,
    about: &str,
    changes: Vec<Change>,
    cases: &mut Vec<Case>,
) {
    let case = new(name, about).opened(Opening::Answer(changes, Cut::Whole));
    cases.push(case.comes(refuses(&[0])));
}
