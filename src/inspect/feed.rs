//! The events of an inspector on their way to its listeners: a bounded memory for who comes late,
//! and a bounded broadcast for who is there. A slow listener loses events and is told how many.

use super::event::{Entry, Event};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

/// How many events are remembered for those who come late: some dozen short conversations. An event
/// is a few hundred bytes, that of a head a few thousand.
const REMEMBERED: usize = 512;

/// How far a listener may stay behind before it loses events.
const BEHIND: usize = 256;

/// What all watchers of an inspector tell and all listeners hear.
#[derive(Debug)]
pub(super) struct Feed {
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    /// The number of the last event.
    last: u64,
    sessions: u64,
    recent: VecDeque<Arc<Entry>>,
    /// `None` when nothing more comes.
    live: Option<Sender<Arc<Entry>>>,
}

impl Default for Feed {
    fn default() -> Self {
        let memory = Memory {
            last: 0,
            sessions: 0,
            recent: VecDeque::new(),
            live: Some(Sender::new(BEHIND)),
        };
        Self { memory: Mutex::new(memory) }
    }
}

impl Feed {
    /// A number for a new connection.
    pub(super) fn new_session(&self) -> u64 {
        let mut memory = self.memory();
        memory.sessions += 1;
        memory.sessions
    }

    /// Tells an event and returns its number.
    pub(super) fn tell(&self, session: u64, event: Event) -> u64 {
        let mut memory = self.memory();
        memory.last += 1;
        let number = memory.last;
        let entry = Arc::new(Entry { number, session, event });
        if memory.recent.len() == REMEMBERED {
            memory.recent.pop_front();
        }
        memory.recent.push_back(Arc::clone(&entry));
        if let Some(live) = &memory.live {
            // Fails when nobody listens.
            drop(live.send(entry));
        }
        number
    }

    /// The number of the last event.
    pub(super) fn last(&self) -> u64 {
        self.memory().last
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        self.memory().live = None;
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who listens to an inspector.
#[derive(Debug)]
pub struct Listener {
    /// How many events were forgotten before it came.
    forgotten: u64,
    late: VecDeque<Arc<Entry>>,
    live: Option<Receiver<Arc<Entry>>>,
}

/// What a listener hears.
#[derive(Debug)]
pub enum Heard {
    /// An event.
    Entry(Arc<Entry>),
    /// So many events were lost, because it was too slow or away too long.
    Lost(u64),
}

impl Listener {
    pub(super) fn new(feed: &Feed, behind: Option<u64>) -> Self {
        // One lock for both, so that no event is missed or heard twice.
        let memory = feed.memory();
        let after = behind.unwrap_or(0);
        let late: VecDeque<_> =
            memory.recent.iter().filter(|entry| entry.number > after).cloned().collect();
        let forgotten = match (behind, late.front()) {
            (Some(behind), Some(first)) => first.number - behind - 1,
            _ => 0,
        };
        Self { forgotten, late, live: memory.live.as_ref().map(Sender::subscribe) }
    }

    /// Waits for the next event; `None` when nothing more comes.
    pub async fn next(&mut self) -> Option<Heard> {
        if self.forgotten > 0 {
            return Some(Heard::Lost(std::mem::take(&mut self.forgotten)));
        }
        if let Some(entry) = self.late.pop_front() {
            return Some(Heard::Entry(entry));
        }
        match self.live.as_mut()?.recv().await {
            Ok(entry) => Some(Heard::Entry(entry)),
            Err(RecvError::Lagged(count)) => Some(Heard::Lost(count)),
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn numbers(listener: &mut Listener) -> Vec<u64> {
        let mut heard = Vec::new();
        while let Some(Heard::Entry(entry)) = listener.next().await {
            heard.push(entry.number);
        }
        heard
    }

    #[tokio::test]
    async fn who_comes_late_hears_what_is_remembered() {
        let feed = Feed::default();
        for _ in 0..10 {
            feed.tell(1, Event::Ended);
        }
        let (mut late, mut again) = (Listener::new(&feed, None), Listener::new(&feed, Some(7)));
        feed.tell(1, Event::Ended);
        feed.end();
        assert_eq!(numbers(&mut late).await, (1..=11).collect::<Vec<_>>());
        assert_eq!(numbers(&mut again).await, [8, 9, 10, 11]);
        assert!(Listener::new(&feed, Some(11)).next().await.is_none());
    }

    #[tokio::test]
    async fn who_is_slow_is_told_what_was_lost() {
        let feed = Feed::default();
        let mut slow = Listener::new(&feed, None);
        for _ in 0..BEHIND + 5 {
            feed.tell(1, Event::Ended);
        }
        assert!(matches!(slow.next().await, Some(Heard::Lost(5))));
        assert!(matches!(slow.next().await, Some(Heard::Entry(entry)) if entry.number == 6));
        for _ in 0..REMEMBERED {
            feed.tell(1, Event::Ended);
        }
        let mut away = Listener::new(&feed, Some(3));
        let forgotten = (BEHIND + 5 - 3) as u64;
        assert!(matches!(away.next().await, Some(Heard::Lost(lost)) if lost == forgotten));
        assert!(
            matches!(away.next().await, Some(Heard::Entry(entry)) if entry.number == forgotten + 4)
        );
    }
}
