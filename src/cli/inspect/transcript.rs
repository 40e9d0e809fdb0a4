//! One session as a transcript: when, in which packet, who, what.

use super::shown::{arrow, control, packet, payload, safe, seconds, shown};
use super::table::ended;
use crate::event::{Kind, Side};
use crate::recording::Sink;
use crate::transcript::account::Account;
use crate::transcript::event::{Event, Header, Message, What};
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

pub(super) struct Transcript<W> {
    out: W,
    full: bool,
    /// When the recording begins, in nanoseconds since 1970.
    begin: u64,
    /// When the session begins, since then.
    start: u64,
}

impl<W: Write> Transcript<W> {
    pub(super) const fn new(out: W, full: bool) -> Self {
        Self { out, full, begin: 0, start: 0 }
    }

    fn line(
        &mut self,
        event: &Event,
        from: Option<Side>,
        word: &str,
        rest: &str,
    ) -> io::Result<()> {
        let at = seconds(event.at.saturating_sub(self.start));
        let packet = packet(event.packet);
        let arrow = from.map_or(" ", arrow);
        let line = format!("{at:>12}  {packet:>8}  {arrow}  {word:<13}  {rest}");
        writeln!(self.out, "{}", line.trim_end())
    }

    fn fields(&mut self, fields: &[(String, String)]) -> io::Result<()> {
        for (name, value) in fields {
            writeln!(self.out, "{:44}{}: {}", "", shown(name), shown(value))?;
        }
        Ok(())
    }
}

impl<W: Write> Sink for Transcript<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.begin = header.start;
        Ok(())
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        match &event.what {
            What::Open(open) => {
                self.start = event.at;
                let known = |address: &str| match address {
                    "" => "unknown".to_owned(),
                    address => shown(address),
                };
                let (client, server) = (known(&open.client), known(&open.server));
                let at = UNIX_EPOCH + Duration::from_nanos(self.begin.saturating_add(event.at));
                let at = humantime::format_rfc3339_micros(at);
                let (number, dialect) = (event.session, open.dialect);
                writeln!(self.out, "session {number}: {dialect}, {client} > {server}, {at}")?;
                self.line(event, Some(Side::Client), "open", &shown(&open.target))?;
                self.fields(&open.fields)
            }
            What::Accept(accept) => {
                self.line(event, Some(Side::Backend), "accept", &accept.status.to_string())?;
                self.fields(&accept.fields)
            }
            What::Message(Message { from, kind, data, .. }) => {
                let word = match kind {
                    Kind::Text => "text",
                    Kind::Binary => "binary",
                };
                let word = format!("{word} {}", data.len());
                self.line(event, Some(*from), &word, &payload(*kind, data, self.full))
            }
            What::Ping { from, data } => self.line(event, Some(*from), "ping", &control(data)),
            What::Pong { from, data } => self.line(event, Some(*from), "pong", &control(data)),
            What::Close { from, code, reason } => {
                let code = code.map(|code| code.to_string()).unwrap_or_default();
                self.line(event, Some(*from), "close", &format!("{code} {}", shown(reason)))
            }
            What::Gap { from, bytes } => {
                self.line(event, Some(*from), "gap", &format!("{bytes} bytes are missing"))
            }
            What::Fault { from, fault } => self.line(event, Some(*from), "fault", &safe(fault)),
            What::End(end) => self.line(event, None, "end", &ended(end)),
        }
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        if let Some(damage) = &account.damage {
            writeln!(self.out, "damage of the recording: {}", safe(damage))?;
        }
        self.out.flush()
    }
}
