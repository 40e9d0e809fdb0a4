//! The opening handshake of RFC 6455 section 4 and of the versions from 04 on, of both roles. Those
//! before have that of draft-hixie-76.

use super::Version;
use super::deflate::{self, Compression};
use super::frame_mask::ConnectionKey;
use crate::dialect::{Agreement, Dialect};
use crate::handshake::{
    Answer, Failure, Offer, Proof, Refusal, Subprotocols, end_to_end, write_field,
};
use crate::wire::entropy::Entropy;
use crate::wire::grammar::{is_token, token_list};
use crate::wire::head::{Fields, Request, Response};
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::{BASE64_STANDARD, Engine};
use sha1::{Digest, Sha1};

/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the extensions stand in that a side offers or chooses.
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// Base64 with padding, but without a word on the four bits that 16 bytes leave over: clients that
/// make up a key of random characters set them.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
pub fn accept(key: &[u8]) -> String {
    BASE64_STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn is_sixteen_bytes(base64: &[u8]) -> bool {
    LENIENT.decode(base64).is_ok_and(|bytes| bytes.len() == 16)
}

/// Reads the client's side of the handshake.
///
/// # Errors
/// With what is wrong with the key or a subprotocol.
pub fn read_offer(version: Version, request: &Request<'_>, host: &[u8]) -> Result<Offer, Refusal> {
    let key = request.fields.only("Sec-WebSocket-Key")?.ok_or(Refusal::Key)?;
    if !is_sixteen_bytes(key) {
        return Err(Refusal::Key);
    }
    Ok(Offer {
        target: request.target.to_owned(),
        host: host.to_owned(),
        origin: read_origin(version, &request.fields)?,
        subprotocols: read_subprotocols(&request.fields)?,
        extensions: request.fields.all(EXTENSIONS).map(<[u8]>::to_owned).collect(),
        fields: end_to_end(&request.fields),
        proof: Proof::Key(key.to_owned()),
    })
}

/// Up to draft-ietf-hybi-10 the origin of a browser had a name of its own.
fn read_origin(version: Version, fields: &Fields<'_>) -> Result<Option<Vec<u8>>, Refusal> {
    let own_name = match version {
        Version::V13 => None,
        _ => fields.only("Sec-WebSocket-Origin")?,
    };
    let mut said = [own_name, fields.only("Origin")?].into_iter().flatten();
    Ok(said.find(|origin| !origin.is_empty()).map(<[u8]>::to_owned))
}

fn read_subprotocols(fields: &Fields<'_>) -> Result<Subprotocols, Refusal> {
    let mut tokens = Vec::new();
    for value in fields.all("Sec-WebSocket-Protocol") {
        let list = token_list(value).ok_or(Refusal::Subprotocol)?;
        tokens.extend(list.into_iter().map(str::to_owned));
    }
    Ok(if tokens.is_empty() { Subprotocols::None } else { Subprotocols::List(tokens) })
}

/// Writes the server's answer, and tells what was agreed on.
pub fn write_answer(
    version: Version,
    offer: &Offer,
    answer: &Answer,
    compression: Compression,
    entropy: &mut dyn Entropy,
    out: &mut Vec<u8>,
) -> Agreement {
    let mut agreed = Agreement::from(Dialect::Hybi(version));
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
    write_field("Upgrade", b"websocket", out);
    write_field("Connection", b"Upgrade", out);
    if let Proof::Key(key) = &offer.proof {
        write_field("Sec-WebSocket-Accept", accept(key).as_bytes(), out);
        if version == Version::V4 {
            let nonce = sixteen_bytes(entropy);
            write_field("Sec-WebSocket-Nonce", nonce.as_bytes(), out);
            agreed.connection_key = Some(ConnectionKey::new(key, nonce.as_bytes()));
        }
    }
    if let Some(subprotocol) = &answer.subprotocol {
        write_field("Sec-WebSocket-Protocol", subprotocol, out);
    }
    let offers = offer.extensions.iter().map(Vec::as_slice);
    if let Some((deflate, chosen)) = deflate::accept(offers, spoken(version, compression)) {
        write_field(EXTENSIONS, chosen.as_bytes(), out);
        agreed.deflate = Some(deflate);
    }
    for (name, value) in &answer.fields {
        write_field(name, value, out);
    }
    out.extend_from_slice(b"\r\n");
    agreed
}

/// The extension came after the RFC; the drafts number the reserved bits in the same way, but no peer
/// of theirs knows it.
const fn spoken(version: Version, compression: Compression) -> Compression {
    if matches!(version, Version::V13) { compression } else { Compression::Off }
}

/// Sixteen random bytes in base64.
fn sixteen_bytes(entropy: &mut dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    BASE64_STANDARD.encode(bytes)
}

/// Writes the client's side of the handshake and returns its `Sec-WebSocket-Key`.
pub fn write_offer(
    version: Version,
    offer: &Offer,
    compression: Compression,
    entropy: &mut dyn Entropy,
    out: &mut Vec<u8>,
) -> String {
    let key = sixteen_bytes(entropy);
    write_field("Host", &offer.host, out);
    write_field("Upgrade", b"websocket", out);
    write_field("Connection", b"Upgrade", out);
    write_field("Sec-WebSocket-Key", key.as_bytes(), out);
    write_field("Sec-WebSocket-Version", version.number().as_bytes(), out);
    if let Some(origin) = &offer.origin {
        if version != Version::V13 {
            write_field("Sec-WebSocket-Origin", origin, out);
        }
        // Version 8 is draft-ietf-hybi-08 with the old name and 11 with this one.
        if version >= Version::V8 {
            write_field("Origin", origin, out);
        }
    }
    let tokens = offer.subprotocols.tokens().unwrap_or_default();
    if !tokens.is_empty() {
        write_field("Sec-WebSocket-Protocol", tokens.join(", ").as_bytes(), out);
    }
    if let Some(offered) = deflate::offer(spoken(version, compression)) {
        write_field(EXTENSIONS, offered.as_bytes(), out);
    }
    for (name, value) in &offer.fields {
        write_field(name, value, out);
    }
    out.extend_from_slice(b"\r\n");
    key
}

/// Reads the server's 101 to a request with this key (RFC 6455 section 4.1, what a client has to
/// check), and what was agreed on.
///
/// # Errors
/// When the proof is wrong, or when the server chose what was not offered.
pub fn read_answer(
    version: Version,
    key: &str,
    offered: &[String],
    compression: Compression,
    response: &Response<'_>,
) -> Result<(Answer, Agreement), Failure> {
    let fields = &response.fields;
    if fields.only("Sec-WebSocket-Accept")? != Some(accept(key.as_bytes()).as_bytes()) {
        return Err(Failure::Proof);
    }
    let connection_key = match (version, fields.only("Sec-WebSocket-Nonce")?) {
        (Version::V4, Some(nonce)) if is_sixteen_bytes(nonce) => {
            Some(ConnectionKey::new(key.as_bytes(), nonce))
        }
        (Version::V4, _) => return Err(Failure::Proof),
        _ => None,
    };
    let deflate = deflate::confirm(fields.all(EXTENSIONS), spoken(version, compression))
        .map_err(|deflate::NotOffered| Failure::Extension)?;
    let subprotocol = match fields.only("Sec-WebSocket-Protocol")? {
        None | Some([]) => None,
        Some(chosen)
            if is_token(chosen) && offered.iter().any(|offer| offer.as_bytes() == chosen) =>
        {
            Some(chosen.to_owned())
        }
        Some(_) => return Err(Failure::Subprotocol),
    };
    let agreed = Agreement { dialect: Dialect::Hybi(version), connection_key, deflate };
    Ok((Answer { subprotocol, fields: end_to_end(fields) }, agreed))
}
