//! One direction of a TCP connection: segments, in whatever order, become the bytes that its receiver
//! read, and gaps where some are not there.
//!
//! Where two segments differ about the same bytes the first wins, and the conflict is told: which of
//! them the receiver took cannot be known.

use std::collections::BTreeMap;

/// The largest window there is, in bytes (RFC 7323 section 2.3). What is farther away is of another
/// connection.
const WINDOW: u64 = 1 << 30;

/// How far before its first byte a stream may have a SYN that comes later, in bytes.
const LATE: u64 = 64 << 10;

/// How far from where a stream is a segment without data may stand, a reset for one, and one of a
/// connection that has ended, in bytes: a window that is in use. What is farther is of another one.
const NEAR: u64 = 1 << 20;

/// How much is held behind missing bytes, in bytes and in pieces. More cannot be on its way on most
/// links, so that what is missing will not come.
const HELD: usize = 4 << 20;
const PIECES: usize = 8 << 10;

/// How much is held of a stream whose beginning is not known, in pieces and in bytes: as far as captures
/// reorder.
const AHEAD: usize = 16;
const AHEAD_BYTES: usize = 64 << 10;

/// How many bytes are remembered that were not acknowledged, to be compared with what comes again.
const REMEMBERED: usize = 64 << 10;

/// How many packets may come behind one that acknowledges what was not seen, until that is taken for
/// missing: captures reorder, but not by more.
const PATIENCE: u8 = 64;

/// Where the first sequence number that is seen stands. Positions are counted from here, so that
/// numbers that wrap have an order.
const ORIGIN: u64 = 1 << 32;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The sequence number at [`ORIGIN`].
    origin: Option<u32>,
    /// Whether its sender has sent anything, be it without data.
    is_seen: bool,
    /// Where it begins, once that is known.
    start: Option<u64>,
    /// Where the next byte stands.
    next: u64,
    /// Where it ends, once that is known.
    end: Option<u64>,
    /// Whether its end was told.
    is_over: bool,
    /// What came and is behind missing bytes, by its place.
    held: BTreeMap<u64, Piece>,
    held_bytes: usize,
    /// So many bytes before `next` are missing, which was not told yet.
    owed: u64,
    /// Whether its receiver has acknowledged anything, and up to where it has it.
    has_receiver: bool,
    acknowledged: u64,
    /// What its receiver had when more than was seen was acknowledged, and how many packets came since.
    doubted: u64,
    doubts: u8,
    /// Up to where what is missing will not come any more.
    lost: u64,
    /// The bytes before `next` that were not acknowledged.
    unacknowledged: Vec<u8>,
}

/// Where bytes were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The number of the packet.
    pub(super) packet: u64,
    /// What its sender acknowledged with it.
    pub(super) acknowledges: Option<u32>,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Patience {
    /// What may still come.
    Usual,
    /// Only what the other side has to tell first: no more will come.
    Short,
    /// Nothing.
    None,
}

/// What comes next in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<D> {
    Data(D, Stamp),
    /// So many bytes are missing.
    Gap(u64),
    End,
}

/// What a segment was, beside what it brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    /// All of it was there.
    Duplicate,
    /// It is not of this connection.
    Stray,
}

#[derive(Debug)]
struct Piece {
    data: Vec<u8>,
    /// How many bytes behind them were sent and not captured.
    missing: u32,
    stamp: Stamp,
}

impl Piece {
    fn length(&self) -> u64 {
        self.data.len() as u64 + u64::from(self.missing)
    }
}

impl Stream {
    /// Takes note that its sender has sent something.
    pub(super) const fn appear(&mut self) {
        self.is_seen = true;
    }

    /// Takes note of a SYN of this number; whether it is of this connection.
    pub(super) fn synchronize(&mut self, sequence: u32) -> bool {
        let first = self.position(sequence.wrapping_add(1));
        match self.start {
            Some(start) => start == first,
            None => {
                let held = self.held.first_key_value().map(|(place, _)| *place);
                let lowest = held.into_iter().chain(self.end).min().unwrap_or(first);
                let fits = first <= lowest && lowest - first <= LATE;
                if fits {
                    self.begin(first);
                }
                fits
            }
        }
    }

    /// Whether it is known to begin behind a SYN of this number.
    pub(super) fn is_synchronized_by(&self, sequence: u32) -> bool {
        self.start == Some(self.place(sequence.wrapping_add(1)))
    }

    /// Begins it where its receiver says that it does, unless that is known.
    pub(super) fn begin_at(&mut self, sequence: u32) {
        if self.start.is_none() {
            let first = self.position(sequence);
            self.begin(first);
        }
    }

    /// Begins it at the first of what came that is a beginning.
    pub(super) fn begin_at_first(&mut self, is_beginning: impl Fn(&[u8]) -> bool) {
        let first = self.held.iter().find(|(_, piece)| is_beginning(&piece.data));
        if let Some(place) = first.map(|(place, _)| *place) {
            self.begin(place);
        }
    }

    /// Takes the data of a segment, behind which so many bytes were not captured. `other` is what the
    /// other side says. Returns the data that come next, where that are these; all else is held.
    pub(super) fn take<'d>(
        &mut self,
        sequence: u32,
        data: &'d [u8],
        missing: u32,
        stamp: Stamp,
        other: &Self,
        conflicts: &mut u64,
    ) -> (Verdict, &'d [u8]) {
        let place = self.position(sequence);
        let end = place + data.len() as u64 + u64::from(missing);
        let Some(start) = self.start else {
            let verdict = self.hold(place, data, missing, stamp, conflicts);
            self.hold_few(place);
            return (verdict, &[]);
        };
        // One number before the next may stand "a keep-alive segment containing one garbage octet"
        // (RFC 9293 section 3.8.4).
        if end <= self.next && place + 1 >= start && self.next - place <= WINDOW {
            if place >= start && end - place > 1 {
                *conflicts += u64::from(self.contradicts(place, data));
            }
            return (Verdict::Duplicate, &[]);
        }
        let is_behind_end = self.end.is_some_and(|last| end > last);
        if end <= self.next || is_behind_end || end > self.next + WINDOW {
            return (Verdict::Stray, &[]);
        }
        *conflicts += u64::from(self.contradicts(place, data));
        let old = self.next.saturating_sub(place);
        let data_old = usize::try_from(old).unwrap_or(usize::MAX).min(data.len());
        let missing = u64::from(missing).min(end - self.next.max(place));
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let (place, data) = (place + old, data.get(data_old..).unwrap_or_default());
        if place == self.next && self.held.is_empty() && other.has_told(stamp) {
            self.advance(data, missing);
            return (Verdict::New, data);
        }
        (self.hold(place, data, missing, stamp, conflicts), &[])
    }

    /// What is next of what has come, or will not come any more. What answers the other side's bytes
    /// waits for those.
    pub(super) fn next(&mut self, other: &Self, patience: Patience) -> Option<Part<Vec<u8>>> {
        if self.start.is_none() || self.is_over {
            return None;
        }
        if self.owed > 0 {
            return Some(Part::Gap(std::mem::take(&mut self.owed)));
        }
        let is_full = self.held_bytes > HELD || self.held.len() > PIECES;
        let is_last = patience > Patience::Usual || is_full;
        match self.held.first_key_value() {
            Some((place, piece)) if *place == self.next => {
                let is_due = patience == Patience::None || is_full || other.has_told(piece.stamp);
                let (_, piece) = is_due.then(|| self.drop_piece()).flatten()?;
                self.advance(&piece.data, piece.missing);
                return Some(Part::Data(piece.data, piece.stamp));
            }
            Some((place, _)) => {
                let place = if is_last { *place } else { self.lost.min(*place) };
                if place > self.next {
                    return Some(self.pass(place));
                }
            }
            None if self.is_seen => {
                // One byte more may be acknowledged than there are: a FIN counts as one.
                let known = if is_last { self.acknowledged } else { self.lost };
                let place = match self.end {
                    Some(end) if is_last => end,
                    Some(end) => end.min(known),
                    None => known.saturating_sub(1),
                };
                if place > self.next {
                    return Some(self.pass(place));
                }
            }
            None => {}
        }
        if self.end == Some(self.next) {
            self.is_over = true;
            return Some(Part::End);
        }
        None
    }

    /// Takes note that another packet of the connection has come.
    pub(super) const fn tick(&mut self) {
        if self.acknowledged <= self.next || self.acknowledged <= self.lost {
            self.doubts = 0;
            return;
        }
        if self.doubts == 0 {
            self.doubted = self.acknowledged;
        }
        self.doubts += 1;
        if self.doubts > PATIENCE {
            self.doubts = 0;
            self.lost = self.doubted;
        }
    }

    /// Takes note that its sender has ended it behind so many bytes at this number.
    pub(super) fn finish(&mut self, sequence: u32, length: u64) {
        let end = self.position(sequence) + length;
        if end >= self.next && end <= self.next.max(ORIGIN) + WINDOW {
            self.end.get_or_insert(end);
        }
    }

    /// Takes note that its receiver has all before this number.
    pub(super) fn acknowledge(&mut self, sequence: u32) {
        let Some(start) = self.start else { return };
        self.has_receiver = true;
        let place = self.position(sequence);
        if place <= self.next && self.acknowledged > self.next {
            // Who has more never says less: what said more was of another connection.
            self.acknowledged = place.max(start);
            self.doubts = 0;
        }
        if place <= self.acknowledged || place > self.next + WINDOW {
            return;
        }
        self.acknowledged = place;
        if place >= self.next {
            // Its memory is for those that have something on its way.
            self.unacknowledged = Vec::new();
        } else {
            let kept = usize::try_from(self.next - place).unwrap_or(usize::MAX);
            self.remember_last(kept);
        }
    }

    /// Goes where its sender is, though nothing of it is read any more.
    pub(super) fn follow(&mut self, sequence: u32) {
        self.next = self.next.max(self.position(sequence));
    }

    /// Begins anew, at a place that is to be found.
    pub(super) const fn restart(&mut self) {
        self.start = None;
        self.owed = 0;
        self.is_over = false;
        self.lost = 0;
    }

    /// Keeps nothing but where it is.
    pub(super) fn forget(&mut self) {
        self.held = BTreeMap::new();
        self.held_bytes = 0;
        self.unacknowledged = Vec::new();
    }

    /// Whether its sender has sent anything.
    pub(super) const fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// Whether it is known where it begins.
    pub(super) const fn has_begun(&self) -> bool {
        self.start.is_some()
    }

    /// Whether a number can be of this connection.
    pub(super) fn is_near(&self, sequence: u32) -> bool {
        self.start.is_none() || self.place(sequence).abs_diff(self.next) <= NEAR
    }

    /// How many of its bytes are before this number; `None` where that cannot be said.
    pub(super) fn bytes_before(&self, sequence: u32) -> Option<u64> {
        let place = self.place(sequence);
        self.start.map(|start| place.saturating_sub(start))
    }

    /// How much memory it takes, in bytes.
    pub(super) fn kept(&self) -> usize {
        self.held_bytes + self.unacknowledged.capacity()
    }

    /// Where a sequence number stands, next to where the stream is.
    fn place(&self, sequence: u32) -> u64 {
        let from_origin = sequence.wrapping_sub(self.origin.unwrap_or(sequence));
        let near = self.next.max(ORIGIN);
        // Of the places that the number can mean, the nearest.
        let low = u32::try_from(near & u64::from(u32::MAX)).unwrap_or_default();
        near.wrapping_add_signed(i64::from(from_origin.wrapping_sub(low).cast_signed()))
    }

    fn position(&mut self, sequence: u32) -> u64 {
        self.origin.get_or_insert(sequence);
        self.place(sequence)
    }

    fn begin(&mut self, place: u64) {
        self.start = Some(place);
        self.next = place;
        self.acknowledged = place;
        while self.held.first_key_value().is_some_and(|(held, _)| *held < place) {
            self.drop_piece();
        }
    }

    /// Drops the first of what is held.
    fn drop_piece(&mut self) -> Option<(u64, Piece)> {
        let (place, piece) = self.held.pop_first()?;
        self.held_bytes -= size(&piece);
        Some((place, piece))
    }

    /// Goes on behind what comes next.
    fn advance(&mut self, data: &[u8], missing: u32) {
        self.next += data.len() as u64;
        self.remember(data);
        if missing > 0 {
            self.next += u64::from(missing);
            self.owed = u64::from(missing);
            self.unacknowledged = Vec::new();
        }
    }

    /// Passes over what is missing up to a place.
    fn pass<D>(&mut self, place: u64) -> Part<D> {
        let bytes = place - self.next;
        self.next = place;
        self.unacknowledged = Vec::new();
        Part::Gap(bytes)
    }

    /// Whether all was told that the other side had when it sent something. Who is not captured is not
    /// waited for, nor what will not come.
    fn has_told(&self, stamp: Stamp) -> bool {
        let is_awaited = self.is_seen && self.start.is_some() && !self.is_over;
        let Some(number) = stamp.acknowledges.filter(|_| is_awaited) else { return true };
        let place = self.place(number);
        // A FIN counts as a byte.
        let told = self.next + u64::from(self.end == Some(self.next));
        place <= told.max(self.lost) || place > self.next + WINDOW
    }

    /// Holds no more than is of use of a stream whose beginning is not known, next to this place.
    fn hold_few(&mut self, place: u64) {
        self.next = place;
        while let Some((first, _)) = self.held.first_key_value()
            && (self.held.len() > AHEAD
                || self.held_bytes > AHEAD_BYTES
                || first.abs_diff(place) > LATE)
        {
            self.drop_piece();
        }
    }

    /// Holds what is not held yet.
    fn hold(
        &mut self,
        place: u64,
        data: &[u8],
        missing: u32,
        stamp: Stamp,
        conflicts: &mut u64,
    ) -> Verdict {
        let end = place + data.len() as u64 + u64::from(missing);
        let before = self.held.range(..=place).next_back();
        let first = before.filter(|(at, piece)| **at + piece.length() > place);
        let first = first.map_or(place, |(at, _)| *at);
        let mut free = Vec::new();
        let mut from = place;
        let mut conflict = false;
        for (at, piece) in self.held.range(first..end) {
            if *at > from {
                free.push(from..*at);
            }
            conflict = conflict || differ(*at, &piece.data, place, data);
            from = from.max(*at + piece.length());
        }
        if from < end {
            free.push(from..end);
        }
        for part in &free {
            let length = part.end - part.start;
            let cut = |at: u64| usize::try_from(at - place).unwrap_or(usize::MAX).min(data.len());
            let data = data.get(cut(part.start)..cut(part.end)).unwrap_or_default().to_vec();
            let missing = u32::try_from(length - data.len() as u64).unwrap_or(u32::MAX);
            let piece = Piece { data, missing, stamp };
            self.held_bytes += size(&piece);
            self.held.insert(part.start, piece);
        }
        *conflicts += u64::from(conflict);
        if free.is_empty() { Verdict::Duplicate } else { Verdict::New }
    }

    /// Whether bytes differ from those that were at their place.
    fn contradicts(&self, place: u64, data: &[u8]) -> bool {
        let known = self.next - self.unacknowledged.len() as u64;
        differ(known, &self.unacknowledged, place, data)
    }

    fn remember(&mut self, data: &[u8]) {
        if self.has_receiver && self.acknowledged < self.next {
            let data = data.get(data.len().saturating_sub(REMEMBERED)..).unwrap_or_default();
            self.remember_last(REMEMBERED - data.len());
            self.unacknowledged.extend_from_slice(data);
        }
    }

    fn remember_last(&mut self, bytes: usize) {
        let old = self.unacknowledged.len().saturating_sub(bytes);
        self.unacknowledged.drain(..old);
    }
}

/// What a piece takes, with its place in the map.
const fn size(piece: &Piece) -> usize {
    piece.data.len() + 2 * size_of::<Piece>()
}

/// Whether two runs of bytes differ where both have some.
fn differ(place: u64, bytes: &[u8], other_place: u64, other: &[u8]) -> bool {
    let skip = |from: u64| usize::try_from(from).unwrap_or(usize::MAX);
    let bytes = bytes.get(skip(other_place.saturating_sub(place))..).unwrap_or_default();
    let other = other.get(skip(place.saturating_sub(other_place))..).unwrap_or_default();
    bytes.iter().zip(other).any(|(one, another)| one != another)
}
