//! What a line holds, as JSON has it. These types are the frozen form: they stand apart from those of
//! the transcript, which may change.

use super::text;
use crate::dialect::Dialect;
use crate::event::{Kind, Side};
use crate::transcript::account::Account;
use crate::transcript::event::{Accept, End, Event, How, Message, Open, What};
use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::{self, Write};

/// The version that is written, and the only one there is.
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head<'a> {
    pub(super) wsrec: u32,
    /// RFC 3339, in UTC.
    pub(super) start: Cow<'a, str>,
    #[serde(default)]
    pub(super) source: Cow<'a, str>,
}

/// What every line has behind the first, but the account.
#[derive(Debug, Deserialize)]
pub(super) struct Stamp<'a> {
    #[serde(borrow)]
    pub(super) event: Cow<'a, str>,
    session: Option<u64>,
    at: Option<u64>,
    packet: Option<u64>,
}

/// A line that is written.
#[derive(Serialize)]
struct Line<T> {
    event: &'static str,
    session: u64,
    at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet: Option<u64>,
    #[serde(flatten)]
    body: T,
}

/// The two sides. The backend of a proxy is a server to everyone else.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Party {
    Client,
    Server,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindWord {
    Text,
    Binary,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum HowWord {
    Fin,
    Reset,
    Cut,
}

/// Name and value of each header field.
type FieldList<'a> = Cow<'a, [(String, String)]>;

#[derive(Serialize, Deserialize)]
struct OpenLine<'a> {
    dialect: Dialect,
    #[serde(default)]
    client: Cow<'a, str>,
    #[serde(default)]
    server: Cow<'a, str>,
    target: Cow<'a, str>,
    fields: FieldList<'a>,
}

#[derive(Serialize, Deserialize)]
struct AcceptLine<'a> {
    status: u16,
    fields: FieldList<'a>,
}

#[derive(Deserialize)]
struct MessageLine<'a> {
    from: Party,
    #[serde(default)]
    seen: u64,
    kind: Option<KindWord>,
    #[serde(flatten)]
    payload: Payload<'a>,
}

#[derive(Serialize, Deserialize)]
struct ControlLine<'a> {
    from: Party,
    #[serde(flatten)]
    payload: Payload<'a>,
}

/// One of the two.
#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct CloseLine<'a> {
    from: Party,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(default)]
    reason: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct GapLine {
    from: Party,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct FaultLine<'a> {
    from: Party,
    fault: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct EndLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Party>,
    how: HowWord,
    clean: bool,
}

/// The last line. The compiler holds its fields to those of [`Account`].
#[derive(Default, Serialize, Deserialize)]
#[serde(remote = "Account", default)]
struct AccountForm {
    packets: u64,
    other_packets: u64,
    truncated_packets: u64,
    duplicates: u64,
    conflicts: u64,
    stray_segments: u64,
    lost_fragments: u64,
    gap_bytes: u64,
    flows: u64,
    sessions: u64,
    tls_flows: u64,
    other_flows: u64,
    mid_stream_flows: u64,
    cut_flows: u64,
    one_way_flows: u64,
    forgotten_flows: u64,
    sessions_with_gaps: u64,
    unknown_events: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
}

/// The account, with the name of its event.
#[derive(Serialize)]
struct AccountLine<'a> {
    event: &'static str,
    #[serde(flatten, serialize_with = "account_form")]
    account: &'a Account,
}

fn account_form<S: serde::Serializer>(account: &&Account, to: S) -> Result<S::Ok, S::Error> {
    AccountForm::serialize(account, to)
}

/// What a line behind the first was found to be.
pub(super) enum Read {
    Event(Event),
    Account(Account),
    /// An event of a later version.
    Unknown,
}

/// Writes an event, without the end of its line.
pub(super) fn write(event: &Event, out: &mut Vec<u8>) -> io::Result<()> {
    match &event.what {
        What::Open(Open { dialect, client, server, target, fields }) => line(
            event,
            "open",
            OpenLine {
                dialect: *dialect,
                client: client.into(),
                server: server.into(),
                target: target.into(),
                fields: fields.into(),
            },
            out,
        ),
        What::Accept(Accept { status, fields }) => {
            line(event, "accept", AcceptLine { status: *status, fields: fields.into() }, out)
        }
        What::Message(message) => message_line(event, message, out),
        What::Ping { from, data } => line(event, "ping", ControlLine::new(*from, data), out),
        What::Pong { from, data } => line(event, "pong", ControlLine::new(*from, data), out),
        What::Close { from, code, reason } => {
            let body = CloseLine { from: (*from).into(), code: *code, reason: reason.into() };
            line(event, "close", body, out)
        }
        What::Gap { from, bytes } => {
            line(event, "gap", GapLine { from: (*from).into(), bytes: *bytes }, out)
        }
        What::Fault { from, fault } => {
            line(event, "fault", FaultLine { from: (*from).into(), fault: fault.into() }, out)
        }
        What::End(End { by, how, clean }) => {
            let body = EndLine { by: by.map(Party::from), how: (*how).into(), clean: *clean };
            line(event, "end", body, out)
        }
    }
}

fn line(
    of: &Event,
    event: &'static str,
    body: impl Serialize,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let Event { session, at, packet, .. } = *of;
    Ok(serde_json::to_writer(out, &Line { event, session, at, packet, body })?)
}

/// Writes a message. They are most of a recording, so that this is done without serde, whose escaping
/// would take longer than all else that becomes of a message.
fn message_line(of: &Event, message: &Message, out: &mut Vec<u8>) -> io::Result<()> {
    let Event { session, at, packet, .. } = *of;
    let Message { from, kind, data, seen } = message;
    write!(out, r#"{{"event":"message","session":{session},"at":{at}"#)?;
    if let Some(packet) = packet {
        write!(out, r#","packet":{packet}"#)?;
    }
    let party = match from {
        Side::Client => "client",
        Side::Backend => "server",
    };
    write!(out, r#","from":"{party}","seen":{seen}"#)?;
    match (kind, simdutf8::basic::from_utf8(data)) {
        (Kind::Text, Ok(text)) => {
            out.extend_from_slice(br#","text":"#);
            text::write(text, out)?;
        }
        (kind, _) => {
            // Text that is none is told from binary by its kind.
            let kind = if *kind == Kind::Text { r#","kind":"text""# } else { "" };
            let base64 = BASE64_STANDARD.encode(data);
            write!(out, r#"{kind},"base64":"{base64}""#)?;
        }
    }
    out.push(b'}');
    Ok(())
}

/// Writes the account, without the end of its line.
pub(super) fn write_account(account: &Account, out: &mut Vec<u8>) -> io::Result<()> {
    Ok(serde_json::to_writer(out, &AccountLine { event: "account", account })?)
}

/// Reads a line behind the first.
pub(super) fn read(line: &[u8]) -> anyhow::Result<Read> {
    let stamp: Stamp<'_> = serde_json::from_slice(line)?;
    let what = match &*stamp.event {
        "account" => {
            let mut json = serde_json::Deserializer::from_slice(line);
            return Ok(Read::Account(AccountForm::deserialize(&mut json)?));
        }
        "open" => {
            let OpenLine { dialect, client, server, target, fields } =
                serde_json::from_slice(line)?;
            What::Open(Open {
                dialect,
                client: client.into_owned(),
                server: server.into_owned(),
                target: target.into_owned(),
                fields: fields.into_owned(),
            })
        }
        "accept" => {
            let AcceptLine { status, fields } = serde_json::from_slice(line)?;
            What::Accept(Accept { status, fields: fields.into_owned() })
        }
        "message" => What::Message(serde_json::from_slice::<MessageLine<'_>>(line)?.message()?),
        "ping" | "pong" => {
            let ControlLine { from, payload } = serde_json::from_slice(line)?;
            let (from, data) = (from.into(), payload.bytes()?);
            if stamp.event == "ping" {
                What::Ping { from, data }
            } else {
                What::Pong { from, data }
            }
        }
        "close" => {
            let CloseLine { from, code, reason } = serde_json::from_slice(line)?;
            What::Close { from: from.into(), code, reason: reason.into_owned() }
        }
        "gap" => {
            let GapLine { from, bytes } = serde_json::from_slice(line)?;
            What::Gap { from: from.into(), bytes }
        }
        "fault" => {
            let FaultLine { from, fault } = serde_json::from_slice(line)?;
            What::Fault { from: from.into(), fault: fault.into_owned() }
        }
        "end" => {
            let EndLine { by, how, clean } = serde_json::from_slice(line)?;
            What::End(End { by: by.map(Side::from), how: how.into(), clean })
        }
        _ => return Ok(Read::Unknown),
    };
    let session = stamp.session.context("`session` is missing")?;
    let at = stamp.at.context("`at` is missing")?;
    Ok(Read::Event(Event { session, at, packet: stamp.packet, what }))
}

impl MessageLine<'_> {
    fn message(self) -> anyhow::Result<Message> {
        let Self { from, seen, kind, payload } = self;
        let kind = match (kind, &payload.text) {
            (Some(KindWord::Text), _) | (None, Some(_)) => Kind::Text,
            (Some(KindWord::Binary), _) | (None, None) => Kind::Binary,
        };
        Ok(Message { from: from.into(), kind, data: payload.bytes()?, seen })
    }
}

impl<'a> ControlLine<'a> {
    fn new(from: Side, data: &'a [u8]) -> Self {
        Self { from: from.into(), payload: Payload::new(data) }
    }
}

impl<'a> Payload<'a> {
    fn new(data: &'a [u8]) -> Self {
        match str::from_utf8(data) {
            Ok(text) => Self { text: Some(text.into()), base64: None },
            Err(_) => Self::base64(data),
        }
    }

    fn base64(data: &[u8]) -> Self {
        Self { text: None, base64: Some(BASE64_STANDARD.encode(data).into()) }
    }

    fn bytes(self) -> anyhow::Result<Vec<u8>> {
        match (self.text, self.base64) {
            (Some(text), None) => Ok(text.into_owned().into_bytes()),
            (None, Some(base64)) => {
                BASE64_STANDARD.decode(&*base64).context("`base64` is not base64")
            }
            _ => bail!("there has to be `text` or `base64`"),
        }
    }
}

impl From<Side> for Party {
    fn from(side: Side) -> Self {
        match side {
            Side::Client => Self::Client,
            Side::Backend => Self::Server,
        }
    }
}

impl From<Party> for Side {
    fn from(party: Party) -> Self {
        match party {
            Party::Client => Self::Client,
            Party::Server => Self::Backend,
        }
    }
}

impl From<How> for HowWord {
    fn from(how: How) -> Self {
        match how {
            How::Fin => Self::Fin,
            How::Reset => Self::Reset,
            How::Cut => Self::Cut,
        }
    }
}

impl From<HowWord> for How {
    fn from(how: HowWord) -> Self {
        match how {
            HowWord::Fin => Self::Fin,
            HowWord::Reset => Self::Reset,
            HowWord::Cut => Self::Cut,
        }
    }
}
