//! The table of sessions, with the account below it.

use super::account;
use super::shown::{arrow, clipped, party, seconds};
use crate::dialect::{ALL, Dialect};
use crate::event::{Side, Sides};
use crate::recording::Sink;
use crate::transcript::account::Account;
use crate::transcript::event::{End, Event, Header, How, Message, Open, What};
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};
use unicode_width::UnicodeWidthStr;

/// The most rows. One takes about 300 bytes and, by the clipping, never more than 3 KiB, whatever its
/// session holds. Sessions beyond are counted.
const ROWS: usize = 100_000;

/// How many characters of an address, a target and a damage are shown.
const ADDRESS: usize = 50;
const TARGET: usize = 60;
const DAMAGE: usize = 80;

const TITLES: [&str; 11] = [
    "session", "draft", "client", "server", "target", "start", "seconds", "up", "down", "end",
    "damage",
];

/// The columns that hold numbers, which end at the right.
const NUMBERS: [&str; 3] = ["session", "start", "seconds"];

pub(super) struct Table<W> {
    out: W,
    name: String,
    rows: HashMap<u64, Row>,
    unlisted: u64,
    dialects: [(Dialect, u64); ALL.len()],
}

/// What is told of a session.
struct Row {
    dialect: Dialect,
    client: String,
    server: String,
    target: String,
    start: u64,
    last: u64,
    messages: Sides<u64>,
    bytes: Sides<u64>,
    status: Option<u16>,
    end: Option<End>,
    /// The first, and how many there are.
    damage: Option<(String, u64)>,
}

impl<W: Write> Table<W> {
    pub(super) fn new(out: W, name: &str) -> Self {
        let dialects = ALL.map(|dialect| (dialect, 0));
        Self { out, name: name.to_owned(), rows: HashMap::new(), unlisted: 0, dialects }
    }

    fn open(&mut self, event: &Event, open: &Open) {
        for (dialect, count) in &mut self.dialects {
            *count += u64::from(*dialect == open.dialect);
        }
        if self.rows.len() == ROWS {
            self.unlisted += 1;
            return;
        }
        self.rows.insert(event.session, Row::new(event.at, open));
    }
}

impl<W: Write> Sink for Table<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        write!(self.out, "{}", self.name)?;
        if !header.source.is_empty() {
            write!(self.out, ": {}", clipped(&header.source, TARGET))?;
        }
        if header.start > 0 {
            let start = UNIX_EPOCH + Duration::from_nanos(header.start);
            write!(self.out, ", from {}", humantime::format_rfc3339_micros(start))?;
        }
        writeln!(self.out)
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        if let What::Open(open) = &event.what {
            self.open(event, open);
        } else if let Some(row) = self.rows.get_mut(&event.session) {
            row.take(event);
        }
        Ok(())
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        let mut widths = TITLES.map(UnicodeWidthStr::width);
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|(number, _)| **number);
        for (number, row) in &rows {
            for (width, cell) in widths.iter_mut().zip(row.cells(**number)) {
                *width = cell.width().max(*width);
            }
        }
        if !rows.is_empty() {
            line(&mut self.out, &TITLES.map(String::from), &widths)?;
        }
        for (number, row) in rows {
            line(&mut self.out, &row.cells(*number), &widths)?;
        }
        if self.unlisted > 0 {
            writeln!(self.out, "and {} sessions more, which are not listed", self.unlisted)?;
        }
        let spoken: Vec<_> = self.dialects.into_iter().filter(|(_, count)| *count > 0).collect();
        account::write(&mut self.out, account, &spoken)?;
        self.out.flush()
    }
}

fn line(out: &mut impl Write, cells: &[String; 11], widths: &[usize; 11]) -> io::Result<()> {
    let mut text = String::new();
    for ((cell, width), title) in cells.iter().zip(widths).zip(TITLES) {
        let pad = " ".repeat(width - cell.width().min(*width));
        match NUMBERS.contains(&title) {
            true => text.extend([&*pad, cell, "  "]),
            false => text.extend([cell, &*pad, "  "]),
        }
    }
    writeln!(out, "{}", text.trim_end())
}

impl Row {
    fn new(at: u64, open: &Open) -> Self {
        Self {
            dialect: open.dialect,
            client: clipped(&open.client, ADDRESS),
            server: clipped(&open.server, ADDRESS),
            target: clipped(&open.target, TARGET),
            start: at,
            last: at,
            messages: Sides::default(),
            bytes: Sides::default(),
            status: None,
            end: None,
            damage: None,
        }
    }

    fn take(&mut self, event: &Event) {
        self.last = event.at;
        match &event.what {
            What::Accept(accept) => self.status = Some(accept.status),
            What::Message(Message { from, data, .. }) => {
                self.messages[*from] += 1;
                self.bytes[*from] += data.len() as u64;
            }
            What::Gap { from, bytes } => {
                self.damaged(|| format!("{} {bytes} bytes are missing", arrow(*from)));
            }
            What::Fault { from, fault } => {
                self.damaged(|| format!("{} {}", arrow(*from), clipped(fault, DAMAGE)));
            }
            What::End(end) => self.end = Some(*end),
            What::Open(_) | What::Ping { .. } | What::Pong { .. } | What::Close { .. } => {}
        }
    }

    fn damaged(&mut self, what: impl FnOnce() -> String) {
        match &mut self.damage {
            Some((_, count)) => *count += 1,
            none => *none = Some((what(), 1)),
        }
    }

    fn cells(&self, number: u64) -> [String; 11] {
        let way = |side: Side| format!("{} msg, {} B", self.messages[side], self.bytes[side]);
        [
            number.to_string(),
            self.dialect.to_string(),
            self.client.clone(),
            self.server.clone(),
            self.target.clone(),
            seconds(self.start),
            seconds(self.last.saturating_sub(self.start)),
            way(Side::Client),
            way(Side::Backend),
            self.ended(),
            match &self.damage {
                None => String::new(),
                Some((what, 1)) => what.clone(),
                Some((what, count)) => format!("{what}, and {} more", count - 1),
            },
        ]
    }

    fn ended(&self) -> String {
        match self.status {
            Some(101) => self.end.as_ref().map_or_else(|| "cut".to_owned(), ended),
            Some(status) => format!("refused, {status}"),
            None => "no answer".to_owned(),
        }
    }
}

/// How a session ended, in words.
pub(super) fn ended(end: &End) -> String {
    let clean = match end {
        End { clean: true, .. } => ", clean",
        // What comes behind the end of the recording is not known.
        End { how: How::Cut, .. } => "",
        End { .. } => ", unclean",
    };
    let how = match end.how {
        How::Fin => "fin",
        How::Reset => "reset",
        How::Cut => "cut",
    };
    match end.by {
        Some(side) => format!("{} {how}{clean}", party(side)),
        None => format!("{how}{clean}"),
    }
}
