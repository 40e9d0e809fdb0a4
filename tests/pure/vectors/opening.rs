//! Runs the vectors of opening handshakes, of both roles.

use super::{Verdict, same, same_bytes};
use crate::cuts;
use crate::form::{self, Case};
use hybridge::dialect::hixie::keys;
use hybridge::dialect::hybi::deflate::Compression;
use hybridge::dialect::opening::{self, ClientOpening};
use hybridge::handshake::{Answer, Failure, Field, Offer, Proof, Refusal, Subprotocols};
use hybridge::wire::head;

/// `key`: the numbers of two keys, and the 16 bytes that prove them.
pub(super) fn keys(case: &Case) -> Verdict {
    let part = |word: &str| case.get(word).map_or(Ok(0), |key| keys::part(&form::bytes(key)));
    let parts = match (part("key1"), part("key2")) {
        (Ok(key1), Ok(key2)) => [key1, key2],
        (Err(fault), _) | (_, Err(fault)) => {
            return same("fault", &case.get("!").unwrap_or("none"), &&*format!("{fault:?}"));
        }
    };
    same("fault", &case.get("!"), &None)?;
    if let Some(numbers) = case.get("=") {
        same("numbers", &numbers, &&*format!("{} {}", parts[0], parts[1]))?;
    }
    let key3 = form::bytes(case.get("key3").unwrap_or_default());
    let (Ok(key3), Some(expected)) = (key3.try_into(), case.bytes("<")) else {
        return Err("no key3 or no answer".to_owned());
    };
    same_bytes("answer", &expected, &keys::answer(parts, key3))
}

/// `server`: what a client sends, what it is answered.
pub(super) fn server(case: &Case) -> Verdict {
    let sent = case.bytes(">").ok_or("no request")?;
    for cuts in cuts::ways(sent.len()) {
        let how = cuts::describe(&cuts);
        serve(case, &cuts::pieces(&sent, &cuts)).map_err(|what| format!("{how}: {what}"))?;
    }
    Ok(())
}

/// One client: its request comes in pieces.
fn serve(case: &Case, pieces: &[&[u8]]) -> Verdict {
    let (mut buffer, mut searched, mut request) = (Vec::new(), 0, None);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if request.is_none() {
            request = head::end(&buffer, searched);
            searched = buffer.len();
        }
    }
    let Some(end) = request else {
        return same("state", &case.get("="), &Some("more"));
    };
    let (dialect, offer) = match opening::read_offer(&buffer[..end]) {
        Ok(read) => read,
        Err(refusal) => return same("refusal", &case.get("!"), &Some(&refused(refusal))),
    };
    same("refusal", &case.get("!"), &None)?;
    same("dialect", &case.get("dialect").unwrap_or_default(), &dialect.name())?;
    check_offer(case, &offer)?;
    let subprotocol = case.get("choose").map(form::bytes);
    let answer = Answer { subprotocol, fields: fields(case, "set") };
    let mut wrote = Vec::new();
    let secure = case.get("secure").is_some();
    let nonce = case.get("nonce").map(form::bytes).unwrap_or_default();
    let mut entropy = |bytes: &mut [u8]| bytes.copy_from_slice(&nonce);
    let compression = compression(case);
    opening::write_answer(dialect, &offer, &answer, secure, compression, &mut entropy, &mut wrote);
    let mut behind = &buffer[end..];
    if let (Proof::Keys(parts), Some((key3, rest))) = (&offer.proof, behind.split_first_chunk()) {
        wrote.extend(keys::answer(*parts, *key3));
        behind = rest;
    }
    same_bytes("rest", &case.get("rest").map(form::bytes).unwrap_or_default(), behind)?;
    same_bytes("answer", &case.bytes("<").ok_or("no answer")?, &wrote)
}

fn refused(refusal: Refusal) -> String {
    format!("{} {refusal:?}", refusal.status())
}

/// The lines `offer ...` of a server case are what is to be read from its request.
fn check_offer(case: &Case, offer: &Offer) -> Verdict {
    for line in case.all("offer") {
        let (what, values) = line.split_once(' ').unwrap_or((line, ""));
        let values = form::strings(values);
        let got = match what {
            "target" => vec![offer.target.clone()],
            "host" => vec![offer.host.clone()],
            "origin" => offer.origin.clone().into_iter().collect(),
            "subprotocols" => {
                let tokens = offer.subprotocols.tokens().unwrap_or_default();
                tokens.into_iter().map(|token| token.as_bytes().to_vec()).collect()
            }
            "fields" => offer.fields.iter().map(|(name, value)| field_line(name, value)).collect(),
            _ => return Err(format!("unknown: offer {what}")),
        };
        same(what, &show(&values), &show(&got))?;
    }
    Ok(())
}

fn field_line(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b": ", value].concat()
}

fn show(values: &[Vec<u8>]) -> Vec<String> {
    values.iter().map(|value| value.escape_ascii().to_string()).collect()
}

/// `client`: the request of the proxy, what a server answers, what is made of it.
pub(super) fn client(case: &Case) -> Verdict {
    for name in case.get("dialect").ok_or("no dialect")?.split(' ') {
        let dialect = name.parse().map_err(|_| format!("unknown dialect {name}"))?;
        let pattern = case.get("entropy").map_or_else(|| vec![0], form::bytes);
        let mut at = 0;
        let mut entropy = |bytes: &mut [u8]| {
            for byte in bytes {
                *byte = pattern[at % pattern.len()];
                at += 1;
            }
        };
        let mut request = Vec::new();
        let started = ClientOpening::start(
            dialect,
            &offer(case),
            compression(case),
            &mut entropy,
            &mut request,
        );
        if let Err(refusal) = &started {
            same("refusal", &case.get("!"), &Some(&refused(*refusal)))?;
            continue;
        }
        if let Some(expected) = case.bytes(">") {
            same_bytes("request", &expected, &request)?;
        }
        let Some(answer) = case.bytes("<") else { continue };
        for cuts in cuts::ways(answer.len()) {
            let how = cuts::describe(&cuts);
            at = 0;
            let mut entropy = |bytes: &mut [u8]| {
                for byte in bytes {
                    *byte = pattern[at % pattern.len()];
                    at += 1;
                }
            };
            let opening = ClientOpening::start(
                dialect,
                &offer(case),
                compression(case),
                &mut entropy,
                &mut Vec::new(),
            )
            .map_err(|refusal| format!("{refusal:?}"))?;
            answered(case, opening, &cuts::pieces(&answer, &cuts))
                .map_err(|what| format!("{name}, {how}: {what}"))?;
        }
    }
    Ok(())
}

/// One answer of a server, in pieces.
fn answered(case: &Case, mut opening: ClientOpening, pieces: &[&[u8]]) -> Verdict {
    let (mut buffer, mut read) = (Vec::new(), None);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if read.is_none() {
            read = opening.read(&buffer).map_err(Box::new).transpose();
        }
    }
    let failure = match read {
        None if case.get("end").is_none() => return same("state", &case.get("="), &Some("more")),
        None => opening.end(&buffer),
        Some(Err(failure)) => *failure,
        Some(Ok((answer, len))) => {
            same("failure", &case.get("!"), &None)?;
            let chosen = case.get("choose").map(form::bytes);
            same("subprotocol", &chosen, &answer.subprotocol)?;
            same("fields", &fields(case, "set"), &answer.fields)?;
            let rest = case.get("rest").map(form::bytes).unwrap_or_default();
            return same_bytes("rest", &rest, &buffer[len..]);
        }
    };
    let older = case.get("older").is_some();
    same("an older dialect may do", &older, &opening::suggests_older(&failure))?;
    let failure = match failure {
        Failure::Status { status, .. } => format!("Status {status}"),
        other => format!("{other:?}"),
    };
    same("failure", &case.get("!"), &Some(&failure))
}

/// The line `compression ...` is how the route has messages compressed.
fn compression(case: &Case) -> Compression {
    match case.get("compression") {
        None => Compression::Off,
        Some("on") => Compression::On,
        Some("no_context_takeover") => Compression::NoContextTakeover,
        Some(other) => panic!("{}: unknown: compression {other}", case.place),
    }
}

/// The lines `offer ...` of a client case are what its request is made of.
fn offer(case: &Case) -> Offer {
    let mut offer = Offer {
        target: b"/".to_vec(),
        host: b"example.com".to_vec(),
        origin: None,
        subprotocols: Subprotocols::None,
        extensions: Vec::new(),
        fields: Vec::new(),
        proof: Proof::None,
    };
    for line in case.all("offer") {
        let (what, values) = line.split_once(' ').unwrap_or((line, ""));
        let values = form::strings(values);
        match what {
            "target" => offer.target = values.concat(),
            "host" => offer.host = values.concat(),
            "origin" => offer.origin = Some(values.concat()),
            "opaque" => offer.subprotocols = Subprotocols::Opaque(values.concat()),
            "subprotocols" => {
                let tokens = values.into_iter().map(|token| String::from_utf8(token).unwrap());
                offer.subprotocols = Subprotocols::List(tokens.collect());
            }
            "field" => offer.fields.extend(field(&values)),
            _ => panic!("{}: unknown: offer {what}", case.place),
        }
    }
    offer
}

fn fields(case: &Case, word: &str) -> Vec<Field> {
    case.all(word).filter_map(|line| field(&form::strings(line))).collect()
}

fn field(values: &[Vec<u8>]) -> Option<Field> {
    let [name, value] = values else { return None };
    Some((String::from_utf8(name.clone()).ok()?, value.clone()))
}
