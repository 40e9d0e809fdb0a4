//! The opening handshakes of draft-hixie-75 and 76, of both roles; that of 76 is also that of
//! draft-ietf-hybi-01 to 03, which add a mark.
//!
//! Old peers compare bytes: the names, their case, their order and the reason phrase are those of
//! the drafts, there is one `Connection` field, and no field is empty.

use super::{Draft, keys};
use crate::handshake::{
    Answer, Failure, Field, Offer, Proof, Refusal, Subprotocols, end_to_end, write_field,
};
use crate::wire::entropy::Entropy;
use crate::wire::head::{Fields, Request, Response};

/// What the two drafts call things.
struct Names {
    reason: &'static str,
    origin: &'static str,
    location: &'static str,
    subprotocol: &'static str,
}

const fn names(draft: Draft) -> &'static Names {
    match draft {
        Draft::H75 => &Names {
            reason: "Web Socket Protocol Handshake",
            origin: "WebSocket-Origin",
            location: "WebSocket-Location",
            subprotocol: "WebSocket-Protocol",
        },
        Draft::H76 => &Names {
            reason: "WebSocket Protocol Handshake",
            origin: "Sec-WebSocket-Origin",
            location: "Sec-WebSocket-Location",
            subprotocol: "Sec-WebSocket-Protocol",
        },
    }
}

/// Reads the client's side of the handshake.
///
/// # Errors
/// With what is wrong with the subprotocol or, in 76, with a key.
pub fn read_offer(draft: Draft, request: &Request<'_>, host: &[u8]) -> Result<Offer, Refusal> {
    let proof = match draft {
        Draft::H75 => Proof::None,
        Draft::H76 => Proof::Keys([
            read_key(&request.fields, "Sec-WebSocket-Key1")?,
            read_key(&request.fields, "Sec-WebSocket-Key2")?,
        ]),
    };
    let subprotocols = match request.fields.only(names(draft).subprotocol)? {
        None | Some([]) => Subprotocols::None,
        Some(value) if value.iter().all(|b| (0x20..0x7f).contains(b)) => {
            Subprotocols::Opaque(value.to_owned())
        }
        Some(_) => return Err(Refusal::Subprotocol),
    };
    Ok(Offer {
        target: request.target.to_owned(),
        host: host.to_owned(),
        origin: request.fields.only("Origin")?.filter(|o| !o.is_empty()).map(<[u8]>::to_owned),
        subprotocols,
        extensions: Vec::new(),
        fields: end_to_end(&request.fields),
        proof,
    })
}

fn read_key(fields: &Fields<'_>, name: &'static str) -> Result<u32, Refusal> {
    let key = fields.only(name)?.ok_or(Refusal::MissingKey)?;
    Ok(keys::part(key)?)
}

/// Writes the server's answer; behind that of 76 the 16 bytes of [`keys::answer`] are still due.
///
/// Of the backend's fields only cookies go on: the drafts define no other, and strict clients of
/// 75 fail on what they do not know.
pub fn write_answer(draft: Draft, offer: &Offer, answer: &Answer, secure: bool, out: &mut Vec<u8>) {
    let names = names(draft);
    out.extend_from_slice(format!("HTTP/1.1 101 {}\r\n", names.reason).as_bytes());
    write_field("Upgrade", b"WebSocket", out);
    write_field("Connection", b"Upgrade", out);
    if let Some(origin) = &offer.origin {
        write_field(names.origin, origin, out);
    }
    let scheme: &[u8] = if secure { b"wss://" } else { b"ws://" };
    write_field(names.location, &[scheme, &offer.host, &offer.target].concat(), out);
    if let Some(subprotocol) = &answer.subprotocol {
        write_field(names.subprotocol, subprotocol, out);
    }
    for (_, cookie) in cookies(&answer.fields) {
        write_field("Set-Cookie", cookie, out);
    }
    out.extend_from_slice(b"\r\n");
}

fn cookies(fields: &[Field]) -> impl Iterator<Item = &Field> {
    fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
}

/// Writes the client's side of the handshake, key3 included, and returns the 16 bytes that a
/// server of 76 has to answer.
///
/// A server of these drafts can demand an origin, so that a client without one is given that of a
/// page from the same host. `mark` is the number of a later draft, which has a list of subprotocols in
/// place of one string.
pub fn write_offer(
    draft: Draft,
    mark: Option<&str>,
    offer: &Offer,
    entropy: &mut dyn Entropy,
    out: &mut Vec<u8>,
) -> Option<[u8; keys::ANSWER_LEN]> {
    write_field("Upgrade", b"WebSocket", out);
    write_field("Connection", b"Upgrade", out);
    write_field("Host", &offer.host, out);
    match &offer.origin {
        Some(origin) => write_field("Origin", origin, out),
        None => write_field("Origin", &[b"http://", &offer.host[..]].concat(), out),
    }
    let list = offer.subprotocols.tokens().filter(|_| mark.is_some()).unwrap_or_default().join(" ");
    if !list.is_empty() {
        write_field(names(draft).subprotocol, list.as_bytes(), out);
    } else if let Some(subprotocol) = offer.subprotocols.opaque() {
        write_field(names(draft).subprotocol, subprotocol, out);
    }
    if let Some(mark) = mark {
        write_field("Sec-WebSocket-Draft", mark.as_bytes(), out);
    }
    for (name, value) in &offer.fields {
        write_field(name, value, out);
    }
    if draft == Draft::H75 {
        out.extend_from_slice(b"\r\n");
        return None;
    }
    let (key1, part1) = keys::generate(entropy);
    let (key2, part2) = keys::generate(entropy);
    let key3 = keys::generate_key3(entropy);
    write_field("Sec-WebSocket-Key1", &key1, out);
    write_field("Sec-WebSocket-Key2", &key2, out);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&key3);
    Some(keys::answer([part1, part2], key3))
}

/// Reads the server's 101, without the 16 bytes behind it.
///
/// `offered` is the string of the offer and, where that is a list, its elements: some servers choose
/// one of them. The server's origin and location are not held against ours: servers behind TLS say
/// `ws:`, others decode the path or drop the query, and none of it reaches the client.
///
/// # Errors
/// When the server chose a subprotocol that was not offered.
pub fn read_answer(
    draft: Draft,
    offered: &[String],
    response: &Response<'_>,
) -> Result<Answer, Failure> {
    let chosen = response.fields.only(names(draft).subprotocol)?;
    let subprotocol = match chosen {
        Some(chosen) if offered.iter().any(|offer| offer.as_bytes() == chosen) => {
            Some(chosen.to_owned())
        }
        // What some servers always say, whatever they were asked.
        None | Some([] | b"*" | b"default") => None,
        Some(_) if offered.is_empty() => None,
        Some(_) => return Err(Failure::Subprotocol),
    };
    Ok(Answer { subprotocol, fields: end_to_end(&response.fields) })
}
