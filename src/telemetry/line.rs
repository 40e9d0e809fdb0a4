//! The lines of the access log, as text or as JSON: the same fields in the same order.
//!
//! What comes from the network cannot end a line, begin a field, or reach a terminal as anything but
//! a character that is seen.

use super::account::Account;
use super::identity::Identity;
use crate::config::operation::LogFormat;
use crate::dialect::Dialect;
use crate::event::{Side, Sides};
use crate::quirk::Quirk;
use crate::session::fact::Cause;
use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::time::{Duration, SystemTime};

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) at: SystemTime,
    pub(super) identity: Identity,
    pub(super) what: What,
}

/// What a line is about.
#[derive(Debug)]
pub(super) enum What {
    Open { dialects: Sides<Dialect> },
    Close { dialects: Sides<Dialect>, account: Account, duration: Duration },
    Request(Request),
    Refused(Refused),
}

/// A plain request that has been answered, or broke off.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Box<str>,
    pub(crate) status: u16,
    /// The bytes of the body that came, and of the one that went out.
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// From the end of its head to the last byte of the answer.
    pub(crate) duration: Duration,
}

/// A handshake that was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What the client speaks, where that was found out.
    pub(crate) dialect: Option<Dialect>,
    /// The HTTP status that it was sent, where one could be.
    pub(crate) status: Option<u16>,
    /// For a person.
    pub(crate) reason: String,
}

impl Line {
    /// Writes the line with its end.
    pub(super) fn write(&self, format: LogFormat, out: &mut Vec<u8>) {
        let Self { at, identity, what } = self;
        let event = match what {
            What::Open { .. } => "open",
            What::Close { .. } => "close",
            What::Request(_) => "request",
            What::Refused(_) => "refused",
        };
        let mut row = Row::begin(*at, event, format, out);
        identity.texts().for_each(|(name, text)| row.bytes(name, text));
        match what {
            What::Open { dialects } => row.dialects(*dialects),
            What::Close { dialects, account, duration } => {
                row.dialects(*dialects);
                row.account(account);
                row.duration(*duration);
            }
            What::Request(Request { method, status, received, sent, duration }) => {
                row.text("method", method);
                row.number("status", u64::from(*status));
                row.number("bytes_up", *received);
                row.number("bytes_down", *sent);
                row.duration(*duration);
            }
            What::Refused(Refused { dialect, status, reason }) => {
                row.text("client", dialect.map_or("", Dialect::name));
                if let Some(status) = status {
                    row.number("status", u64::from(*status));
                }
                row.text("reason", reason);
            }
        }
        row.end();
    }
}

/// A line that is being written.
struct Row<'o> {
    format: LogFormat,
    out: &'o mut Vec<u8>,
}

impl<'o> Row<'o> {
    fn begin(at: SystemTime, event: &str, format: LogFormat, out: &'o mut Vec<u8>) -> Self {
        let at = humantime::format_rfc3339_millis(at);
        let start = match format {
            LogFormat::Text => format!("{at} {event}"),
            LogFormat::Json => format!("{{\"time\":\"{at}\",\"event\":\"{event}\""),
        };
        out.extend_from_slice(start.as_bytes());
        Self { format, out }
    }

    fn end(self) {
        self.out.extend_from_slice(match self.format {
            LogFormat::Text => b"\n",
            LogFormat::Json => b"}\n",
        });
    }

    /// A text of ours, which may hold one of a peer.
    fn text(&mut self, name: &str, text: impl Display) {
        self.bytes(name, text.to_string().as_bytes());
    }

    /// A text of a peer; what is empty is left out.
    fn bytes(&mut self, name: &str, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let text = printable(text);
        let bare = self.format == LogFormat::Text && text.bytes().all(|b| !b" \"\\=".contains(&b));
        match bare {
            true => self.field(name, &text),
            // The one form of quotes and escapes that every reader knows.
            false => self.field(name, &serde_json::Value::from(&*text).to_string()),
        }
    }

    fn number(&mut self, name: &str, number: u64) {
        self.field(name, &number.to_string());
    }

    /// Counts that are zero are left out of the line.
    fn count(&mut self, name: &str, count: impl Into<u64>) {
        let count = count.into();
        if count > 0 {
            self.number(name, count);
        }
    }

    fn duration(&mut self, duration: Duration) {
        self.number("duration_ms", u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    }

    fn dialects(&mut self, dialects: Sides<Dialect>) {
        self.text("client", dialects.client);
        self.text("backend", dialects.backend);
    }

    fn account(&mut self, account: &Account) {
        let (by, cause) = account.ended();
        self.number("messages_up", account.messages.client);
        self.number("bytes_up", account.bytes.client);
        self.number("messages_down", account.messages.backend);
        self.number("bytes_down", account.bytes.backend);
        self.text("client_close", account.closes.client.word());
        self.text("backend_close", account.closes.backend.word());
        self.text("ended_by", by.map_or("proxy", Side::name));
        self.text("how", how(cause));
        if let Cause::Fault(fault) = cause {
            self.text("fault", fault);
        }
        self.count("binary_lost", account.binary_lost);
        self.count("messages_cut", account.messages_cut);
        let quirks: Vec<_> = account.quirks.iter().map(Quirk::name).collect();
        if !quirks.is_empty() {
            self.text("quirks", quirks.join(","));
        }
    }

    fn field(&mut self, name: &str, value: &str) {
        let field = match self.format {
            LogFormat::Text => format!(" {name}={value}"),
            LogFormat::Json => format!(",\"{name}\":{value}"),
        };
        self.out.extend_from_slice(field.as_bytes());
    }
}

/// The word for a cause, in lines and labels.
pub(super) const fn how(cause: Cause) -> &'static str {
    match cause {
        Cause::Close => "close",
        Cause::Fin => "fin",
        Cause::Lost => "lost",
        Cause::Fault(_) => "fault",
        Cause::Silent => "silent",
        Cause::Idle => "idle",
        Cause::Shutdown => "shutdown",
    }
}

/// A text in which all is seen: what is no letter, no digit and no sign of ASCII stands as `\xNN`.
fn printable(text: &[u8]) -> Cow<'_, str> {
    let seen = |c: char| matches!(c, ' '..='~') || c.is_alphanumeric();
    if let Ok(text) = str::from_utf8(text)
        && text.chars().all(seen)
    {
        return text.into();
    }
    let mut shown = String::with_capacity(2 * text.len());
    let hide = |bytes: &[u8], shown: &mut String| {
        for byte in bytes {
            // Writing into a string does not fail.
            write!(shown, "\\x{byte:02x}").ok();
        }
    };
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match seen(c) {
                true => shown.push(c),
                false => hide(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut shown),
            }
        }
        hide(chunk.invalid(), &mut shown);
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::super::identity::{Details, tests::hop};
    use super::*;
    use crate::fault::Fault;
    use crate::session::fact::{Fact, Loss, Observer};
    use proptest::prelude::*;
    use serde_json::Value;

    fn written(details: Details<'_>, what: What, format: LogFormat) -> String {
        let identity = Identity::new(&hop(), details);
        let mut out = Vec::new();
        Line { at: SystemTime::UNIX_EPOCH, identity, what }.write(format, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn refused(reason: &str) -> What {
        What::Refused(Refused { dialect: None, status: Some(400), reason: reason.to_owned() })
    }

    fn close() -> What {
        let mut account = Account::default();
        let fault = Cause::Fault(Fault::Utf8);
        for fact in [
            Fact::Message { from: Side::Client, kind: crate::event::Kind::Text, bytes: 7 },
            Fact::Heard { from: Side::Backend, code: Some(4000) },
            Fact::Loss(Loss::BinaryDropped),
            Fact::Ended { by: Some(Side::Client), cause: fault },
        ] {
            account.observe(&fact);
        }
        let dialects = Sides { client: "hixie-76".parse().unwrap(), backend: Dialect::RFC6455 };
        What::Close { dialects, account, duration: Duration::from_millis(1500) }
    }

    #[test]
    fn the_line_of_a_close() {
        let details = Details {
            route: "chat room",
            host: b"a",
            target: b"/chat",
            server: "ws://127.0.0.1:9000",
            user_agent: b"Old \"Browser\"",
            ..Details::default()
        };
        let due = "1970-01-01T00:00:00.000Z close peer=192.0.2.1:4711 listener=main \
            route=\"chat room\" host=a path=/chat server=ws://127.0.0.1:9000 \
            user_agent=\"Old \\\"Browser\\\"\" client=hixie-76 backend=rfc6455 messages_up=1 \
            bytes_up=7 messages_down=0 bytes_down=0 client_close=- backend_close=4000 \
            ended_by=client how=fault fault=\"invalid UTF-8\" binary_lost=1 duration_ms=1500\n";
        assert_eq!(written(details, close(), LogFormat::Text), due);
        let json: Value =
            serde_json::from_str(&written(details, close(), LogFormat::Json)).unwrap();
        assert_eq!(json["user_agent"], "Old \"Browser\"");
        assert_eq!(json["backend_close"], "4000");
        assert_eq!(json["duration_ms"], 1500);
        assert!(json.get("messages_cut").is_none(), "a zero in {json}");
    }

    #[test]
    fn nothing_hidden_reaches_a_terminal() {
        assert_eq!(printable("gr\u{fc}\u{df}e".as_bytes()), "gr\u{fc}\u{df}e");
        assert_eq!(printable(b"\x1b[2J\x7f\xff"), "\\x1b[2J\\x7f\\xff");
        // A change of the direction of writing, and a control character beyond ASCII.
        assert_eq!(printable("\u{202e}\u{9b}".as_bytes()), "\\xe2\\x80\\xae\\xc2\\x9b");
    }

    /// Splits a text line as its documentation says: at spaces outside of quotes.
    fn fields(line: &str) -> Vec<(String, String)> {
        let mut rest = line.strip_suffix('\n').unwrap();
        rest = rest.split_once(' ').unwrap().1.split_once(' ').unwrap().1;
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (name, value) = rest.split_once('=').unwrap();
            let mut strings = serde_json::Deserializer::from_str(value).into_iter::<String>();
            let (value, end) = match value.starts_with('"') {
                true => (strings.next().unwrap().unwrap(), strings.byte_offset()),
                false => {
                    let end = value.find(' ').unwrap_or(value.len());
                    (value[..end].to_owned(), end)
                }
            };
            found.push((name.to_owned(), value));
            rest = &rest[rest.len() - (rest.len() - name.len() - 1 - end)..];
            rest = rest.strip_prefix(' ').unwrap_or(rest);
        }
        found
    }

    proptest! {
        #[test]
        fn one_line_in_is_one_line_out(
            host in prop::collection::vec(any::<u8>(), 0..80),
            target in prop::collection::vec(any::<u8>(), 0..80),
            user_agent in prop::collection::vec(any::<u8>(), 0..400),
            reason in any::<String>(),
        ) {
            let details = Details {
                host: &host, target: &target, user_agent: &user_agent, ..Details::default()
            };
            let text = written(details, refused(&reason), LogFormat::Text);
            let json = written(details, refused(&reason), LogFormat::Json);
            for line in [&text, &json] {
                prop_assert_eq!(line.matches('\n').count(), 1);
                prop_assert!(line.ends_with('\n'));
                prop_assert!(!line.trim_end_matches('\n').contains(char::is_control));
            }
            let json: serde_json::Map<String, Value> = serde_json::from_str(&json).unwrap();
            // Both forms have the same fields with the same values, and no other.
            let fields = fields(&text);
            prop_assert_eq!(fields.len() + 2, json.len());
            for (name, value) in fields {
                let same = match &json[&name] {
                    Value::String(other) => *other == value,
                    Value::Number(other) => value.parse() == Ok(other.as_u64().unwrap()),
                    other => panic!("{other}"),
                };
                prop_assert!(same, "{} is {:?} and {:?}", name, value, json[&name]);
            }
        }
    }
}
