//! Writes a HAR. A session stands in it as one entry, so that it is kept until it has ended.

use super::super::Sink;
use super::{KEPT, opcode, size_of_fields};
use crate::event::{Kind, Side};
use crate::transcript::account::Account;
use crate::transcript::event::{Accept, Event, Header, Message, Open, What};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

/// Writes a HAR.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// Nanoseconds since 1970.
    start: u64,
    open: BTreeMap<u64, Session>,
    /// What the open sessions take, in bytes.
    kept: usize,
    any: bool,
}

/// A session that has not ended.
#[derive(Debug)]
struct Session {
    at: u64,
    open: Open,
    answer: Option<(u64, Accept)>,
    /// JSON, separated by commas.
    messages: Vec<u8>,
    last: u64,
    /// What it takes, in bytes.
    size: usize,
}

impl<W: Write> Writer<W> {
    /// Writes to `out`.
    pub const fn new(out: W) -> Self {
        Self { out, start: 0, open: BTreeMap::new(), kept: 0, any: false }
    }

    /// What is written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn more(&mut self, event: &Event) -> io::Result<()> {
        let Event { session, at, what, .. } = event;
        let Some(session) = self.open.get_mut(session) else { return Ok(()) };
        session.last = *at;
        let mut size = 0;
        if let What::Accept(accept) = what {
            size = size_of_fields(&accept.fields);
            session.answer = Some((*at, accept.clone()));
        } else if let Some((way, opcode, data)) = frame(what) {
            let before = session.messages.len();
            if before > 0 {
                session.messages.push(b',');
            }
            let time = seconds(self.start.saturating_add(*at));
            let frame = json!({ "type": way, "time": time, "opcode": opcode, "data": data });
            serde_json::to_writer(&mut session.messages, &frame)?;
            size = session.messages.len() - before;
        }
        session.size += size;
        self.keep(size)
    }

    fn keep(&mut self, size: usize) -> io::Result<()> {
        self.kept += size;
        if self.kept > KEPT {
            let most = KEPT >> 20;
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("sessions that have not ended take more than {most} MiB; write .wsrec"),
            ));
        }
        Ok(())
    }

    fn entry(&mut self, session: &Session) -> io::Result<()> {
        let Session { at, open, answer, messages, last, size } = session;
        self.kept -= size;
        let started = UNIX_EPOCH + Duration::from_nanos(self.start.saturating_add(*at));
        let wait = answer.as_ref().map_or(0, |(answered, _)| answered.saturating_sub(*at));
        let accept = answer.as_ref().map(|(_, accept)| accept);
        let status = accept.map_or(0, |accept| accept.status);
        let host = value(&open.fields, "Host").unwrap_or(&open.server);
        let address = open.server.rsplit_once(':').map_or(&*open.server, |(address, _)| address);
        let entry = json!({
            "startedDateTime": humantime::format_rfc3339_micros(started).to_string(),
            "time": milliseconds(last.saturating_sub(*at)),
            "request": {
                "method": "GET",
                "url": format!("ws://{host}{}", open.target),
                "httpVersion": "HTTP/1.1",
                "cookies": [],
                "headers": fields(&open.fields),
                "queryString": query(&open.target),
                "headersSize": -1,
                "bodySize": 0,
            },
            "response": {
                "status": status,
                "statusText": if status == 101 { "Switching Protocols" } else { "" },
                "httpVersion": "HTTP/1.1",
                "cookies": [],
                "headers": accept.map(|accept| fields(&accept.fields)).unwrap_or_default(),
                "content": { "size": 0, "mimeType": "x-unknown" },
                "redirectURL": "",
                "headersSize": -1,
                "bodySize": 0,
            },
            "cache": {},
            "timings": { "send": 0, "wait": milliseconds(wait), "receive": 0 },
            "serverIPAddress": address.trim_matches(['[', ']']),
            "_resourceType": "websocket",
        });
        // The messages are JSON already; they go in before the brace that ends the entry.
        let entry = entry.to_string();
        let entry = entry.strip_suffix('}').unwrap_or(&entry);
        self.out.write_all(if self.any { b",\n" } else { b"\n" })?;
        self.any = true;
        self.out.write_all(entry.as_bytes())?;
        self.out.write_all(b",\"_webSocketMessages\":[")?;
        self.out.write_all(messages)?;
        self.out.write_all(b"]}")
    }
}

impl<W: Write> Sink for Writer<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.start = header.start;
        let creator = json!({
            "name": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "comment": header.source,
        });
        write!(
            self.out,
            "{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"pages\":[],\"entries\":["
        )
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        match &event.what {
            What::Open(open) => {
                let session = Session {
                    at: event.at,
                    open: open.clone(),
                    answer: None,
                    messages: Vec::new(),
                    last: event.at,
                    size: open.target.len() + size_of_fields(&open.fields),
                };
                let size = session.size;
                self.open.insert(event.session, session);
                self.keep(size)?;
            }
            What::End(_) => {
                if let Some(mut session) = self.open.remove(&event.session) {
                    session.last = event.at;
                    self.entry(&session)?;
                }
            }
            _ => self.more(event)?,
        }
        Ok(())
    }

    fn end(&mut self, _account: &Account) -> io::Result<()> {
        for session in std::mem::take(&mut self.open).into_values() {
            self.entry(&session)?;
        }
        self.out.write_all(b"\n]}}\n")?;
        self.out.flush()
    }
}

/// What stands in the messages of a HAR: who, the opcode, the data. A gap does not, nor the end.
fn frame(what: &What) -> Option<(&'static str, i64, String)> {
    let base64 = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    let (from, opcode, data) = match what {
        What::Message(Message { from, kind, data, .. }) => match (kind, str::from_utf8(data)) {
            (Kind::Text, Ok(text)) => (*from, opcode::TEXT, text.to_owned()),
            // Text that is none can stand as bytes only.
            _ => (*from, opcode::BINARY, base64(data)),
        },
        What::Ping { from, data } => (*from, opcode::PING, base64(data)),
        What::Pong { from, data } => (*from, opcode::PONG, base64(data)),
        What::Close { from, code, reason } => {
            let code = code.map(u16::to_be_bytes);
            let bytes = [code.as_ref().map_or(&[][..], |code| code), reason.as_bytes()].concat();
            (*from, opcode::CLOSE, base64(&bytes))
        }
        What::Fault { fault, .. } => return Some(("error", opcode::ERROR, fault.clone())),
        What::Open(_) | What::Accept(_) | What::Gap { .. } | What::End(_) => return None,
    };
    let way = match from {
        Side::Client => "send",
        Side::Backend => "receive",
    };
    Some((way, opcode, data))
}

fn value<'f>(fields: &'f [(String, String)], wanted: &str) -> Option<&'f String> {
    let mut found = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.next().map(|(_, value)| value)
}

fn fields(fields: &[(String, String)]) -> Vec<Value> {
    fields.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

fn query(target: &str) -> Vec<Value> {
    let Some((_, query)) = target.split_once('?') else { return Vec::new() };
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// Seconds since 1970, exact to the microsecond.
fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_micros(nanoseconds / 1000).as_secs_f64()
}

fn milliseconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64() * 1000.0
}
