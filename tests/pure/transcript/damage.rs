//! What is missing or wrong in a session, and how sessions end.

use super::{Listener, end, fault, heard_in_any_cutting, opening, request, text, voice};
use crate::peer::DIALECTS;
use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::Draft;
use hybridge::event::Side;
use hybridge::transcript::conversation::{Found, MAX_MESSAGE};
use hybridge::transcript::event::{How, What};

const RFC: Dialect = Dialect::RFC6455;
const H75: Dialect = Dialect::Hixie(Draft::H75);
const H76: Dialect = Dialect::Hixie(Draft::H76);

const GAP: What = What::Gap { from: Side::Client, bytes: 7 };

#[test]
fn text_of_hixie_goes_on_behind_a_gap() {
    let close = What::Close { from: Side::Client, code: None, reason: String::new() };
    let cases: [(&[u8], Vec<What>); 7] = [
        (b"st\xff\0two\xff", vec![text(Side::Client, "two", 0)]),
        (
            b"\xff\0two\xff\0three\xff",
            vec![text(Side::Client, "two", 0), text(Side::Client, "three", 0)],
        ),
        // What it begins with may be the rest of anything.
        (b"\0lost\xff\0two\xff", vec![text(Side::Client, "two", 0)]),
        (b"lost\xff\xff\0", vec![close.clone()]),
        (b"lost\xff\xff\xff\0", vec![close]),
        (b"lost\xfflost\xff", vec![]),
        (b"", vec![]),
    ];
    for (behind, said) in cases {
        for cut in 0..=behind.len() {
            let mut told = Listener::behind_opening(H76);
            told.feed(Side::Client, b"\0one\xff\0lo");
            told.gap(Side::Client, 7);
            told.feed(Side::Client, &behind[..cut]);
            told.feed(Side::Client, &behind[cut..]);
            let shown = behind.escape_ascii();
            let all = [&[text(Side::Client, "one", 0), GAP], &said[..]].concat();
            assert_eq!(told.take(), all, "{shown} cut at {cut}");
            told.end(Side::Client, false);
            told.end(Side::Backend, false);
            assert_eq!(told.take(), [end(Some(Side::Client), How::Fin, false)], "{shown}");
        }
    }
}

#[test]
fn frames_of_hybi_end_at_a_gap() {
    let frame = voice(RFC, Side::Client).frame(0x81, b"Hello", [1, 2, 3, 4]);
    let mut told = Listener::behind_opening(RFC);
    told.feed(Side::Client, &[&frame[..], &frame[..7]].concat());
    for _ in 0..2 {
        told.gap(Side::Client, 7);
        told.feed(Side::Client, &frame);
    }
    // The other side is heard.
    told.feed(Side::Backend, b"\x81\x02ok");
    let said = [text(Side::Client, "Hello", 0), GAP, text(Side::Backend, "ok", 1)];
    assert_eq!(told.take(), said);
    told.cut();
    assert_eq!(told.take(), [end(None, How::Cut, false)]);
}

#[test]
fn a_gap_in_a_head_leaves_what_is_known() {
    // In the request: nothing is.
    let mut told = Listener::default();
    told.feed(Side::Client, &request(H76, "")[..40]);
    told.gap(Side::Client, 7);
    told.feed(Side::Client, &request(H76, ""));
    assert_eq!((told.take(), told.found()), (vec![], Found::Other));
    // In the answer: the dialect.
    let mut told = Listener::default();
    let open = opening(H76);
    told.feed(Side::Client, &open[0].1);
    told.feed(Side::Backend, &open[1].1[..40]);
    told.gap(Side::Backend, 7);
    told.feed(Side::Backend, &open[1].1[47..]);
    told.feed(Side::Backend, b"\0lost\xff\0told\xff");
    told.feed(Side::Client, b"\0heard\xff");
    let gap = What::Gap { from: Side::Backend, bytes: 7 };
    let said = [gap, text(Side::Backend, "told", 0), text(Side::Client, "heard", 1)];
    assert_eq!(told.take()[1..], said);
    // In key3.
    let mut told = Listener::default();
    told.feed(Side::Client, &request(H76, ""));
    told.gap(Side::Client, 7);
    told.feed(Side::Client, b"U\0lost\xff\0two\xff");
    assert_eq!(told.take()[1..], [GAP, text(Side::Client, "two", 0)]);
}

#[test]
fn a_fault_has_its_words_and_is_the_last() {
    let cases: [(Dialect, &[u8], &str); 8] = [
        (H76, b"\0a\xc0\xff\0b\xff", "invalid UTF-8"),
        (H76, b"\x01a\xff", "reserved frame type"),
        (H75, b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", "frame length overflow"),
        (RFC, b"\x81\x01\xff\x81\x01a", "invalid UTF-8"),
        (RFC, b"\xc1\x01a", "reserved bit set"),
        (RFC, b"\x83\x01a", "unknown opcode"),
        (RFC, b"\x80\x01a", "misplaced fragment"),
        (RFC, b"\x88\x02\x03\xed", "illegal close code"),
    ];
    for (dialect, bytes, words) in cases {
        let mut script = opening(dialect);
        script.push((Side::Backend, bytes.to_vec()));
        let mut told = heard_in_any_cutting(&script);
        assert_eq!(told.take()[2..], [fault(Side::Backend, words)]);
        told.gap(Side::Backend, 7);
        told.feed(Side::Backend, b"\0a\xff");
        assert_eq!(told.take(), []);
        told.end(Side::Backend, false);
        told.end(Side::Client, false);
        assert_eq!(told.take(), [end(Some(Side::Backend), How::Fin, false)]);
    }
}

#[test]
fn a_message_beyond_the_limit_is_a_fault() {
    let words = format!("message too big: more than {MAX_MESSAGE} bytes");
    // As long as may be, in two fragments; then one byte more.
    for more in [0, 1] {
        let mut told = Listener::behind_opening(RFC);
        told.feed(Side::Backend, &[0x02, 127, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff]);
        told.feed(Side::Backend, &vec![b'a'; MAX_MESSAGE - 1]);
        told.feed(Side::Backend, &[&[0x80, 1 + more], &b"aa"[..=usize::from(more)]].concat());
        match (&told.take()[..], more) {
            ([What::Message(message)], 0) => assert_eq!(message.data.len(), MAX_MESSAGE),
            ([What::Fault { from: Side::Backend, fault }], 1) => assert_eq!(*fault, words),
            (other, _) => panic!("{} events", other.len()),
        }
    }
    // What is announced is not believed: the fault that has come is the one that is named.
    let mut told = Listener::behind_opening(RFC);
    told.feed(Side::Backend, &[0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0, b'a']);
    told.feed(Side::Backend, &[0xff]);
    assert_eq!(told.take(), [fault(Side::Backend, "invalid UTF-8")]);
    // A text of Hixie without an end.
    let mut told = Listener::behind_opening(H76);
    told.feed(Side::Client, b"\0");
    for _ in 0..=MAX_MESSAGE / 65_536 {
        told.feed(Side::Client, &[b'a'; 65_536]);
    }
    assert_eq!(told.take(), [fault(Side::Client, &words)]);
}

#[test]
fn a_session_ends_as_its_dialect_has_it() {
    let close = |side, dialect| match dialect {
        H75 => Vec::new(),
        H76 => vec![0xff, 0],
        _ => voice(dialect, side).frame(0x88, &[], [0; 4]),
    };
    let cut_message = |dialect| match dialect {
        Dialect::Hixie(_) => b"\0a".to_vec(),
        Dialect::Hybi(_) => {
            let mut frame = voice(dialect, Side::Backend).frame(0x81, b"ab", [0; 4]);
            frame.pop();
            frame
        }
    };
    for dialect in DIALECTS {
        let hixie = matches!(dialect, Dialect::Hixie(_));
        let (client, backend) = (Side::Client, Side::Backend);
        // Without a close; a side, then both with one.
        for (closers, clean) in
            [(vec![], hixie), (vec![backend], hixie), (vec![client, backend], true)]
        {
            let mut told = Listener::behind_opening(dialect);
            for side in &closers {
                told.feed(*side, &close(*side, dialect));
            }
            told.take();
            told.end(backend, false);
            assert_eq!(told.take(), []);
            told.end(client, false);
            assert_eq!(told.take(), [end(Some(backend), How::Fin, clean)], "{dialect} {closers:?}");
            told.feed(client, b"\0late\xff");
            told.end(client, true);
            told.cut();
            assert_eq!((told.take(), told.found()), (vec![], Found::WebSocket));
        }
        // Inside a message.
        let mut told = Listener::behind_opening(dialect);
        told.feed(backend, &cut_message(dialect));
        told.end(client, false);
        told.end(backend, false);
        assert_eq!(told.take(), [end(Some(client), How::Fin, false)], "{dialect}");
        // By a reset, and by the end of the recording.
        let mut told = Listener::behind_opening(dialect);
        told.end(client, true);
        assert_eq!(told.take(), [end(Some(client), How::Reset, false)]);
        let mut told = Listener::behind_opening(dialect);
        told.end(client, false);
        told.cut();
        assert_eq!(told.take(), [end(None, How::Cut, false)]);
        // Without an answer.
        let mut told = Listener::default();
        told.feed(client, &opening(dialect)[0].1);
        told.take();
        told.end(client, false);
        told.end(backend, false);
        assert_eq!(told.take(), [end(Some(client), How::Fin, false)]);
    }
}
