//! The recorder: a watcher that has what clients say and are told written to files, on a thread of
//! its own.
//!
//! The data path copies bytes into the [inbox] and goes on. The [clerk] reads them there, finds out
//! what they say with the same reader that reads captures, and has it [filed](files).

mod clerk;
mod files;
mod inbox;
mod single;
mod spool;

use crate::config::operation::Record;
use crate::dialect::Dialect;
use crate::event::Side;
use crate::net::Peer;
use crate::session::fact::{Cause, Fact};
use crate::telemetry::Telemetry;
use crate::watch::{ConnectionId, Watcher};
use anyhow::Context;
use clerk::Clerk;
use files::Files;
use inbox::{Inbox, Kind, scattered};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// By how much the thread is nicer than those that serve connections: where all CPUs are busy, it has a
/// tenth of one of them (sched(7): each step is a factor of 1.25).
const NICE: i32 = 10;

/// Records sessions.
#[derive(Debug)]
pub(crate) struct Recorder {
    inbox: Arc<Inbox>,
    percent: u32,
    /// Whether the backend leg is wanted too.
    both_legs: bool,
    /// `None` once it has been closed.
    clerk: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    /// Starts to record, where the settings say so.
    ///
    /// # Errors
    /// When they do not fit, or the first files cannot be made.
    pub(crate) fn start(
        settings: &Record,
        telemetry: Arc<Telemetry>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(folder) = &settings.folder else { return Ok(None) };
        let files = Files::open(folder, settings, Arc::clone(&telemetry))
            .with_context(|| format!("cannot record to {}", folder.display()))?;
        let inbox = Arc::new(Inbox::new());
        let clerk = Clerk::new(Arc::clone(&inbox), files, settings.paths.clone(), telemetry);
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                // Lowering it is always allowed, and recording goes on without.
                rustix::process::nice(NICE).ok();
                clerk.work();
            })
            .context("cannot start the recorder")?;
        inbox.wake(thread.thread().clone());
        let percent = u32::from(settings.percent.get());
        let both_legs = settings.pcapng;
        Ok(Some(Self { inbox, percent, both_legs, clerk: Mutex::new(Some(thread)) }))
    }

    /// Has all be written that there is, and the files closed.
    pub(crate) fn close(&self) {
        let clerk = self.clerk.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.inbox.close();
        if clerk.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the recorder has died");
        }
    }

    /// Leaves a note of a connection, if it is of the share that is recorded; the others do not wait
    /// for each other here.
    fn put(&self, id: ConnectionId, kind: Kind, bytes: &[u8]) {
        if self.wants(id) {
            self.inbox.put(id.0, kind, bytes);
        }
    }

    const fn wants(&self, id: ConnectionId) -> bool {
        scattered(id.0) % 100 < self.percent
    }
}

impl Watcher for Recorder {
    fn opened(&self, id: ConnectionId, peer: Peer) {
        if self.wants(id) {
            self.inbox.put(id.0, Kind::Opened, peer.to_string().as_bytes());
        }
    }

    fn speaks(&self, id: ConnectionId, side: Side, _: Dialect) {
        if side == Side::Backend && self.both_legs {
            self.put(id, Kind::Dialled, &[]);
        }
    }

    fn read(&self, id: ConnectionId, side: Side, bytes: &[u8]) {
        match side {
            Side::Client => self.put(id, Kind::Said, bytes),
            Side::Backend if self.both_legs => self.put(id, Kind::Answered, bytes),
            Side::Backend => {}
        }
    }

    fn written(&self, id: ConnectionId, side: Side, bytes: &[u8]) {
        match side {
            Side::Client => self.put(id, Kind::Told, bytes),
            Side::Backend if self.both_legs => self.put(id, Kind::Asked, bytes),
            Side::Backend => {}
        }
    }

    fn observed(&self, id: ConnectionId, fact: &Fact) {
        if let Fact::Ended { by, cause } = fact {
            let kind = match (by, cause) {
                (Some(Side::Client), Cause::Lost) => Kind::Broken,
                (Some(Side::Client), _) => Kind::Left,
                (Some(Side::Backend), Cause::Lost) => Kind::Failed,
                (Some(Side::Backend), _) => Kind::Dismissed,
                (None, _) => Kind::Stopped,
            };
            self.put(id, kind, &[]);
        }
    }

    fn ended(&self, id: ConnectionId) {
        self.put(id, Kind::Ended, &[]);
    }
}
