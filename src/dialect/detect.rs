//! Which dialect a client speaks, told by the fields of its request.

use super::Dialect;
use super::hixie::Draft;
use super::hybi::Version;
use crate::handshake::Refusal;
use crate::wire::head::{self, Fields, Request};

/// Finds the dialect of a request, and refuses what is none or more than one.
///
/// # Errors
/// [`Refusal::NotWebSocket`] for another kind of request, [`Refusal::Version`] for a draft that is
/// not spoken, others for requests that could be read in two ways.
pub fn detect(request: &Request<'_>) -> Result<Dialect, Refusal> {
    if !request.fields.lists("Connection", "upgrade") {
        return Err(Refusal::NotWebSocket);
    }
    detect_without_connection(request)
}

/// The same, whatever `Connection` says. A client that leaves `upgrade` out of it asks for nothing by
/// RFC 9110 section 7.8; some mean it all the same.
///
/// # Errors
/// As [`detect`].
pub fn detect_without_connection(request: &Request<'_>) -> Result<Dialect, Refusal> {
    let fields = &request.fields;
    if request.method != "GET" || !fields.lists("Upgrade", "websocket") {
        return Err(Refusal::NotWebSocket);
    }
    // "The method of the request MUST be GET, and the HTTP version MUST be at least 1.1" (RFC 6455
    // section 4.1).
    if request.version == head::Version::Http10 {
        return Err(Refusal::HttpVersion);
    }
    // Two of them can be read in two ways, and some old clients and servers do.
    fields.only("Upgrade")?;
    fields.only("Connection")?;
    let keys = [fields.has("Sec-WebSocket-Key1"), fields.has("Sec-WebSocket-Key2")];
    let version = fields.only("Sec-WebSocket-Version")?;
    let mark = fields.only("Sec-WebSocket-Draft")?;
    if mark.is_some() && version.is_some() {
        return Err(Refusal::MixedDrafts);
    }
    let dialect = match (keys, version) {
        ([true, _] | [_, true], Some(_)) => return Err(Refusal::MixedDrafts),
        ([true, _] | [_, true], None) if fields.has("Sec-WebSocket-Key") => {
            return Err(Refusal::MixedDrafts);
        }
        ([true, true], None) => match mark {
            Some(b"1") => Dialect::Hybi(Version::V1),
            // 02 and 03 say the same, and differ in nothing that a server has to know.
            Some(b"2" | b"3") => Dialect::Hybi(Version::V3),
            // draft-ietf-hybi-00 is 76, be it marked or not.
            None | Some(b"0") => Dialect::Hixie(Draft::H76),
            Some(_) => return Err(Refusal::Version),
        },
        ([true, false] | [false, true], None) => return Err(Refusal::MissingKey),
        (_, Some(b"13")) => Dialect::Hybi(Version::V13),
        (_, Some(b"8")) => Dialect::Hybi(Version::V8),
        (_, Some(b"7")) => Dialect::Hybi(Version::V7),
        (_, Some(b"6")) => Dialect::Hybi(Version::V6),
        (_, Some(b"5")) => Dialect::Hybi(Version::V5),
        (_, Some(b"4")) => Dialect::Hybi(Version::V4),
        (_, Some(_)) => return Err(Refusal::Version),
        // "The fourth name-value pair is Origin" (draft-hixie-75), and none of 76 or later.
        (_, None) if fields.has("Origin") && !has_prefix(fields, "sec-websocket-") => {
            Dialect::Hixie(Draft::H75)
        }
        _ => return Err(Refusal::Version),
    };
    refuse_body(dialect, fields)?;
    Ok(dialect)
}

/// Those that a client may speak whose marks are these of `found`.
pub const fn alike(found: Dialect) -> &'static [Dialect] {
    match found {
        // 01 defined no mark.
        Dialect::Hixie(Draft::H76) => &[Dialect::Hixie(Draft::H76), Dialect::Hybi(Version::V1)],
        // Clients of the family of websocket-ruby say 1 and speak 76.
        Dialect::Hybi(Version::V1) => &[Dialect::Hybi(Version::V1), Dialect::Hixie(Draft::H76)],
        // 02 and 03 have one number, which clients of the family of eventlet say too that speak 76.
        Dialect::Hybi(Version::V3) => {
            &[Dialect::Hybi(Version::V3), Dialect::Hybi(Version::V2), Dialect::Hixie(Draft::H76)]
        }
        _ => &[],
    }
}

/// The dialect of a client whose marks are those of `found`: what `assume` says it is of those that have
/// the same marks; else the first of these that is accepted at all.
pub fn assumed(found: Dialect, assume: &[Dialect], accept: &[Dialect]) -> Dialect {
    let said = assume.iter().find(|dialect| alike(found).contains(dialect));
    let left = || alike(found).iter().find(|dialect| accept.contains(dialect));
    said.or_else(left).copied().unwrap_or(found)
}

/// A request with a body is another request to the next hop. Only key3 comes behind a head, which
/// some clients announce as `Content-Length: 8`.
fn refuse_body(dialect: Dialect, fields: &Fields<'_>) -> Result<(), Refusal> {
    let announced: &[u8] = if dialect.has_key3() { b"8" } else { b"0" };
    match fields.only("Content-Length")? {
        _ if fields.has("Transfer-Encoding") => Err(Refusal::Body),
        Some(length) if length != announced => Err(Refusal::Body),
        _ => Ok(()),
    }
}

fn has_prefix(fields: &Fields<'_>, prefix: &str) -> bool {
    fields.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with(prefix))
}
