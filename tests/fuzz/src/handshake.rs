//! The opening handshakes: a client's request, the request that the proxy makes of it for a backend
//! of any dialect, the backend's answer, and the answer that the proxy makes of that.
//!
//! Input: the backend's dialect with two more choices, the length of the first piece and of every
//! other one, 16 bytes of randomness; then the request, and what the backend answers.

use crate::cut::Cut;
use crate::peer::DIALECTS;
use httparse::EMPTY_HEADER;
use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::keys;
use hybridge::dialect::hybi::deflate::Compression;
use hybridge::dialect::opening::{self, ClientOpening};
use hybridge::handshake::{
    Answer, Failure, Field, Offer, Proof, Refusal, Subprotocols, end_to_end,
};
use hybridge::wire::head::{self, MAX_FIELDS, Response};
use std::collections::HashSet;

/// How many bytes of randomness an input has.
const RANDOM: usize = 16;

/// Runs one input.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let Some((&[choices, first, every], rest)) = data.split_first_chunk() else { return };
    let Some((random, bytes)) = rest.split_first_chunk() else { return };
    let end = head::end(bytes, 0).unwrap_or(bytes.len());
    let (request, mut behind) = bytes.split_at(end);
    let (client, offer) = match opening::read_offer(request) {
        Ok(read) => read,
        Err(refusal) => {
            assert!(matches!(refusal.status(), 400 | 426 | 431 | 501 | 505), "{refusal:?}");
            return;
        }
    };
    if let (Proof::Keys(_), Some((_key3, rest))) =
        (&offer.proof, behind.split_first_chunk::<{ keys::KEY3_LEN }>())
    {
        behind = rest;
    }
    let (backend, choices) = choose(&DIALECTS, choices);
    let (secure, choices) = choose(&[false, true], choices);
    let (choice, _) = choose(&[Choice::None, Choice::First, Choice::Last], choices);
    let Some(proxy) = Proxy::meet(backend, offer, *random, Cut { first, every }) else { return };
    if let Ok(Some((answer, len))) = proxy.read_answer(behind) {
        assert!(len <= behind.len(), "the answer has {len} bytes");
        check_answer(client, &proxy.offer, &answer, secure);
    }
    if let Some(answer) = proxy.check_round(choice, behind) {
        check_answer(client, &proxy.offer, &answer, secure);
    }
}

/// Which of the subprotocols that it was offered a backend chooses.
#[derive(Debug, Clone, Copy)]
enum Choice {
    None,
    First,
    Last,
}

/// The proxy as a client of a backend.
struct Proxy {
    backend: Dialect,
    offer: Offer,
    random: [u8; RANDOM],
    cut: Cut,
    /// What it asks the backend.
    request: Vec<u8>,
}

impl Proxy {
    /// `None` when what the client asked for cannot be said.
    fn meet(backend: Dialect, offer: Offer, random: [u8; RANDOM], cut: Cut) -> Option<Self> {
        let mut proxy = Self { backend, offer, random, cut, request: Vec::new() };
        let mut request = Vec::new();
        if let Err(refusal) = proxy.start(&mut request) {
            let tokens = proxy.offer.subprotocols.tokens();
            assert!(refusal == Refusal::Subprotocol && tokens.is_none(), "{refusal:?}");
            assert!(matches!(backend, Dialect::Hybi(_)), "{refusal:?} for {backend}");
            return None;
        }
        proxy.request = request;
        Some(proxy)
    }

    /// The same each time.
    fn start(&self, request: &mut Vec<u8>) -> Result<ClientOpening, Refusal> {
        let mut at = 0;
        let mut entropy = |bytes: &mut [u8]| {
            for byte in bytes {
                // Nothing that repeats for ever: the keys of Hixie are drawn until they are fair.
                let round = u8::try_from(at / 1024 % 256).unwrap();
                *byte = self.random[at % RANDOM].wrapping_add(round);
                at += 1;
            }
        };
        ClientOpening::start(self.backend, &self.offer, Compression::Off, &mut entropy, request)
    }

    /// Reads what a backend answers, which is the same in any cutting.
    fn read_answer(&self, bytes: &[u8]) -> Result<Option<(Answer, usize)>, Failure> {
        let mut results = self.cut.ways(bytes).into_iter().map(|pieces| {
            let mut opening = self.start(&mut Vec::new()).unwrap();
            let mut so_far = Vec::new();
            for piece in pieces {
                so_far.extend_from_slice(piece);
                if let Some(result) = opening.read(&so_far).transpose() {
                    return result.map(Some);
                }
            }
            let Failure::End { .. } = opening.end(&so_far) else { panic!("an end is an end") };
            Ok(None)
        });
        let first = results.next().unwrap();
        results.for_each(|other| assert_eq!(other, first, "the answer depends on the cutting"));
        if let Err(failure) = &first {
            opening::suggests_older(failure);
        }
        first
    }

    /// Our own server reads the request and answers it, with the fields of `from`: nothing is lost
    /// on the way to it and back. `None` when there are more fields than a head may have.
    fn check_round(&self, choice: Choice, from: &[u8]) -> Option<Answer> {
        let (read, key3) = self.check_request()?;
        let head = &from[..head::end(from, 0).unwrap_or(0)];
        let fields = Response::parse(head).map_or(Vec::new(), |head| end_to_end(&head.fields));
        let answer = Answer { subprotocol: self.chosen(choice), fields };
        let mut bytes = check_answer(self.backend, &read, &answer, false);
        let fields = fields_of(&bytes).len();
        if let (Proof::Keys(parts), Ok(key3)) = (&read.proof, key3.try_into()) {
            bytes.extend(keys::answer(*parts, key3));
        }
        let result = self.read_answer(&bytes);
        if fields > MAX_FIELDS {
            assert_eq!(result, Err(Failure::Head(head::Fault::TooManyFields)));
            return None;
        }
        let Answer { subprotocol, fields } = answer;
        let expected = Answer { subprotocol, fields: told(self.backend, &fields) };
        assert_eq!(result, Ok(Some((expected.clone(), bytes.len()))));
        Some(expected)
    }

    fn chosen(&self, choice: Choice) -> Option<Vec<u8>> {
        let offered = &self.offer.subprotocols;
        match (choice, self.backend) {
            (Choice::None, _) => None,
            (Choice::First, Dialect::Hixie(_)) => offered.opaque().map(<[u8]>::to_vec),
            (Choice::Last, Dialect::Hixie(_)) if matches!(offered, Subprotocols::List(_)) => None,
            (Choice::First, Dialect::Hybi(_)) => Some(offered.tokens()?.first()?.as_bytes().into()),
            (Choice::Last, _) => Some(offered.tokens()?.last()?.as_bytes().into()),
        }
    }

    /// The request says what was offered and nothing else; `None` when it has more fields than a
    /// head may have. With the offer comes what is behind the head.
    fn check_request(&self) -> Option<(Offer, &[u8])> {
        let (head, key3) = self.request.split_at(head::end(&self.request, 0).unwrap());
        assert_eq!(key3.len(), if self.backend.has_key3() { keys::KEY3_LEN } else { 0 });
        let fields = fields_of(head);
        let count = fields.len();
        assert_eq!(end_to_end_of(fields), self.offer.fields);
        if count > MAX_FIELDS {
            assert_eq!(opening::read_offer(head), Err(head::Fault::TooManyFields.into()));
            return None;
        }
        let (dialect, read) = opening::read_offer(head).unwrap();
        let Offer { target, host, origin, subprotocols, fields, .. } = &self.offer;
        let hixie = opens_as_hixie(self.backend);
        let own = || [b"http://", &host[..]].concat();
        let origin = if hixie { Some(origin.clone().unwrap_or_else(own)) } else { origin.clone() };
        assert_eq!(dialect, self.backend);
        assert_eq!(read.target, target.split(|b| *b == b' ').collect::<Vec<_>>().join(&b"%20"[..]));
        assert_eq!((&read.host, &read.origin, &read.fields), (host, &origin, fields));
        if matches!(self.backend, Dialect::Hixie(_)) {
            assert_eq!(read.subprotocols.opaque(), subprotocols.opaque());
        } else {
            assert_eq!(read.subprotocols.tokens(), subprotocols.tokens());
        }
        Some((read, key3))
    }
}

/// Writes the 101 to a client: it says what the backend answered, as far as the dialect can, and
/// nothing else.
fn check_answer(dialect: Dialect, offer: &Offer, answer: &Answer, secure: bool) -> Vec<u8> {
    let mut head = Vec::new();
    let (off, mut entropy) = (Compression::Off, |bytes: &mut [u8]| bytes.fill(0));
    opening::write_answer(dialect, offer, answer, secure, off, &mut entropy, &mut head);
    let fields = fields_of(&head);
    let names = ["WebSocket-Protocol", "Sec-WebSocket-Protocol"];
    let subprotocol = fields.iter().find(|(name, _)| names.contains(&name.as_str()));
    assert_eq!(subprotocol.map(|(_, value)| value), answer.subprotocol.as_ref());
    assert_eq!(end_to_end_of(fields), told(dialect, &answer.fields));
    head
}

/// Whether the opening handshake is one of those of Hixie.
fn opens_as_hixie(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Hixie(_)) || dialect.has_key3()
}

/// The fields of an answer that a client of this dialect is told.
fn told(dialect: Dialect, fields: &[Field]) -> Vec<Field> {
    if !opens_as_hixie(dialect) {
        return fields.to_vec();
    }
    let cookies = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Set-Cookie"));
    cookies.map(|(_, value)| ("Set-Cookie".to_owned(), value.clone())).collect()
}

/// The fields of a head that we wrote, as `httparse` reads it.
fn fields_of(head: &[u8]) -> Vec<Field> {
    let mut fields = [EMPTY_HEADER; 2 * MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let (read, fields) = if head.starts_with(b"GET ") {
        (request.parse(head), request.headers)
    } else {
        let mut response = httparse::Response::new(request.headers);
        let read = response.parse(head);
        assert_eq!(response.code, Some(101));
        (read, response.headers)
    };
    assert_eq!(read, Ok(httparse::Status::Complete(head.len())), "{}", head.escape_ascii());
    let count = |end: u8| head.iter().filter(|b| **b == end).count();
    let lines = fields.len() + 2;
    assert_eq!((count(b'\r'), count(b'\n')), (lines, lines), "{}", head.escape_ascii());
    fields.iter().map(|field| (field.name.to_owned(), field.value.to_owned())).collect()
}

/// The fields beside those of the handshake, each of which stands once.
fn end_to_end_of(fields: Vec<Field>) -> Vec<Field> {
    let is_ours = |name: &str| {
        let name = name.to_ascii_lowercase();
        let hop = matches!(&*name, "host" | "upgrade" | "connection" | "origin");
        hop || name.starts_with("sec-websocket-") || name.starts_with("websocket-")
    };
    let (ours, others): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| is_ours(name));
    let names: HashSet<_> = ours.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), ours.len(), "a field of ours stands twice");
    others
}

/// One of some, and what is left for other choices.
fn choose<T: Copy>(among: &[T], number: u8) -> (T, u8) {
    let count = u8::try_from(among.len()).unwrap();
    (among[usize::from(number % count)], number / count)
}
