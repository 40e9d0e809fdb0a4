//! What all sessions of one thread share: the read buffer, spare buffers for what a socket did not
//! take, and one coarse clock.

use std::{
    cell::{Cell, RefCell, RefMut},
    task::Waker,
};

/// The most that one read takes.
const SCRATCH: usize = 64 * 1024;
/// Buffers kept for the next session that needs one.
const SPARE: usize = 64;
/// A buffer that has grown beyond this is not kept.
const SPARE_CAPACITY: usize = SCRATCH;

pub struct Worker {
    scratch: RefCell<Box<[u8]>>,
    spare: RefCell<Vec<Vec<u8>>>,
    deadlines: RefCell<Deadlines>,
    /// Ticks since the worker began.
    now: Cell<u32>,
    idle_timeout: u32,
}

/// The place of a session among the deadlines.
#[derive(Clone, Copy)]
pub struct Slot(u32);

#[derive(Default)]
struct Deadlines {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Entry {
    at: u32,
    /// The session's task; none in a free place.
    task: Option<Waker>,
}

impl Worker {
    pub fn new(idle_timeout: u32) -> Self {
        Self {
            scratch: RefCell::new(vec![0; SCRATCH].into()),
            spare: RefCell::default(),
            deadlines: RefCell::default(),
            now: Cell::new(0),
            idle_timeout,
        }
    }

    /// The read buffer, lent until the caller's poll ends.
    pub fn scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.scratch.borrow_mut()
    }

    pub fn take_buffer(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    pub fn give_back(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE && buffer.capacity() <= SPARE_CAPACITY {
            buffer.clear();
            spare.push(buffer);
        }
    }

    pub fn now(&self) -> u32 {
        self.now.get()
    }

    pub fn idle_timeout(&self) -> u32 {
        self.idle_timeout
    }

    pub fn enter(&self) -> Slot {
        let Deadlines { entries, free } = &mut *self.deadlines.borrow_mut();
        let index = free.pop().unwrap_or_else(|| {
            entries.push(Entry::default());
            u32::try_from(entries.len() - 1).expect("fewer sessions than descriptors")
        });
        Slot(index)
    }

    pub fn leave(&self, slot: Slot) {
        let Deadlines { entries, free } = &mut *self.deadlines.borrow_mut();
        entries[slot.0 as usize] = Entry::default();
        free.push(slot.0);
    }

    /// Wakes `task` at the tick `at`.
    pub fn wake_at(&self, slot: Slot, at: u32, task: &Waker) {
        let entry = &mut self.deadlines.borrow_mut().entries[slot.0 as usize];
        entry.at = at;
        if !entry.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            entry.task = Some(task.clone());
        }
    }

    /// Lets one tick pass and wakes the sessions whose deadline it was.
    pub fn tick(&self) {
        let now = self.now.get() + 1;
        self.now.set(now);
        for entry in &self.deadlines.borrow().entries {
            if let Some(task) = entry.task.as_ref().filter(|_| entry.at <= now) {
                task.wake_by_ref();
            }
        }
    }
}
