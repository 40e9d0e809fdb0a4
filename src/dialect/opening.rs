//! The opening handshake of any dialect: as a server towards clients, as a client towards backends.

use super::detect::{detect, detect_without_connection};
use super::hixie::{self, Draft, keys};
use super::hybi::deflate::Compression;
use super::hybi::{self, Version};
use super::{Agreement, Dialect};
use crate::handshake::{Answer, Failure, Offer, Refusal, Subprotocols, end_to_end, is_host};
use crate::wire::entropy::Entropy;
use crate::wire::head::{self, Request, Response};
use std::borrow::Cow;

/// The opening handshakes that there are.
enum Way {
    /// That of Hixie; `mark`: the number of a later draft that kept it.
    Hixie {
        draft: Draft,
        mark: Option<&'static str>,
    },
    Hybi(Version),
}

const fn way(dialect: Dialect) -> Way {
    match dialect {
        Dialect::Hixie(draft) => Way::Hixie { draft, mark: None },
        Dialect::Hybi(version) if version.opens_as_hixie() => {
            Way::Hixie { draft: Draft::H76, mark: Some(version.number()) }
        }
        Dialect::Hybi(version) => Way::Hybi(version),
    }
}

/// Reads a client's whole head: its dialect and what it offers.
///
/// # Errors
/// With the [`Refusal`] that the client is to be answered.
pub fn read_offer(head: &[u8]) -> Result<(Dialect, Offer), Refusal> {
    let request = Request::parse(head)?;
    offer_of(detect(&request)?, &request)
}

/// Reads the head of a client that may have left `Connection: Upgrade` out.
///
/// # Errors
/// With a [`Refusal`]; [`Refusal::NotWebSocket`] where it means something else.
pub fn read_offer_without_connection(head: &[u8]) -> Result<(Dialect, Offer), Refusal> {
    let request = Request::parse(head)?;
    offer_of(detect_without_connection(&request)?, &request)
}

fn offer_of(dialect: Dialect, request: &Request<'_>) -> Result<(Dialect, Offer), Refusal> {
    let hixie = matches!(dialect, Dialect::Hixie(_));
    // Only WebKit of 2010 sends raw spaces.
    if !hixie && request.target.contains(&b' ') {
        return Err(Refusal::Target);
    }
    let host = request.fields.only("Host")?.filter(|host| is_host(host)).ok_or(Refusal::Host)?;
    let mut offer = match way(dialect) {
        Way::Hixie { draft, .. } => hixie::opening::read_offer(draft, request, host)?,
        Way::Hybi(version) => hybi::opening::read_offer(version, request, host)?,
    };
    if !request.target.starts_with(b"/") {
        let absolute = read_absolute(request.target).filter(|_| !hixie);
        (offer.host, offer.target) = absolute.ok_or(Refusal::Target)?;
    }
    // The origin is reflected to old clients and handed to old servers, which take it apart.
    if offer.origin.iter().flatten().any(|b| !(0x20..0x7f).contains(b)) {
        return Err(Refusal::Origin);
    }
    Ok((dialect, offer))
}

/// The host and the target in origin form of a target in absolute form. "A server MUST accept the
/// absolute-form in requests" and "MUST ignore the received Host header field (if any) and instead
/// use the host information of the request-target" (RFC 9112 section 3.2.2).
fn read_absolute(target: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let rest = [&b"http://"[..], b"ws://", b"https://", b"wss://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })?;
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let (host, target) = rest.split_at(end);
    // An empty path is that of the root (RFC 9110 section 4.2.3).
    let root: &[u8] = if target.starts_with(b"/") { b"" } else { b"/" };
    is_host(host).then(|| (host.to_owned(), [root, target].concat()))
}

/// Writes the 101 towards a client; where key3 follows its head, the 16 bytes of [`keys::answer`]
/// come behind it. `secure`: whether the client connected by TLS; `compression`: what of its offers to
/// compress is accepted, where its dialect has any.
pub fn write_answer(
    dialect: Dialect,
    offer: &Offer,
    answer: &Answer,
    secure: bool,
    compression: Compression,
    entropy: &mut dyn Entropy,
    out: &mut Vec<u8>,
) -> Agreement {
    match way(dialect) {
        Way::Hixie { draft, .. } => {
            hixie::opening::write_answer(draft, offer, answer, secure, out);
            dialect.into()
        }
        Way::Hybi(version) => {
            hybi::opening::write_answer(version, offer, answer, compression, entropy, out)
        }
    }
}

/// The handshake with a backend, from our request to its answer.
#[derive(Debug)]
pub struct ClientOpening {
    agreement: Agreement,
    /// What was offered.
    compression: Compression,
    due: Due,
    /// What the server may choose as subprotocol.
    offered: Vec<String>,
    /// The length of the interim answers (RFC 9110 section 15.2) before the final one.
    interim: usize,
    /// How much behind them has been searched for the end of a head.
    searched: usize,
}

/// What the answer has to prove.
#[derive(Debug)]
enum Due {
    Nothing,
    Md5([u8; keys::ANSWER_LEN]),
    /// The `Sec-WebSocket-Accept` for this key.
    Accept(String),
}

impl ClientOpening {
    /// Writes the request, key3 of Hixie-76 included; all of it is to leave in one write, and
    /// nothing behind it before the answer has been read.
    ///
    /// # Errors
    /// [`Refusal::Subprotocol`] when the client's subprotocol cannot be said in this dialect.
    pub fn start(
        dialect: Dialect,
        offer: &Offer,
        compression: Compression,
        entropy: &mut dyn Entropy,
        out: &mut Vec<u8>,
    ) -> Result<Self, Refusal> {
        let tokens = offer.subprotocols.tokens();
        let offered = match way(dialect) {
            Way::Hixie { mark: None, .. } => {
                let whole = offer.subprotocols.opaque().map(String::from_utf8_lossy);
                let parts = match &offer.subprotocols {
                    Subprotocols::Opaque(_) => tokens.unwrap_or_default(),
                    Subprotocols::None | Subprotocols::List(_) => Vec::new(),
                };
                whole
                    .into_iter()
                    .chain(parts.into_iter().map(Cow::from))
                    .map(Cow::into_owned)
                    .collect()
            }
            Way::Hixie { .. } | Way::Hybi(_) => {
                tokens.ok_or(Refusal::Subprotocol)?.into_iter().map(str::to_owned).collect()
            }
        };
        out.extend_from_slice(b"GET ");
        for byte in &offer.target {
            match byte {
                b' ' => out.extend_from_slice(b"%20"),
                byte => out.push(*byte),
            }
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let due = match way(dialect) {
            Way::Hixie { draft, mark } => {
                hixie::opening::write_offer(draft, mark, offer, entropy, out)
                    .map_or(Due::Nothing, Due::Md5)
            }
            Way::Hybi(version) => {
                Due::Accept(hybi::opening::write_offer(version, offer, compression, entropy, out))
            }
        };
        Ok(Self { agreement: dialect.into(), compression, due, offered, interim: 0, searched: 0 })
    }

    /// Reads the answer from all that came so far; `None` when it goes on. With the answer comes
    /// its length in bytes; what is behind it is frames.
    ///
    /// # Errors
    /// With the [`Failure`] of the backend.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<(Answer, usize)>, Failure> {
        loop {
            let rest = bytes.get(self.interim..).unwrap_or_default();
            let Some(end) = head::end(rest, self.searched) else {
                self.searched = rest.len();
                return Ok(None);
            };
            let response = Response::parse(rest.get(..end).unwrap_or_default())?;
            if matches!(response.status, 100 | 102..=199) {
                self.interim += end;
                self.searched = 0;
                continue;
            }
            let behind = rest.get(end..).unwrap_or_default();
            let answer = self.read_final(&response, behind)?;
            return Ok(answer.map(|(answer, proof)| (answer, self.interim + end + proof)));
        }
    }

    /// What was agreed on, once the answer has been read.
    pub const fn agreement(&self) -> Agreement {
        self.agreement
    }

    fn read_final(
        &mut self,
        response: &Response<'_>,
        behind: &[u8],
    ) -> Result<Option<(Answer, usize)>, Failure> {
        let fields = &response.fields;
        if response.status != 101 {
            let fields = end_to_end(fields);
            return Err(Failure::Status { status: response.status, fields });
        }
        if !fields.lists("Upgrade", "websocket") || !fields.lists("Connection", "upgrade") {
            return Err(Failure::NotWebSocket);
        }
        let proof = match &self.due {
            Due::Md5(due) => match behind.first_chunk::<{ keys::ANSWER_LEN }>() {
                Some(proof) if proof == due => keys::ANSWER_LEN,
                None if due.starts_with(behind) => return Ok(None),
                _ => return Err(Failure::Proof),
            },
            Due::Nothing | Due::Accept(_) => 0,
        };
        let answer = match (way(self.agreement.dialect), &self.due) {
            (Way::Hixie { draft, .. }, _) => {
                hixie::opening::read_answer(draft, &self.offered, response)?
            }
            (Way::Hybi(version), Due::Accept(key)) => {
                let (answer, agreement) = hybi::opening::read_answer(
                    version,
                    key,
                    &self.offered,
                    self.compression,
                    response,
                )?;
                self.agreement = agreement;
                answer
            }
            (Way::Hybi(_), _) => return Err(Failure::Proof),
        };
        Ok(Some((answer, proof)))
    }

    /// What it means that the connection ended with these bytes.
    pub fn end(&self, bytes: &[u8]) -> Failure {
        // "HTTP/1.1 101", the part of a status line that says something.
        Failure::End { status: bytes.len() >= 12 }
    }
}

/// Whether a backend that failed so may speak an older dialect: it did not know what was asked of
/// it. Any other answer is an answer.
pub fn suggests_older(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Status { status: 400 | 426 | 501, .. } | Failure::End { status: false }
    )
}
