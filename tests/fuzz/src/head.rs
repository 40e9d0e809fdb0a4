//! Heads of requests and responses: any bytes, in any cutting.
//!
//! Input: the length of the first piece and of every other one, then the bytes of the head.

use crate::cut::Cut;
use httparse::{EMPTY_HEADER, Header, Status};
use hybridge::wire::grammar::{is_token, token_list};
use hybridge::wire::head::{self, Fault, Fields, MAX_FIELDS, Request, Response, Version};
use std::ops::Range;

/// Runs one input.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let Some((&[first, every], bytes)) = data.split_first_chunk() else { return };
    let end = end(bytes);
    for pieces in (Cut { first, every }).ways(bytes) {
        assert_eq!(end_in_pieces(&pieces), end, "the end depends on the cutting");
    }
    let head = &bytes[..end.unwrap_or(bytes.len())];
    check_request(head, end.is_some());
    check_response(head, end.is_some());
    check_list(head);
}

/// Where the head ends, found in the plainest way.
fn end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn end_in_pieces(pieces: &[&[u8]]) -> Option<usize> {
    let mut so_far = Vec::new();
    for piece in pieces {
        let searched = so_far.len();
        so_far.extend_from_slice(piece);
        if let Some(end) = head::end(&so_far, searched) {
            return Some(end);
        }
    }
    None
}

fn check_request(head: &[u8], whole: bool) {
    let mut theirs = [EMPTY_HEADER; MAX_FIELDS];
    let mut theirs = httparse::Request::new(&mut theirs);
    match Request::parse(head) {
        Ok(ours) => {
            assert!(whole, "a head without an end");
            let Request { method, target, version, fields } = &ours;
            assert!(is_token(method.as_bytes()) && is_clean(target), "{ours:?}");
            check_fields(fields);
            let line_end: &[u8] = match version {
                Version::Http10 => b" HTTP/1.0",
                Version::Http11 => b" HTTP/1.1",
            };
            let again = written(&[method.as_bytes(), b" ", target, line_end].concat(), fields);
            assert_eq!(Request::parse(&again).as_ref(), Ok(&ours), "read back otherwise");
            // What only old clients send, and a library need not know.
            let target_at = method.len() + 1..method.len() + 1 + target.len();
            let tame = tame(head, target_at.clone());
            assert_eq!(theirs.parse(&tame), Ok(Status::Complete(head.len())), "{ours:?}");
            assert_eq!(theirs.method, Some(*method));
            assert_eq!(theirs.path.map(str::as_bytes), Some(&tame[target_at]));
            check_same(fields, theirs.headers);
        }
        Err(fault) if theirs.parse(head).is_ok_and(|status| status.is_complete()) => {
            let strict = match fault {
                Fault::LineEnd => has_bare_end(head),
                Fault::StartLine => head.starts_with(b"\r") || head.starts_with(b"\n"),
                Fault::ControlCharacter => !head.is_ascii(),
                Fault::Version | Fault::Field | Fault::TooManyFields | Fault::Doubled(_) => false,
            };
            assert!(strict, "{fault:?}, and httparse reads {theirs:?}");
        }
        Err(_) => {}
    }
}

fn check_response(head: &[u8], whole: bool) {
    let mut theirs = [EMPTY_HEADER; MAX_FIELDS];
    let mut theirs = httparse::Response::new(&mut theirs);
    match Response::parse(head) {
        Ok(ours) => {
            assert!(whole, "a head without an end");
            let Response { status, reason, fields } = &ours;
            assert!((100..=999).contains(status), "{ours:?}");
            check_fields(fields);
            let line = [format!("HTTP/1.1 {status} ").as_bytes(), reason].concat();
            let again = written(&line, fields);
            assert_eq!(Response::parse(&again).as_ref(), Ok(&ours), "read back otherwise");
            // No one is told the reason, so that anything may stand in it.
            if reason.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
                return;
            }
            let tame = tame(head, 0..0);
            assert_eq!(theirs.parse(&tame), Ok(Status::Complete(head.len())), "{ours:?}");
            assert_eq!(theirs.code, Some(*status));
            check_same(fields, theirs.headers);
        }
        Err(fault) if theirs.parse(head).is_ok_and(|status| status.is_complete()) => {
            let strict = match fault {
                Fault::LineEnd => has_bare_end(head),
                Fault::StartLine => {
                    let no_status = theirs.code.is_some_and(|code| code < 100);
                    head.starts_with(b"\r") || head.starts_with(b"\n") || no_status
                }
                _ => false,
            };
            assert!(strict, "{fault:?}, and httparse reads {theirs:?}");
        }
        Err(_) => {}
    }
}

/// What must be true of the fields of any head that was read.
fn check_fields(fields: &Fields<'_>) {
    assert!(fields.iter().count() <= MAX_FIELDS);
    for (name, value) in fields.iter() {
        assert!(is_token(name.as_bytes()), "{name:?}");
        let noise = name.to_ascii_lowercase().starts_with("sec-websocket-key");
        let clean = |b: &u8| !b.is_ascii_control() || *b == b'\t' || (*b == 0x7f && noise);
        assert!(value.iter().all(clean), "{name}: {}", value.escape_ascii());
        assert_eq!(trimmed(value), value, "{name}: {}", value.escape_ascii());
        let mut all = fields.all(name);
        assert!(fields.has(name) && all.any(|other| other == value), "{name} is lost");
        for token in token_list(value).unwrap_or_default() {
            assert!(
                fields.lists(name, &token.to_ascii_uppercase()),
                "{name} does not list {token}"
            );
        }
    }
}

/// A list of tokens is what its plainest reading says.
fn check_list(value: &[u8]) {
    let mut elements = value.split(|b| *b == b',').map(trimmed).filter(|part| !part.is_empty());
    let plain: Option<Vec<_>> = elements.try_fold(Vec::new(), |mut list, element| {
        list.push(std::str::from_utf8(element).ok().filter(|_| is_token(element))?);
        Some(list)
    });
    assert_eq!(token_list(value), plain);
}

fn check_same(ours: &Fields<'_>, theirs: &[Header<'_>]) {
    let theirs: Vec<_> = theirs.iter().map(|header| (header.name, header.value.to_vec())).collect();
    let ours: Vec<_> = ours.iter().map(|(name, value)| (name, tamed(value))).collect();
    assert_eq!(ours, theirs, "httparse reads other fields");
}

/// The head as it would be without what only old clients send.
fn tame(head: &[u8], target: Range<usize>) -> Vec<u8> {
    let mut tame = tamed(head);
    for byte in tame[target].iter_mut().filter(|b| **b == b' ') {
        *byte = b'+';
    }
    tame
}

fn tamed(value: &[u8]) -> Vec<u8> {
    value.iter().map(|b| if *b == 0x7f { b'~' } else { *b }).collect()
}

fn written(line: &[u8], fields: &Fields<'_>) -> Vec<u8> {
    let mut head = [line, b"\r\n"].concat();
    for (name, value) in fields.iter() {
        head.extend([name.as_bytes(), b":", value, b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head
}

fn trimmed(value: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = value.iter().position(|b| !is_blank(b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !is_blank(b)).map_or(start, |last| last + 1);
    &value[start..end]
}

fn is_clean(target: &[u8]) -> bool {
    !target.is_empty() && target.iter().all(|b| b.is_ascii_graphic() || *b == b' ')
}

/// Whether a CR or an LF stands alone.
fn has_bare_end(head: &[u8]) -> bool {
    let ends = head.windows(2).filter(|two| two == b"\r\n").count();
    let count = |end: u8| head.iter().filter(|b| **b == end).count();
    count(b'\r') > ends || count(b'\n') > ends
}
