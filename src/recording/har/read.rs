//! Reads a HAR. What is no WebSocket is passed over as it comes, bodies and all.

use super::super::Sink;
use super::{KEPT, opcode, size_of_fields};
use crate::dialect::{Dialect, detect};
use crate::event::{Kind, Side, Sides};
use crate::transcript::account::Account;
use crate::transcript::event::{Accept, End, Event, Header, How, Message, Open, What};
use crate::wire::head::Request as Head;
use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::time::UNIX_EPOCH;

/// Reads a HAR. Damage ends the reading and is named in the account; the sessions before it are told.
///
/// # Errors
/// When it is JSON of another kind, or the sink fails.
pub fn read(input: impl Read, sink: &mut dyn Sink) -> anyhow::Result<Account> {
    let mut log = Log::default();
    let left = Cell::new(KEPT);
    let mut json =
        serde_json::Deserializer::from_reader(io::BufReader::new(Metered { input, left: &left }));
    let result = Reader { part: Part::Root, log: &mut log, left: &left }.deserialize(&mut json);
    let result = result.and_then(|()| json.end()).map_err(|error| error.to_string());
    if !log.is_har {
        match result {
            Ok(()) => bail!("it is JSON, but no HAR: there is no `log.entries`"),
            Err(error) => bail!("it looks like JSON, but is no HAR: {error}"),
        }
    }
    log.account.damage = result.err();
    log.tell(sink)
}

/// Ends with an error when an entry takes too much, before it is in memory.
struct Metered<'c, R> {
    input: R,
    left: &'c Cell<usize>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        let left = self.left.get().checked_sub(count);
        self.left.set(left.ok_or_else(|| io::Error::other("an entry is larger than 256 MiB"))?);
        Ok(count)
    }
}

/// What has been read.
#[derive(Debug, Default)]
struct Log {
    is_har: bool,
    creator: String,
    account: Account,
    /// Their times count from 1970 yet.
    events: Vec<Event>,
    kept: usize,
}

impl Log {
    fn add(&mut self, entry: Entry) -> anyhow::Result<()> {
        self.account.flows += 1;
        if !entry.is_websocket() {
            self.account.other_flows += 1;
            return Ok(());
        }
        let events = entry.events(self.account.sessions + 1)?;
        self.kept += events.iter().map(size).sum::<usize>();
        if self.kept > KEPT {
            bail!("its WebSockets take more than {} MiB", KEPT >> 20)
        }
        self.account.sessions += 1;
        self.events.extend(events);
        Ok(())
    }

    fn tell(mut self, sink: &mut dyn Sink) -> anyhow::Result<Account> {
        let start = self.events.iter().map(|event| event.at).min().unwrap_or_default();
        // The sort is stable: those of one session stay in order.
        self.events.sort_by_key(|event| event.at);
        let by =
            if self.creator.is_empty() { String::new() } else { format!(" by {}", self.creator) };
        sink.begin(&Header { start, source: format!("HAR{by}") })?;
        for mut event in self.events {
            event.at -= start;
            sink.take(&event)?;
        }
        sink.end(&self.account)?;
        Ok(self.account)
    }
}

/// About what an event takes in memory.
fn size(event: &Event) -> usize {
    let more = match &event.what {
        What::Open(open) => open.target.len() + size_of_fields(&open.fields),
        What::Accept(accept) => size_of_fields(&accept.fields),
        What::Message(Message { data, .. }) | What::Ping { data, .. } | What::Pong { data, .. } => {
            data.len()
        }
        What::Close { reason: text, .. } | What::Fault { fault: text, .. } => text.len(),
        What::Gap { .. } | What::End(_) => 0,
    };
    size_of::<Event>() + more
}

/// What a value of a HAR is, on the way to its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The outermost object.
    Root,
    /// The object `log`.
    Log,
    /// The array `entries`.
    Entries,
}

/// Reads one of them.
struct Reader<'l> {
    part: Part,
    log: &'l mut Log,
    left: &'l Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        match self.part {
            Part::Root | Part::Log => from.deserialize_map(self),
            Part::Entries => from.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.part {
            Part::Root => "a HAR",
            Part::Log => "the `log` of a HAR",
            Part::Entries => "the `entries` of a HAR",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { part, log, left } = self;
        while let Some(key) = map.next_key::<String>()? {
            let part = match (part, &*key) {
                (Part::Root, "log") => Part::Log,
                (Part::Log, "entries") => Part::Entries,
                (Part::Log, "creator") => {
                    log.creator = map.next_value::<Creator>()?.name;
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            map.next_value_seed(Reader { part, log: &mut *log, left })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { log, left, .. } = self;
        log.is_har = true;
        while let Some(entry) = entries.next_element()? {
            let number = log.account.flows + 1;
            log.add(entry)
                .map_err(|error| A::Error::custom(format!("entry {number}: {error:#}")))?;
            left.set(KEPT);
        }
        Ok(())
    }
}

#[derive(Debug, Deserialize)]
struct Creator {
    #[serde(default)]
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    started_date_time: String,
    #[serde(default)]
    request: Request,
    #[serde(default)]
    response: Response,
    #[serde(default)]
    timings: Timings,
    #[serde(default, rename = "serverIPAddress")]
    server: Option<String>,
    #[serde(rename = "_webSocketMessages")]
    messages: Option<Vec<Frame>>,
    #[serde(default, rename = "_resourceType")]
    resource: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    url: String,
    headers: Vec<Field>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response {
    status: i64,
    headers: Vec<Field>,
}

#[derive(Debug, Deserialize)]
struct Field {
    name: String,
    value: String,
}

/// In milliseconds; -1 is none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Timings {
    blocked: Option<f64>,
    dns: Option<f64>,
    connect: Option<f64>,
    send: Option<f64>,
    wait: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    way: String,
    /// In seconds since 1970.
    time: f64,
    opcode: i64,
    data: String,
}

impl Entry {
    fn is_websocket(&self) -> bool {
        self.messages.is_some()
            || self.response.status == 101
            || self.resource.as_deref() == Some("websocket")
            || self.request.url.starts_with("ws:")
            || self.request.url.starts_with("wss:")
    }

    fn events(self, session: u64) -> anyhow::Result<Vec<Event>> {
        let start = instant(&self.started_date_time)
            .with_context(|| format!("startedDateTime {:?}", self.started_date_time))?;
        let frames = self.messages.unwrap_or_default();
        let first = frames.first().and_then(|frame| nanoseconds(frame.time)).unwrap_or(u64::MAX);
        let mut events = Vec::with_capacity(3 + frames.len());
        let mut at = start;
        let mut tell = |time: u64, what| {
            // No clock of a browser may turn the order around.
            at = at.max(time);
            events.push(Event { session, at, packet: None, what });
        };
        let fields = pairs(self.request.headers);
        let (server, target) = split(&self.request.url, self.server.as_deref());
        let dialect = dialect(&target, &fields);
        tell(start, What::Open(Open { dialect, client: String::new(), server, target, fields }));
        // 0 stands for a request that had no answer.
        if let Ok(status @ 100..) = u16::try_from(self.response.status) {
            let accept = Accept { status, fields: pairs(self.response.headers) };
            tell(
                start.saturating_add(self.timings.until_answer()).min(first),
                What::Accept(accept),
            );
        }
        let mut counts = Sides::default();
        let mut closed = false;
        for (number, frame) in (1..).zip(frames) {
            let time = nanoseconds(frame.time).unwrap_or_default();
            let what = frame.what(&mut counts).with_context(|| format!("message {number}"))?;
            closed |= matches!(what, What::Close { .. });
            tell(time, what);
        }
        tell(0, What::End(End { by: None, how: How::Cut, clean: closed }));
        Ok(events)
    }
}

impl Timings {
    /// From the start of an entry to the answer, in nanoseconds.
    fn until_answer(&self) -> u64 {
        let Self { blocked, dns, connect, send, wait } = *self;
        let sum: f64 =
            [blocked, dns, connect, send, wait].into_iter().flatten().map(|ms| ms.max(0.0)).sum();
        nanoseconds(sum / 1000.0).unwrap_or_default()
    }
}

impl Frame {
    fn what(self, counts: &mut Sides<u64>) -> anyhow::Result<What> {
        let from = match &*self.way {
            "send" => Side::Client,
            "receive" => Side::Backend,
            "error" => return Ok(What::Fault { from: Side::Backend, fault: self.data }),
            way => bail!("the type {way:?} is not known"),
        };
        Ok(match self.opcode {
            opcode::TEXT => message(from, Kind::Text, self.data.into_bytes(), counts),
            opcode::BINARY => message(from, Kind::Binary, self.bytes()?, counts),
            opcode::PING => What::Ping { from, data: self.bytes()? },
            opcode::PONG => What::Pong { from, data: self.bytes()? },
            opcode::CLOSE => match self.bytes()?.split_first_chunk() {
                Some((code, reason)) => What::Close {
                    from,
                    code: Some(u16::from_be_bytes(*code)),
                    reason: String::from_utf8_lossy(reason).into_owned(),
                },
                None => What::Close { from, code: None, reason: String::new() },
            },
            opcode::ERROR => What::Fault { from, fault: self.data },
            opcode => bail!("the opcode {opcode} is not known"),
        })
    }

    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        BASE64_STANDARD.decode(&self.data).context("its data is not base64")
    }
}

fn message(from: Side, kind: Kind, data: Vec<u8>, counts: &mut Sides<u64>) -> What {
    counts[from] += 1;
    What::Message(Message { from, kind, data, seen: counts[from.other()] })
}

fn pairs(fields: Vec<Field>) -> Vec<(String, String)> {
    fields.into_iter().map(|field| (field.name, field.value)).collect()
}

/// The server's address and the target of a URL.
fn split(url: &str, address: Option<&str>) -> (String, String) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split('#').next().unwrap_or_default();
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let port = match host.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => port,
        _ if matches!(scheme, "wss" | "https") => "443",
        _ => "80",
    };
    let server = match address.filter(|address| !address.is_empty()) {
        Some(address) if address.contains(':') && !address.starts_with('[') => {
            format!("[{address}]:{port}")
        }
        Some(address) => format!("{address}:{port}"),
        None => host.to_owned(),
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    (server, format!("{slash}{path}"))
}

/// What the fields of a request say; a browser that leaves some out speaks RFC 6455.
fn dialect(target: &str, fields: &[(String, String)]) -> Dialect {
    let mut head = format!("GET {target} HTTP/1.1\r\n");
    for (name, value) in fields {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    let request = Head::parse(head.as_bytes()).ok();
    request.and_then(|request| detect::detect(&request).ok()).unwrap_or(Dialect::RFC6455)
}

/// Seconds as nanoseconds. A float has no more than microseconds behind the seconds since 1970.
fn nanoseconds(seconds: f64) -> Option<u64> {
    let duration = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    let micros = u64::try_from((duration.as_nanos() + 500) / 1000).ok()?;
    micros.checked_mul(1000)
}

/// Nanoseconds since 1970 of an ISO 8601 time with `Z` or an offset.
fn instant(text: &str) -> anyhow::Result<u64> {
    let sign = text.rfind(['+', '-']).filter(|at| *at > "2026-11-21".len());
    let (local, offset) = text.split_at(sign.unwrap_or(text.len()));
    let local = format!("{}Z", local.trim_end_matches('Z'));
    let local = humantime::parse_rfc3339(&local)?.duration_since(UNIX_EPOCH)?;
    let local = i128::try_from(local.as_nanos())?;
    let offset = match offset.split_at_checked(1) {
        None => 0,
        Some((sign, offset)) => {
            let (hours, minutes) = offset.split_once(':').context("the offset has no colon")?;
            let minutes =
                i128::from(hours.parse::<u8>()?) * 60 + i128::from(minutes.parse::<u8>()?);
            if sign == "-" { -minutes } else { minutes }
        }
    };
    Ok(u64::try_from(local - offset * 60 * 1_000_000_000)?)
}
