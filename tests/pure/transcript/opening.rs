//! What comes before a session: what is none, plain requests, the opening handshakes.

use super::{ANSWER, KEY3, Listener, end, heard_in_any_cutting, opening, request, response, text};
use crate::peer::DIALECTS;
use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::Draft;
use hybridge::event::Side;
use hybridge::transcript::conversation::Found;
use hybridge::transcript::event::{Accept, How, Open, What};

const H76: Dialect = Dialect::Hixie(Draft::H76);

#[test]
fn every_dialect_opens() {
    for dialect in DIALECTS {
        let told = heard_in_any_cutting(&opening(dialect));
        assert_eq!(told.found(), Found::WebSocket);
        let [What::Open(open), What::Accept(accept)] = &told.told[..] else {
            panic!("{:?}", told.told)
        };
        let Open { dialect: of, client, server, target, fields } = open;
        assert_eq!((*of, &target[..], &client[..], &server[..]), (dialect, "/demo", "", ""));
        let names: Vec<_> = fields.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(names[..4], ["Upgrade", "Connection", "Host", "Origin"]);
        let upgrade = [("Upgrade", "WebSocket"), ("Connection", "Upgrade")];
        let fields = upgrade.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(*accept, Accept { status: 101, fields });
    }
}

/// key3 in a later segment, the head of the answer before it, the 16 bytes behind it, and frames in
/// the segments of the handshake.
#[test]
fn the_keys_of_76_come_late() {
    let script = [
        (Side::Client, request(H76, "")),
        (Side::Backend, response("")),
        (Side::Client, [KEY3, b"\0one\xff"].concat()),
        (Side::Backend, [ANSWER, b"\0two\xff\xff\0"].concat()),
    ];
    let told = heard_in_any_cutting(&script);
    assert!(matches!(told.told[..2], [What::Open(_), What::Accept(_)]));
    let close = What::Close { from: Side::Backend, code: None, reason: String::new() };
    let said = [text(Side::Client, "one", 0), text(Side::Backend, "two", 1), close];
    assert_eq!(told.told[2..], said);
}

#[test]
fn a_field_is_told_as_latin_1() {
    let mut listener = Listener::default();
    let mut head = request(H76, "Cookie: a=\u{e9}\r\n");
    let at = head.windows(2).position(|two| two == "\u{e9}".as_bytes()).unwrap();
    head.remove(at);
    listener.feed(Side::Client, &head);
    let [What::Open(open)] = &listener.told[..] else { panic!("{:?}", listener.told) };
    assert_eq!(open.fields.last().unwrap().1, "a=\u{a9}");
}

#[test]
fn a_session_follows_plain_requests() {
    let requests: [&[u8]; 5] = [
        b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /form HTTP/1.1\r\nContent-Length: 4\r\n\r\nGET \r\n",
        b"HEAD /long HTTP/1.1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nGET \r\n0\r\nA: b\r\n\r\n",
        b"GET /known HTTP/1.1\r\n\r\n",
    ];
    let answers: [&[u8]; 5] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 ",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n101\r\n0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n",
    ];
    let upgrade = opening(H76);
    let turns = requests.iter().zip(answers);
    let in_turn = turns
        .flat_map(|(ask, say)| [(Side::Client, ask.to_vec()), (Side::Backend, say.to_vec())])
        .chain(upgrade.clone())
        .collect::<Vec<_>>();
    let pipelined = vec![
        (Side::Client, [&requests.concat()[..], &upgrade[0].1].concat()),
        (Side::Backend, [&answers.concat()[..], &upgrade[1].1, b"\0first\xff"].concat()),
    ];
    for (script, messages) in [(in_turn, 0), (pipelined, 1)] {
        let told = heard_in_any_cutting(&script);
        assert!(matches!(told.told[..2], [What::Open(_), What::Accept(_)]), "{:?}", told.told);
        assert_eq!(told.told.len(), 2 + messages);
    }
}

#[test]
fn a_refusal_is_an_answer() {
    for dialect in DIALECTS {
        let script = [
            opening(dialect).remove(0),
            (Side::Backend, b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno".to_vec()),
            (Side::Client, b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ];
        let mut told = heard_in_any_cutting(&script);
        let [What::Open(_), What::Accept(accept)] = &told.told[..] else {
            panic!("{:?}", told.told)
        };
        assert_eq!(accept.status, 403);
        told.take();
        told.end(Side::Backend, false);
        assert_eq!(told.take(), []);
        told.end(Side::Client, false);
        assert_eq!(told.take(), [end(Some(Side::Backend), How::Fin, true)]);
        assert_eq!(told.found(), Found::WebSocket);
    }
}

#[test]
fn what_is_no_websocket_is_found_out() {
    let plain = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    let head = |fields: &str| format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n").into_bytes();
    let answer = |lines: &str| {
        let bytes = format!("HTTP/1.1 {lines}\r\n\r\n").into_bytes();
        vec![(Side::Client, plain.clone()), (Side::Backend, bytes)]
    };
    let client = |bytes: &[u8]| vec![(Side::Client, bytes.to_vec())];
    let h13 = "Sec-WebSocket-Version: 6\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let cases = [
        (client(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), Found::Tls),
        (client(b"\x80\x7c\x01\x03\x01\x00\x63\x00\x00\x00\x10"), Found::Tls),
        (vec![(Side::Backend, b"\x16\x03\x03\x00\x7a".to_vec())], Found::Tls),
        // From the middle.
        (client(b"\0a message\xff"), Found::Other),
        (client(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), Found::Other),
        (client(b"half a body</html>\r\n\r\n"), Found::Other),
        (client(b"/1.1\r\nHost: a\r\n\r\n"), Found::Other),
        (vec![(Side::Backend, b"HTTP/1.1 200 OK\r\n\r\n".to_vec())], Found::Other),
        (vec![(Side::Backend, b"220 mail.example.com ESMTP\r\n".to_vec())], Found::Other),
        // It is not certain where the next request begins.
        (client(&head("Content-Length: 1\r\nTransfer-Encoding: chunked")), Found::Other),
        (client(&[&head("Transfer-Encoding: chunked")[..], b"x"].concat()), Found::Other),
        (client(b"CONNECT a:80 HTTP/1.1\r\n\r\n"), Found::Other),
        (client(&b"GET / HTTP/1.1\r\n\r\n".repeat(65)), Found::Other),
        (answer("200 OK"), Found::Other),
        (answer("200 OK\r\nContent-Length: 1\r\nContent-Length: 1"), Found::Other),
        (answer("101 Switching Protocols\r\nUpgrade: h2c"), Found::Other),
        (answer("200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK"), Found::Other),
        // A head without an end.
        (client(&[b"GET / HTTP/1.1\r\nA: ", &[b'a'; 40_000][..]].concat()), Found::Other),
        // A version that is not spoken here, and a head that is malformed.
        (vec![(Side::Client, head(h13)), (Side::Backend, response(""))], Found::Other),
        (client(b"GET / HTTP/1.1\r\nA : b\r\n\r\n"), Found::Other),
        // Not yet.
        (client(&plain), Found::Nothing),
        (Vec::new(), Found::Nothing),
    ];
    for (script, found) in cases {
        let shown: Vec<_> =
            script.iter().map(|(_, bytes)| bytes.escape_ascii().to_string()).collect();
        let mut told = heard_in_any_cutting(&script);
        assert_eq!(told.found(), found, "{shown:?}");
        // Whatever comes is not heard any more.
        if found != Found::Nothing {
            told.feed(Side::Client, &request(H76, ""));
        }
        told.end(Side::Client, false);
        told.cut();
        assert_eq!(told.take(), [], "{shown:?}");
        let known =
            if found == Found::Nothing && !script.is_empty() { Found::Other } else { found };
        assert_eq!(told.found(), known, "{shown:?}");
    }
}

/// An answer that cannot be read is the server's fault, and the client is heard all the same.
#[test]
fn an_answer_can_be_wrong() {
    for (bytes, words) in [
        (&b"HTTP/1.1 101 x\nUpgrade: WebSocket\r\n\r\n"[..], "line end is not CR LF"),
        (b"\x81\x05Hello", "no HTTP head"),
        (b"\x16\x03\x01\x00", "TLS instead of HTTP"),
    ] {
        let script = [
            opening(DIALECTS[4]).remove(0),
            (Side::Backend, bytes.to_vec()),
            (Side::Client, b"\0heard\xff".to_vec()),
            (Side::Backend, b"\0not heard\xff".to_vec()),
        ];
        let mut told = heard_in_any_cutting(&script);
        let said = [super::fault(Side::Backend, words), text(Side::Client, "heard", 0)];
        assert_eq!(told.told[1..], said);
        told.take();
        told.end(Side::Client, false);
        told.end(Side::Backend, false);
        assert_eq!(told.take(), [end(Some(Side::Client), How::Fin, false)]);
    }
}
