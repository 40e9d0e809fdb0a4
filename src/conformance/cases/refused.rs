//! Requests that a server must not take for an opening, or that mean two things to two readers.

use super::{Case, Course, Cut, Dialect, Opening, Side, case, echo, refuses};
use crate::conformance::case::{Change, Grade};
use crate::conformance::request::has_key3;
use crate::dialect::hybi::Version;

/// A server of draft-hixie-76 just ends the connection; later ones have a status.
const BAD: &[u16] = &[400, 0];
const VERSION: &[u16] = &[426, 400];

/// How much is lost with a server that accepts it all the same.
#[derive(Clone, Copy)]
enum Rule {
    /// A rule for servers.
    Must,
    /// A rule for clients, on which servers need not insist.
    ForClients,
    /// Open.
    Open,
}

pub(super) fn add(dialect: Dialect, cases: &mut Vec<Case>) {
    let section = match dialect {
        Dialect::Hixie(_) => "opening handshake",
        Dialect::Hybi(_) => "§4.2.1",
    };
    let mut refused = |name: &str, about: &str, rule, statuses, changes: Vec<Change>| {
        let case = case(dialect, &format!("refused/{name}"), section, about);
        let case = case.only_for(Side::Backend).opened(Opening::Request(changes, Cut::Whole));
        let case = case.comes(refuses(statuses));
        cases.push(match rule {
            Rule::Must => case,
            Rule::ForClients => case.comes(accepts(Grade::NonStrict)),
            Rule::Open => case.comes(accepts(Grade::Informational)),
        });
    };
    let set = |name, value: &str| Change::Set(name, value.as_bytes().to_vec());
    let more = |name, value: &str| Change::Add(name, value.as_bytes().to_vec());

    let line = |line| vec![Change::Line(line)];
    let is_hixie = matches!(dialect, Dialect::Hixie(_)) || has_key3(dialect);
    let rule = if is_hixie { Rule::ForClients } else { Rule::Must };
    let plain = &[200, 400, 404, 405, 426, 501, 505, 0];
    refused("post", "A POST.", rule, plain, line("POST {target} HTTP/1.1"));
    refused("http-1.0", "HTTP/1.0.", rule, plain, line("GET {target} HTTP/1.0"));
    refused("no-upgrade", "No Upgrade.", Rule::Must, plain, vec![Change::Drop("Upgrade")]);
    let about = "No Connection.";
    refused("no-connection", about, rule, plain, vec![Change::Drop("Connection")]);
    let about = "Another protocol in Upgrade.";
    refused("other-upgrade", about, Rule::Must, plain, vec![set("Upgrade", "h2c")]);
    refused("no-host", "No Host.", rule, BAD, vec![Change::Drop("Host")]);

    // RFC 9112 sections 3.2, 5.2 and 6.1, RFC 9110 section 5.5: what two readers read differently.
    let about = "Two Hosts.";
    refused("two-hosts", about, Rule::ForClients, BAD, vec![more("Host", "other.example")]);
    let about = "A field that goes on in the next line.";
    refused("folded", about, Rule::Open, BAD, vec![more("X-Folded", "one\r\n two")]);
    refused("nul", "NUL in a value.", Rule::ForClients, BAD, vec![more("X-Nul", "a\0b")]);
    let about = "A CR without LF in a value.";
    refused("bare-cr", about, Rule::ForClients, BAD, vec![more("X-Cr", "a\rX-Other: b")]);
    let about = "An LF without CR in a value.";
    refused("bare-lf", about, Rule::Open, BAD, vec![more("X-Lf", "a\nX-Other: b")]);
    let about = "A space before the colon.";
    refused("space-before-colon", about, Rule::ForClients, BAD, vec![more("X-Space ", "a")]);
    let bodies: &[u16] = &[400, 411, 413, 501, 0];
    let about = "A body is announced.";
    refused("body", about, Rule::Open, bodies, vec![more("Content-Length", "9")]);
    let about = "A body in chunks is announced.";
    refused("chunked", about, Rule::Open, bodies, vec![more("Transfer-Encoding", "chunked")]);

    if is_hixie {
        if has_key3(dialect) {
            for name in ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"] {
                let number = name.trim_start_matches("Sec-WebSocket-Key");
                let (one, two) = (format!("no-key{number}"), format!("two-key{number}"));
                refused(
                    &one,
                    "One of two keys is missing.",
                    Rule::Must,
                    VERSION_OR_END,
                    vec![Change::Drop(name)],
                );
                let about = "A key stands twice.";
                let key = vec![more(name, "3e6b263  4 17 80")];
                refused(&two, about, Rule::ForClients, BAD, key);
            }
            let about = "The keys of two drafts.";
            let key = "dGhlIHNhbXBsZSBub25jZQ==";
            let both = vec![more("Sec-WebSocket-Key", key), more("Sec-WebSocket-Version", "13")];
            refused("mixed", about, Rule::Open, BAD, both);
        }
        return;
    }
    keyed(dialect, &mut refused);
}

const VERSION_OR_END: &[u16] = &[400, 426, 0];

type Refused<'a> = dyn FnMut(&str, &str, Rule, &'static [u16], Vec<Change>) + 'a;

fn keyed(dialect: Dialect, refused: &mut Refused<'_>) {
    let set = |name, value: &str| Change::Set(name, value.as_bytes().to_vec());
    let more = |name, value: &str| Change::Add(name, value.as_bytes().to_vec());
    for (name, version) in
        [("version-99", "99"), ("version-12", "12"), ("version-text", "x"), ("version-13a", "13a")]
    {
        let about = format!("Version {version}.");
        refused(name, &about, Rule::Must, VERSION, vec![set("Sec-WebSocket-Version", version)]);
    }
    let about = "No version.";
    refused("no-version", about, Rule::Must, VERSION, vec![Change::Drop("Sec-WebSocket-Version")]);
    let rule = if dialect == Dialect::Hybi(Version::V13) { Rule::Must } else { Rule::ForClients };
    refused("no-key", "No key.", rule, &[400], vec![Change::Drop("Sec-WebSocket-Key")]);
    for (name, about, key) in [
        ("short-key", "A key of 15 bytes.", "dGhlIHNhbXBsZSBub25j"),
        ("long-key", "A key of 17 bytes.", "dGhlIHNhbXBsZSBub25jZWU="),
        ("no-base64", "A key that is no base64.", "!!!!!!!!!!!!!!!!!!!!!!=="),
        ("empty-key", "An empty key.", ""),
    ] {
        // "A value that, when decoded, is 16 bytes in length" is what a server reads (RFC 6455 section
        // 4.2.1), and need not decode (section 4.2.2).
        refused(name, about, Rule::ForClients, &[400], vec![set("Sec-WebSocket-Key", key)]);
    }
    let about = "Two keys.";
    let key = vec![more("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")];
    refused("two-keys", about, Rule::ForClients, &[400], key);
    let about = "Two versions.";
    let version = vec![more("Sec-WebSocket-Version", "8")];
    refused("two-versions", about, Rule::ForClients, VERSION, version);
    let about = "The keys of two drafts.";
    let keys = vec![
        more("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"),
        more("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00"),
    ];
    refused("mixed", about, Rule::Open, &[400], keys);
}

/// A session all the same.
fn accepts(grade: Grade) -> Course {
    echo(Vec::new()).graded(grade)
}
