//! What the data path leaves for the recorder. The bytes of connections are copied into one queue of
//! chunks, behind a lock that is held for the copy only, so that they stand in the order of their times;
//! the recorder takes a chunk at a time. A chunk is small enough for a cache of the CPU, and is used again
//! while it is in it.
//!
//! Nobody waits for the recorder: when it is behind, it loses whole connections, the more the further
//! it is behind, and knows of which, or of new ones how many.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use tokio::time::Instant;

/// How many bytes wait at most.
const MOST: usize = 16 << 20;

/// The size of a chunk, in bytes, but for one whose only note is larger. When one is full the recorder is
/// woken, and does not wait for its next round.
const CHUNK: usize = 256 << 10;

/// How many chunks are kept to be used again.
const SPARE: usize = 4;

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A client has connected; the bytes are its address.
    Opened,
    /// The client has sent bytes.
    Said,
    /// The client was sent bytes.
    Told,
    /// The client began the end.
    Left,
    /// The connection to the client broke off.
    Broken,
    /// The backend did.
    Dismissed,
    /// The connection to the backend broke off.
    Failed,
    /// The proxy ended it.
    Stopped,
    /// A connection to the backend begins. It and the next two are of both legs only.
    Dialled,
    /// The backend was sent bytes.
    Asked,
    /// The backend has sent bytes.
    Answered,
    /// The connection has ended.
    Ended,
    /// What follows of the connection was lost.
    Lost,
}

impl Kind {
    const ALL: [Self; 13] = [
        Self::Opened,
        Self::Said,
        Self::Told,
        Self::Left,
        Self::Broken,
        Self::Dismissed,
        Self::Failed,
        Self::Stopped,
        Self::Dialled,
        Self::Asked,
        Self::Answered,
        Self::Ended,
        Self::Lost,
    ];
}

/// Something that happened on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note<'a> {
    pub(super) id: u32,
    pub(super) kind: Kind,
    /// In nanoseconds since the recorder began.
    pub(super) at: u64,
    pub(super) bytes: &'a [u8],
}

/// The size of a note beside its bytes.
const HEADER: usize = 4 + 1 + 8 + 4;

/// The queue, and who reads it.
#[derive(Debug)]
pub(super) struct Inbox {
    start: Instant,
    pile: Mutex<Pile>,
    /// Who is woken.
    reader: OnceLock<Thread>,
    /// Whether there is no more to come.
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Pile {
    /// From the oldest on; none is empty.
    chunks: VecDeque<Vec<u8>>,
    /// Chunks that were read.
    spare: Vec<Vec<u8>>,
    /// How many bytes wait.
    waiting: usize,
    /// Connections of which nothing is wanted. Bounded by the connections.
    muted: HashSet<u32>,
    /// How many connections came that the reader has not heard of.
    unseen: u64,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            pile: Mutex::default(),
            reader: OnceLock::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Has this thread be woken when much waits.
    pub(super) fn wake(&self, reader: Thread) {
        // The one reader says so once.
        self.reader.set(reader).ok();
    }

    /// In nanoseconds since it began.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Leaves a note.
    pub(super) fn put(&self, id: u32, kind: Kind, bytes: &[u8]) {
        let mut pile = self.lock();
        if pile.muted.contains(&id) {
            if kind == Kind::Ended {
                pile.muted.remove(&id);
            }
            return;
        }
        let (at, before) = (self.now(), pile.chunks.len());
        if pile.waiting + HEADER + bytes.len() > room(id) {
            if kind == Kind::Opened {
                // The reader may never come back, and connections do not end to come.
                pile.unseen += 1;
            } else {
                // There is always room for these: each stands for a connection of which there were
                // notes, and that leaves no others.
                pile.push(Note { id, kind: Kind::Lost, at, bytes: &[] });
            }
            if kind != Kind::Ended {
                pile.muted.insert(id);
            }
        } else {
            pile.push(Note { id, kind, at, bytes });
        }
        let is_full = before == 1 && pile.chunks.len() > 1;
        drop(pile);
        if is_full && let Some(reader) = self.reader.get() {
            reader.unpark();
        }
    }

    /// Takes no more of a connection, up to its end. Where that has been left already, [`forget`]
    /// has to follow it.
    ///
    /// [`forget`]: Self::forget
    pub(super) fn mute(&self, id: u32) {
        self.lock().muted.insert(id);
    }

    /// Takes note that a connection has ended that was muted behind its end.
    pub(super) fn forget(&self, id: u32) {
        self.lock().muted.remove(&id);
    }

    /// Has the reader end, once it has read all that there is.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(reader) = self.reader.get() {
            reader.unpark();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Reads all that waits, in order. Hands out how many connections came of which there are no notes.
    pub(super) fn read(&self, mut each: impl FnMut(Note<'_>)) -> u64 {
        let mut pile = self.lock();
        let (unseen, count) = (std::mem::take(&mut pile.unseen), pile.chunks.len());
        drop(pile);
        // What comes meanwhile is left for the next time, so that there is an end.
        for _ in 0..count {
            let Some(chunk) = self.lock().pop() else { break };
            let mut rest = &chunk[..];
            while let Some((note, behind)) = Note::split(rest) {
                each(note);
                rest = behind;
            }
            let spent = self.lock().reuse(chunk);
            drop(spent);
        }
        unseen
    }

    fn lock(&self) -> MutexGuard<'_, Pile> {
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Up to how many waiting bytes a connection may leave more: between half and all that may wait, spread
/// evenly over the connections. So a recorder that cannot keep up with all keeps up with some.
const fn room(id: u32) -> usize {
    MOST / 2 + (MOST >> 17) * (scattered(id) as usize + 1)
}

/// A number below 2^16 that is spread evenly over connections that come one after the other (Knuth's
/// multiplicative hash).
pub(super) const fn scattered(id: u32) -> u32 {
    id.wrapping_mul(2_654_435_761) >> 16
}

impl Pile {
    fn push(&mut self, note: Note<'_>) {
        let length = u32::try_from(note.bytes.len()).unwrap_or(u32::MAX);
        let chunk = self.chunk_for(HEADER + note.bytes.len());
        chunk.extend_from_slice(&note.id.to_ne_bytes());
        chunk.push(note.kind as u8);
        chunk.extend_from_slice(&note.at.to_ne_bytes());
        chunk.extend_from_slice(&length.to_ne_bytes());
        chunk.extend_from_slice(note.bytes);
    }

    /// The chunk with room for a note of so many bytes, which wait from now on. None is made larger later:
    /// it would have to be copied, and the others wait.
    fn chunk_for(&mut self, size: usize) -> &mut Vec<u8> {
        self.waiting += size;
        let last = self.chunks.pop_back();
        let chunk = match last {
            Some(last) if last.capacity() - last.len() >= size => last,
            last => {
                self.chunks.extend(last);
                let spare = self.spare.pop_if(|spare| spare.capacity() >= size);
                spare.unwrap_or_else(|| Vec::with_capacity(size.max(CHUNK)))
            }
        };
        self.chunks.push_back_mut(chunk)
    }

    /// The oldest chunk.
    fn pop(&mut self) -> Option<Vec<u8>> {
        let chunk = self.chunks.pop_front()?;
        self.waiting -= chunk.len();
        Some(chunk)
    }

    /// Keeps a chunk to be used again, or hands it back to be let go without the lock.
    fn reuse(&mut self, mut chunk: Vec<u8>) -> Option<Vec<u8>> {
        if self.spare.len() == SPARE || chunk.capacity() > CHUNK {
            return Some(chunk);
        }
        chunk.clear();
        self.spare.push(chunk);
        None
    }
}

impl<'a> Note<'a> {
    fn split(notes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (id, rest) = notes.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_ne_bytes(*length)).ok()?;
        let (bytes, rest) = rest.split_at_checked(length)?;
        let kind = *Kind::ALL.get(usize::from(*kind))?;
        let (id, at) = (u32::from_ne_bytes(*id), u64::from_ne_bytes(*at));
        Some((Self { id, kind, at, bytes }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(inbox: &Inbox) -> Vec<(u32, Kind, Vec<u8>)> {
        let mut notes = Vec::new();
        inbox.read(|note| notes.push((note.id, note.kind, note.bytes.to_vec())));
        notes
    }

    #[test]
    fn what_is_put_is_read_once_and_in_order() {
        let inbox = Inbox::new();
        for (kind, index) in Kind::ALL.into_iter().zip(0_u8..) {
            assert_eq!(kind as u8, index);
            inbox.put(7, kind, &[index]);
        }
        let due: Vec<_> = Kind::ALL.into_iter().map(|kind| (7, kind, vec![kind as u8])).collect();
        assert_eq!(all(&inbox), due);
        assert_eq!(all(&inbox), []);
    }

    #[test]
    fn a_reader_that_is_behind_loses_whole_connections() {
        let inbox = Inbox::new();
        let half = vec![0; MOST / 2];
        let (one, other) = (1, 2);
        inbox.put(one, Kind::Said, &half);
        inbox.put(other, Kind::Said, &half);
        inbox.put(other, Kind::Said, b"lost too");
        inbox.put(one, Kind::Said, b"fits");
        let kinds: Vec<_> = all(&inbox).into_iter().map(|(id, kind, _)| (id, kind)).collect();
        assert_eq!(kinds, [(one, Kind::Said), (other, Kind::Lost), (one, Kind::Said)]);
        inbox.put(other, Kind::Said, b"of a connection that was lost");
        inbox.put(other, Kind::Ended, b"");
        assert_eq!(all(&inbox), []);
        inbox.put(other, Kind::Opened, b"a new one of that number");
        assert_eq!(all(&inbox).len(), 1);
    }

    /// Those that keep on are as many as there is room for.
    #[test]
    fn a_reader_that_is_behind_loses_no_more_connections_than_it_must() {
        let (inbox, note) = (Inbox::new(), vec![0; 1024]);
        let lost = |rounds| {
            for id in (0..rounds).flat_map(|_| 0..1000) {
                inbox.put(id, Kind::Said, &note);
            }
            inbox.lock().muted.len()
        };
        assert_eq!(lost(8), 0);
        let some = lost(4);
        assert!((200..500).contains(&some), "{some}");
        // The less there are, the longer the others last.
        let more = lost(4);
        assert!(some < more && more < 2 * some, "{some}, {more}");
        assert_eq!(lost(64), 1000);
    }

    /// However many come while the reader is stuck, nothing grows but a number.
    #[test]
    fn new_connections_are_counted_where_there_is_no_room() {
        let inbox = Inbox::new();
        let last = (0..).find(|id| room(*id) == MOST).unwrap();
        inbox.put(last, Kind::Said, &vec![0; MOST - HEADER]);
        let before = inbox.lock().waiting;
        for id in last + 1..last + 1000 {
            inbox.put(id, Kind::Opened, b"peer");
            inbox.put(id, Kind::Said, b"lost");
            inbox.put(id, Kind::Ended, b"");
        }
        let pile = inbox.lock();
        assert_eq!((pile.waiting, pile.muted.len()), (before, 0));
        drop(pile);
        let mut notes = 0;
        assert_eq!(inbox.read(|_| notes += 1), 999);
        assert_eq!((notes, inbox.read(|_| notes += 1)), (1, 0));
    }

    #[test]
    fn who_is_muted_leaves_nothing() {
        let inbox = Inbox::new();
        inbox.mute(3);
        inbox.put(3, Kind::Said, b"a");
        assert_eq!(all(&inbox), []);
        inbox.put(3, Kind::Ended, b"");
        inbox.put(3, Kind::Opened, b"");
        inbox.put(3, Kind::Ended, b"");
        // Now it is muted too late.
        inbox.mute(3);
        assert_eq!(all(&inbox).len(), 2);
        inbox.forget(3);
        inbox.put(3, Kind::Opened, b"");
        assert_eq!(all(&inbox).len(), 1);
    }
}
