//! Our own form, `.wsrec`: JSON Lines. The first is the header, the last the account, and between
//! them stands an event a line. `docs/reference/recording.md` describes it.

mod form;
mod message;
mod text;

use super::Sink;
use crate::transcript::account::Account;
use crate::transcript::event::{End, Event, Header, How, What};
use anyhow::{Context, bail};
use form::Head;
use std::collections::BTreeSet;
use std::io::{self, BufRead, Read, Write};
use std::time::{Duration, UNIX_EPOCH};

/// The longest line, in bytes: 16 MiB of control characters, which take six bytes each, and the
/// rest of a line.
const LINE: usize = 97 << 20;

/// The most sessions that are open at once: of each that was cut the end is told.
const OPEN: usize = 1 << 20;

/// Reads a recording. Damage behind the header ends the reading and is named in the account; what
/// came before it has been told.
///
/// # Errors
/// When the first line is no header, or the sink fails.
pub fn read(input: impl BufRead, sink: &mut dyn Sink) -> anyhow::Result<Account> {
    let mut lines = Lines { input, line: Vec::new(), number: 0 };
    let header = match lines.next()? {
        true => header(&lines.line).context("line 1")?,
        false => bail!("it is empty"),
    };
    sink.begin(&header)?;
    let mut sessions = Sessions::default();
    let mut unknown = 0;
    let mut account = None;
    let damage = loop {
        match lines.event() {
            Ok(None) if account.is_none() => break Some(cut(lines.number)),
            Ok(None) => break None,
            Ok(Some(_)) if account.is_some() => {
                break Some(format!("line {}: stands behind the account", lines.number));
            }
            Ok(Some(form::Read::Event(event))) => {
                if let Err(error) = sessions.take(&event) {
                    break Some(format!("line {}: {error:#}", lines.number));
                }
                sink.take(&event)?;
            }
            Ok(Some(form::Read::Account(read))) => account = Some(read),
            Ok(Some(form::Read::Unknown)) => unknown += 1,
            Err(error) => break Some(format!("{error:#}")),
        }
    };
    for session in std::mem::take(&mut sessions.open) {
        let what = What::End(End { by: None, how: How::Cut, clean: false });
        sink.take(&Event { session, at: sessions.last, packet: None, what })?;
    }
    let mut account = account.unwrap_or_else(|| sessions.account());
    account.unknown_events = account.unknown_events.saturating_add(unknown);
    account.damage = account.damage.or(damage);
    sink.end(&account)?;
    Ok(account)
}

fn header(line: &[u8]) -> anyhow::Result<Header> {
    let head: Head<'_> = serde_json::from_slice(line).context("is no header of a recording")?;
    if head.wsrec != form::VERSION {
        bail!("version {} of the form is not known here, only {}", head.wsrec, form::VERSION)
    }
    let start = humantime::parse_rfc3339(&head.start).context("`start`")?;
    let start = start.duration_since(UNIX_EPOCH).context("`start`")?;
    let start = u64::try_from(start.as_nanos()).context("`start` is too late")?;
    Ok(Header { start, source: head.source.into_owned() })
}

fn cut(number: u64) -> String {
    format!("there is no account behind line {number}: the recording was cut, or goes on")
}

/// The lines of a recording.
struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line that is not empty.
    fn next(&mut self) -> anyhow::Result<bool> {
        loop {
            self.line.clear();
            self.number += 1;
            let number = self.number;
            let most = LINE as u64 + 1;
            let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.line);
            if read.with_context(|| format!("line {number}"))? == 0 {
                self.number -= 1;
                return Ok(false);
            }
            if self.line.len() > LINE {
                bail!("line {number}: is longer than {LINE} bytes")
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Reads the next line as an event.
    fn event(&mut self) -> anyhow::Result<Option<form::Read>> {
        if !self.next()? {
            return Ok(None);
        }
        if let Some(event) = message::read(&self.line) {
            return Ok(Some(form::Read::Event(event)));
        }
        match form::read(&self.line) {
            Ok(event) => Ok(Some(event)),
            // Who wrote it was stopped; nothing else leaves half a line.
            Err(_) if !self.line.ends_with(b"\n") => bail!("line {}: is cut", self.number),
            Err(error) => Err(error.context(format!("line {}", self.number))),
        }
    }
}

/// Which sessions are open. Each has one beginning and one end, and nothing outside them.
#[derive(Debug, Default)]
struct Sessions {
    open: BTreeSet<u64>,
    count: u64,
    gaps: BTreeSet<u64>,
    with_gaps: u64,
    gap_bytes: u64,
    /// The time of the last event.
    last: u64,
}

impl Sessions {
    fn take(&mut self, event: &Event) -> anyhow::Result<()> {
        let Event { session, at, what, .. } = event;
        let opens = matches!(what, What::Open(_));
        match (opens, self.open.contains(session)) {
            (true, true) => bail!("session {session} is open already"),
            (false, false) => bail!("session {session} is not open"),
            (true, false) if self.open.len() == OPEN => bail!("more than {OPEN} sessions are open"),
            (true, false) => {
                self.open.insert(*session);
                self.count += 1;
            }
            (false, true) => {}
        }
        match what {
            What::Gap { bytes, .. } => {
                self.with_gaps += u64::from(self.gaps.insert(*session));
                self.gap_bytes = self.gap_bytes.saturating_add(*bytes);
            }
            What::End(_) => {
                self.open.remove(session);
                self.gaps.remove(session);
            }
            _ => {}
        }
        self.last = *at;
        Ok(())
    }

    /// What is known without an account.
    fn account(&self) -> Account {
        Account {
            flows: self.count,
            sessions: self.count,
            gap_bytes: self.gap_bytes,
            sessions_with_gaps: self.with_gaps,
            ..Account::default()
        }
    }
}

/// Writes a recording.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes to `out`, a line at a time.
    pub const fn new(out: W) -> Self {
        Self { out, line: Vec::new() }
    }

    /// What is written to.
    pub const fn get_ref(&self) -> &W {
        &self.out
    }

    /// What is written to.
    pub const fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// What is written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn write(&mut self) -> io::Result<()> {
        if self.line.len() >= LINE {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("a line of {} bytes cannot be read again", self.line.len()),
            ));
        }
        self.line.push(b'\n');
        self.out.write_all(&self.line)?;
        self.line.clear();
        // One large message does not take its memory to the end.
        self.line.shrink_to(64 * 1024);
        Ok(())
    }
}

impl<W: Write> Sink for Writer<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        let start = UNIX_EPOCH + Duration::from_nanos(header.start);
        let start = humantime::format_rfc3339_nanos(start).to_string();
        let head =
            Head { wsrec: form::VERSION, start: start.into(), source: (&header.source).into() };
        serde_json::to_writer(&mut self.line, &head)?;
        self.write()
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        form::write(event, &mut self.line)?;
        self.write()
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        form::write_account(account, &mut self.line)?;
        self.write()?;
        self.out.flush()
    }
}
