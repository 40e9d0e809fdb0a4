//! The opening handshake of a server under test: the request that the kit makes, and the answer judged.

use super::agreement::{FIELD, confirm};
use super::case::{Change, Grade};
use super::head::Head;
use super::proof::{accept, answer, is_sixteen_bytes};
use crate::dialect::Dialect;
use crate::dialect::hixie::Draft;
use crate::dialect::hybi::Version;

/// The keys of the overview in draft-hixie-76.
const KEYS: [&str; 2] = ["4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00"];
const KEY3: &[u8] = b"^n:ds[4U";

/// The key of RFC 6455 section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Where a page is that the kit says it is.
const ORIGIN: &str = "http://conformance.example";

/// Where the server under test is.
#[derive(Debug, Clone)]
pub struct Site {
    /// What stands in `Host`.
    pub host: String,
    /// The request target.
    pub target: String,
    /// Whether it is reached by TLS.
    pub secure: bool,
}

/// What is wrong with a handshake, and how much.
pub(super) type Findings = Vec<(Grade, String)>;

/// A head in the making, and what follows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Draught {
    pub(super) line: String,
    pub(super) fields: Vec<(String, Vec<u8>)>,
    /// Key3, or the answer to it.
    pub(super) behind: Vec<u8>,
    /// Whether the stream ends behind it.
    pub(super) ends: bool,
}

impl Draught {
    pub(super) fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.fields.push((name.to_owned(), value.as_ref().to_vec()));
    }

    pub(super) fn change(&mut self, change: &Change, target: &str) {
        match change {
            Change::Line(line) => self.line = line.replace("{target}", target),
            Change::Set(name, value) => {
                match self.fields.iter_mut().find(|field| field.0 == *name) {
                    Some(field) => field.1.clone_from(value),
                    None => self.add(name, value),
                }
            }
            Change::Add(name, value) => self.add(name, value),
            Change::Drop(name) => self.fields.retain(|field| field.0 != *name),
            Change::SmallNames => {
                self.fields.iter_mut().for_each(|field| field.0.make_ascii_lowercase());
            }
            Change::Behind(bytes) => self.behind.clone_from(bytes),
            Change::End => self.ends = true,
        }
    }

    /// The head without what follows.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut bytes = self.line.clone().into_bytes();
        bytes.extend_from_slice(b"\r\n");
        for (name, value) in &self.fields {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// All values of a field.
    pub(super) fn all(&self, name: &str) -> Vec<&[u8]> {
        let same = self.fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_slice()).collect()
    }

    /// The value of a field, as it is read.
    pub(super) fn value(&self, name: &str) -> Option<&[u8]> {
        let field = self.fields.iter().find(|field| field.0.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.trim_ascii())
    }
}

/// Whether key3 follows the head, and 16 bytes the answer.
pub(super) const fn has_key3(dialect: Dialect) -> bool {
    matches!(
        dialect,
        Dialect::Hixie(Draft::H76) | Dialect::Hybi(Version::V1 | Version::V2 | Version::V3)
    )
}

/// A request as the dialect has it.
pub(super) fn request(dialect: Dialect, site: &Site) -> Draught {
    let mut request =
        Draught { line: format!("GET {} HTTP/1.1", site.target), ..Draught::default() };
    match dialect {
        Dialect::Hybi(version) if !has_key3(dialect) => {
            request.add("Host", &site.host);
            request.add("Upgrade", "websocket");
            request.add("Connection", "Upgrade");
            request.add("Sec-WebSocket-Key", KEY);
            request.add("Sec-WebSocket-Version", number(version));
            let origin = if version == Version::V13 { "Origin" } else { "Sec-WebSocket-Origin" };
            request.add(origin, ORIGIN);
        }
        Dialect::Hixie(_) | Dialect::Hybi(_) => {
            request.add("Upgrade", "WebSocket");
            request.add("Connection", "Upgrade");
            request.add("Host", &site.host);
            request.add("Origin", ORIGIN);
            if has_key3(dialect) {
                let [key1, key2] = KEYS;
                request.add("Sec-WebSocket-Key1", key1);
                request.add("Sec-WebSocket-Key2", key2);
                request.behind = KEY3.to_vec();
            }
            // 03 kept the number of 02.
            match dialect {
                Dialect::Hybi(Version::V1) => request.add("Sec-WebSocket-Draft", "1"),
                Dialect::Hybi(_) => request.add("Sec-WebSocket-Draft", "2"),
                Dialect::Hixie(_) => {}
            }
        }
    }
    request
}

/// The number in `Sec-WebSocket-Version`.
pub(super) const fn number(version: Version) -> &'static str {
    match version {
        Version::V1 => "1",
        Version::V2 | Version::V3 => "2",
        Version::V4 => "4",
        Version::V5 => "5",
        Version::V6 => "6",
        Version::V7 => "7",
        Version::V8 => "8",
        Version::V13 => "13",
    }
}

/// The 16 bytes that have to follow the head of the answer.
pub(super) fn proof(request: &Draught) -> Option<Vec<u8>> {
    let [key1, key2] = ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"].map(|name| request.value(name));
    answer(key1?, key2?, &request.behind)
}

/// Whether the head of an answer proves that the request was read, and the nonce of
/// draft-ietf-hybi-04.
///
/// # Errors
/// With what is wrong.
pub(super) fn check_proof(
    dialect: Dialect,
    request: &Draught,
    head: &Head,
) -> Result<Vec<u8>, String> {
    let key = request.value("Sec-WebSocket-Key").filter(|_| !has_key3(dialect));
    let Some(key) = key else { return Ok(Vec::new()) };
    match head.only("Sec-WebSocket-Accept") {
        None => return Err("there is not one Sec-WebSocket-Accept".to_owned()),
        Some(found) if found != accept(key) => {
            return Err(format!("wrong Sec-WebSocket-Accept {}", found.escape_ascii()));
        }
        Some(_) => {}
    }
    match (dialect, head.only("Sec-WebSocket-Nonce")) {
        (Dialect::Hybi(Version::V4), Some(nonce)) if is_sixteen_bytes(nonce) => Ok(nonce.to_vec()),
        (Dialect::Hybi(Version::V4), _) => Err("there is no sound Sec-WebSocket-Nonce".to_owned()),
        _ => Ok(Vec::new()),
    }
}

/// What is wrong with the head of a 101 beside its proof.
pub(super) fn judge(dialect: Dialect, site: &Site, request: &Draught, head: &Head) -> Findings {
    let mut findings: Findings = head.faults.iter().map(|f| (Grade::Fail, f.clone())).collect();
    let mut find = |grade, is_wrong: bool, what: &str| {
        if is_wrong {
            findings.push((grade, what.to_owned()));
        }
    };
    let (fail, lax) = (Grade::Fail, Grade::NonStrict);
    find(fail, head.all("Connection").len() != 1, "there is not one Connection");
    find(fail, head.all("Upgrade").len() != 1, "there is not one Upgrade");
    find(lax, head.fields.iter().any(|(_, value)| value.is_empty()), "a field is empty");
    let has_body = ["Content-Length", "Transfer-Encoding"].iter().any(|n| !head.all(n).is_empty());
    find(lax, has_body, "a 101 announces a body");
    let is_hixie = matches!(dialect, Dialect::Hixie(_)) || has_key3(dialect);
    if !is_hixie {
        find(fail, !head.is("Upgrade", "websocket"), "Upgrade is not websocket");
        find(fail, !head.lists("Connection", "upgrade"), "Connection does not list Upgrade");
        let offered = request.value("Sec-WebSocket-Protocol").map(String::from_utf8_lossy);
        let offered = offered.unwrap_or_default();
        let chosen = head.all("Sec-WebSocket-Protocol");
        let is_offered =
            |found: &[u8]| offered.split(',').any(|offer| offer.trim().as_bytes() == found);
        find(fail, chosen.len() > 1, "more than one subprotocol");
        find(fail, chosen.iter().any(|c| !is_offered(c)), "a subprotocol that was not offered");
        match confirm(&request.all(FIELD), &head.all(FIELD)) {
            Ok(agreed) => agreed.into_iter().flat_map(|a| a.lax).for_each(|w| find(lax, true, w)),
            Err(what) => find(fail, true, &what),
        }
        return findings;
    }
    let prefix = if dialect == Dialect::Hixie(Draft::H75) { "" } else { "Sec-" };
    let name = |rest: &str| format!("{prefix}WebSocket-{rest}");
    if dialect == Dialect::Hixie(Draft::H75) {
        // Clients of draft-hixie-75 compare the first 85 bytes.
        let start: &[u8] = b"HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\n\
            Connection: Upgrade\r\n";
        find(fail, !head.bytes.starts_with(start), "the first 85 bytes are not those of the draft");
    } else {
        let reason = "HTTP/1.1 101 WebSocket Protocol Handshake";
        find(lax, head.line != reason, "the reason phrase is not that of the draft");
        let upgrade = head.only("Upgrade");
        find(fail, upgrade != Some(b"WebSocket"), "Upgrade is not exactly WebSocket");
        find(fail, !head.is("Connection", "upgrade"), "Connection is not exactly Upgrade");
    }
    let origin = request.value("Origin");
    find(fail, head.only(&name("Origin")) != origin, "the origin is not that of the request");
    let scheme = if site.secure { "wss" } else { "ws" };
    let host = request.value("Host").map(String::from_utf8_lossy).unwrap_or_default();
    let target = request.line.split(' ').nth(1).unwrap_or_default();
    let location = format!("{scheme}://{host}{target}");
    let found = head.only(&name("Location")).map(String::from_utf8_lossy);
    let told = found.as_deref().unwrap_or("nothing");
    find(fail, told != location, &format!("the location is {told} and not {location}"));
    let (asked, chosen) = (request.value(&name("Protocol")), head.all(&name("Protocol")));
    find(fail, chosen.iter().any(|c| Some(*c) != asked), "a subprotocol that was not asked for");
    find(lax, asked.is_some() && chosen.is_empty(), "the subprotocol does not come back");
    let known = ["Origin", "Location", "Protocol"].map(name);
    let is_odd = |found: &str| known.iter().any(|k| k != found && k.eq_ignore_ascii_case(found));
    let is_odd = head.fields.iter().any(|(found, _)| is_odd(found));
    find(lax, is_odd, "a name is not in the case of the draft");
    findings
}
