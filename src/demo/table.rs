//! The demo on a terminal: both legs of a conversation side by side, time downwards.

use super::script::Scene;
use crate::anatomy::{Frame, Kind, Part, Role};
use crate::event::{Side, Sides};
use crate::inspect::event::{Entry, Event, Way};
use std::net::SocketAddr;
use std::sync::Arc;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The narrowest and the widest that is of use.
const WIDTHS: (usize, usize) = (60, 132);

/// Between the columns: a space, a line, a space.
const GUTTER: usize = 3;

/// How many rows of bytes a part has at most.
const ROWS: usize = 4;

/// How the terminal is written to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    /// In columns.
    pub(crate) width: usize,
    /// Whether escape codes may be used.
    pub(crate) colour: bool,
}

/// What a run of text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ink {
    Plain,
    Dim,
    Bold,
    Loss,
    Of(Role),
}

impl Ink {
    /// The number of the escape code (ECMA-48 section 8.3.117).
    const fn code(self) -> &'static str {
        match self {
            Self::Plain | Self::Of(Role::Line) => "",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Loss | Self::Of(Role::Unknown) => "31",
            Self::Of(Role::Key | Role::Length) => "33",
            Self::Of(Role::Start | Role::End) => "36",
            Self::Of(Role::Mask) => "35",
            Self::Of(Role::Payload) => "32",
            Self::Of(Role::Code) => "34",
        }
    }
}

/// A line of a cell.
#[derive(Debug, Default)]
struct Line {
    runs: Vec<(Ink, String)>,
}

impl Line {
    fn with(mut self, ink: Ink, text: impl Into<String>) -> Self {
        self.runs.push((ink, text.into()));
        self
    }

    fn width(&self) -> usize {
        self.runs.iter().map(|(_, text)| text.width()).sum()
    }

    fn padded(self, width: usize) -> Self {
        let missing = width.saturating_sub(self.width());
        self.with(Ink::Plain, " ".repeat(missing))
    }

    fn paint(&self, colour: bool, out: &mut String) {
        for (ink, text) in &self.runs {
            match ink.code() {
                code if colour && !code.is_empty() => {
                    out.push_str(&format!("\x1b[{code}m{text}\x1b[0m"));
                }
                _ => out.push_str(text),
            }
        }
    }
}

/// What stands side by side: a frame, and what became of it on the other leg.
#[derive(Debug, Default)]
struct Row<'e> {
    number: u64,
    cells: Sides<Option<(Way, &'e Frame)>>,
    losses: Vec<&'static str>,
}

impl Looks {
    fn width(self) -> usize {
        self.width.clamp(WIDTHS.0, WIDTHS.1)
    }

    fn column(self) -> usize {
        (self.width() - GUTTER) / 2
    }

    /// Paints lines without the spaces at their ends.
    fn paint(self, lines: impl IntoIterator<Item = Line>) -> String {
        let mut out = String::new();
        for line in lines {
            line.paint(self.colour, &mut out);
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
        }
        out
    }
}

/// What stands above all.
pub(super) fn introduction(looks: Looks) -> String {
    let text = "hybridge stands between a client and a server that speak different drafts of \
                WebSocket, and says to each in its own words what the other said. Two \
                conversations follow, with real sockets, and every byte of them: on the left what \
                goes between the client and hybridge, on the right what goes between hybridge and \
                the server it stands for.";
    let lines =
        wrap(text, looks.width()).into_iter().map(|text| Line::default().with(Ink::Plain, text));
    looks.paint(lines)
}

/// A conversation.
pub(super) fn scene(scene: &Scene, entries: &[Arc<Entry>], looks: Looks) -> String {
    let (column, full) = (looks.column(), looks.width());
    let mut lines = vec![
        Line::default().with(Ink::Bold, scene.title),
        Line::default().with(Ink::Dim, "━".repeat(full)),
        beside(
            heading("client ⇄ hybridge", scene.client.name()),
            heading("hybridge ⇄ server", scene.backend.name()),
            column,
        ),
    ];
    for row in rows(entries) {
        lines.push(beside(rule(column), rule(column), column));
        let Sides { client, backend } = row.cells;
        let cell = |side, cell: Option<(Way, &Frame)>| {
            cell.map(|(way, frame)| cell_of(side, way, frame, column)).unwrap_or_default()
        };
        let mut right = cell(Side::Backend, backend).into_iter();
        let mut left = cell(Side::Client, client).into_iter();
        loop {
            match (left.next(), right.next()) {
                (None, None) => break,
                (left, right) => {
                    lines.push(beside(left.unwrap_or_default(), right.unwrap_or_default(), column));
                }
            }
        }
        for what in row.losses {
            let note = format!("lost in translation: {what}");
            let wrapped = wrap(&note, full).into_iter();
            lines.extend(wrapped.map(|text| Line::default().with(Ink::Loss, text)));
        }
    }
    looks.paint(lines)
}

/// What the colours mean, and what to take from it all.
pub(super) fn legend(looks: Looks) -> String {
    let mut line = Line::default().with(Ink::Dim, "colours: ");
    for (role, name) in [
        (Role::Start, "what it is"),
        (Role::Length, "length, keys"),
        (Role::Mask, "mask key"),
        (Role::Payload, "what was said"),
        (Role::Code, "close code"),
    ] {
        line = line.with(Ink::Of(role), name).with(Ink::Plain, "  ");
    }
    let done = "Each client got its own words back and was told the end in its own dialect.";
    let lines =
        wrap(done, looks.width()).into_iter().map(|text| Line::default().with(Ink::Bold, text));
    looks.paint(looks.colour.then_some(line).into_iter().chain(lines))
}

/// Where the page is.
pub(super) fn invitation(address: SocketAddr, looks: Looks) -> String {
    let host = if address.ip().is_unspecified() { "localhost".to_owned() } else { host(address) };
    let url = format!("http://{host}:{}/", address.port());
    looks.paint([
        Line::default().with(Ink::Plain, "Your own browser can talk to the server of 2010: open"),
        Line::default(),
        Line::default().with(Ink::Plain, "    ").with(Ink::Bold, url),
        Line::default(),
        Line::default().with(Ink::Dim, "Ctrl-C ends the demo."),
    ])
}

fn host(address: SocketAddr) -> String {
    if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() }
}

fn rows(entries: &[Arc<Entry>]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for entry in entries {
        match &entry.event {
            Event::Frame { side, way, of, frame } => {
                let place = of.and_then(|of| {
                    rows.iter_mut().find(|row| row.number == of && row.cells[*side].is_none())
                });
                let cell = Some((*way, frame));
                match place {
                    Some(row) => row.cells[*side] = cell,
                    None => {
                        let mut row = Row { number: entry.number, ..Row::default() };
                        row.cells[*side] = cell;
                        rows.push(row);
                    }
                }
            }
            Event::Loss { what } => {
                if let Some(row) = rows.last_mut() {
                    row.losses.push(what);
                }
            }
            _ => {}
        }
    }
    rows
}

fn heading(legs: &'static str, dialect: &'static str) -> Line {
    Line::default().with(Ink::Plain, legs).with(Ink::Plain, "  ").with(Ink::Bold, dialect)
}

fn rule(width: usize) -> Line {
    Line::default().with(Ink::Dim, "─".repeat(width))
}

fn beside(left: Line, right: Line, column: usize) -> Line {
    let mut line = left.padded(column).with(Ink::Dim, " │ ");
    line.runs.extend(right.runs);
    line
}

/// A frame in one column.
fn cell_of(side: Side, way: Way, frame: &Frame, width: usize) -> Vec<Line> {
    let arrow = match way.speaker(side) {
        Side::Client => "──▶ ",
        Side::Backend => "◀── ",
    };
    let mut title = Line::default().with(Ink::Bold, arrow).with(Ink::Bold, frame.name.clone());
    if let Some(text) = frame.text.as_deref().filter(|text| !text.is_empty()) {
        title = title.with(Ink::Plain, " ").with(Ink::Of(Role::Payload), quoted(text, width - 12));
    }
    let mut lines = vec![title];
    for part in &frame.parts {
        if frame.kind == Kind::Opening && part.bytes.ends_with(b"\n") {
            line_part(part, width, &mut lines);
        } else {
            byte_part(part, width, &mut lines);
        }
    }
    lines
}

/// A line of a head: its text, and below it what is hidden in it.
fn line_part(part: &Part, width: usize, lines: &mut Vec<Line>) {
    let text = printable(String::from_utf8_lossy(&part.bytes).trim_end_matches(['\r', '\n']));
    for text in wrap(&text, width) {
        lines.push(Line::default().with(Ink::Of(part.role), text));
    }
    if part.role == Role::Key {
        for (index, text) in wrap(&part.note, width - 4).into_iter().enumerate() {
            let mark = if index == 0 { "  ╰ " } else { "    " };
            lines.push(Line::default().with(Ink::Dim, mark).with(Ink::Dim, text));
        }
    }
}

/// Bytes in hexadecimal, and beside them what they mean; then the same without their mask.
fn byte_part(part: &Part, width: usize, lines: &mut Vec<Line>) {
    // A note wants some twenty columns.
    let per_row = (width.saturating_sub(22) / 3).clamp(4, 8);
    let left = per_row * 3 + 1;
    let mut block = |bytes: &[u8], ink: Ink, note: &str| {
        let mut rows: Vec<String> = bytes.chunks(per_row).take(ROWS).map(spaced).collect();
        let hidden = part.omitted + bytes.len().saturating_sub(per_row * ROWS) as u64;
        if hidden > 0 {
            rows.push(format!("… {hidden} more"));
        }
        let notes = wrap(note, width.saturating_sub(left));
        for index in 0..rows.len().max(notes.len()) {
            let text = |from: &[String]| from.get(index).cloned().unwrap_or_default();
            let line = Line::default().with(ink, text(&rows)).padded(left);
            lines.push(line.with(Ink::Dim, text(&notes)));
        }
    };
    block(&part.bytes, Ink::Of(part.role), &part.note);
    if let Some(unmasked) = &part.unmasked {
        block(unmasked, Ink::Dim, "without the mask");
    }
}

fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn quoted(text: &str, width: usize) -> String {
    let text = printable(text);
    let mut used = 0;
    let short: String = text
        .chars()
        .take_while(|char| {
            used += char.width().unwrap_or(0);
            used <= width
        })
        .collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("“{short}{more}”")
}

/// No control character reaches the terminal.
fn printable(text: &str) -> String {
    let shown = |char: char| if char.is_control() { '·' } else { char };
    text.chars().map(shown).collect()
}

/// Lines of at most `width` columns, broken between words where that is possible. Spaces inside a
/// line are kept, for a key is made of them.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        if line.width() + word.trim_end().width() > width && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for char in word.chars() {
            if line.width() + char.width().unwrap_or(0) > width && char != ' ' {
                lines.push(std::mem::take(&mut line));
            }
            line.push(char);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::script::SCENES;
    use crate::inspect::{Heard, Inspector};
    use crate::net::Peer;
    use crate::watch::ConnectionId;

    /// A conversation as a watcher would be shown it.
    async fn entries() -> Vec<Arc<Entry>> {
        let inspector = Inspector::default();
        let (watcher, id) = (inspector.watcher("test"), ConnectionId(1));
        watcher.opened(id, Peer::from(SocketAddr::from(([127, 0, 0, 1], 1))));
        for (side, dialect, payload) in [
            (
                Side::Client,
                SCENES[0].client,
                &b"\0h\xc3\xa9\xf0\x9f\x98\x80 and so on\xff\xff\0"[..],
            ),
            (
                Side::Backend,
                SCENES[0].backend,
                b"\x81\x08h\xc3\xa9\xf0\x9f\x98\x80\x1b\x88\x02\x03\xe8",
            ),
        ] {
            watcher.speaks(id, side, dialect);
            let head: &[u8] = match side {
                Side::Client => b"GET / HTTP/1.1\r\nSec-WebSocket-Key1: 1 2\r\n\r\n12345678",
                Side::Backend => b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            };
            watcher.read(id, side, &[head, payload].concat());
        }
        watcher.ended(id);
        inspector.end();
        let (mut listener, mut entries) = (inspector.listen(None), Vec::new());
        while let Some(Heard::Entry(entry)) = listener.next().await {
            entries.push(entry);
        }
        entries
    }

    #[tokio::test]
    async fn it_is_as_wide_as_the_terminal_and_no_wider() {
        let entries = entries().await;
        for width in [60, 80, 100, 101, 120, 132] {
            let plain = scene(&SCENES[0], &entries, Looks { width, colour: false });
            assert!(plain.contains("“hé😀 and so on”") && plain.contains("03 e8"), "{plain}");
            assert!(!plain.contains('\x1b'), "{plain}");
            let widest = plain.lines().map(UnicodeWidthStr::width).max();
            assert_eq!(widest, Some(width), "{plain}");
            let painted = scene(&SCENES[0], &entries, Looks { width, colour: true });
            let mut runs = painted.split("\x1b[");
            let mut bare = runs.next().unwrap().to_owned();
            runs.for_each(|run| bare.push_str(run.split_once('m').unwrap().1));
            let lines = |text: &str| {
                text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(lines(&bare), lines(&plain), "colours change nothing else");
        }
    }

    #[test]
    fn wraps_between_words_and_inside_of_long_ones() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("a  b", 9), ["a  b"]);
        assert_eq!(wrap("😀😀😀", 4), ["😀😀", "😀"]);
        assert!(wrap("", 4).is_empty());
    }

    #[test]
    fn nothing_that_was_said_moves_the_cursor() {
        assert_eq!(quoted("a\x1b[2Jb\u{9b}c\n", 40), "“a·[2Jb·c·”");
        assert_eq!(quoted("é€😀é€😀", 5), "“é€😀é…”");
    }
}
