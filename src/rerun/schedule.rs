//! Which session begins when: in the order of the recording, each once all have ended that had ended
//! before it began there.

use super::connection::play;
use super::steps::Steps;
use super::target::Target;
use crate::recording::shelf::Shelf;
use crate::replay::offline::judge;
use crate::replay::pace::Pace;
use crate::replay::player::{Plan, Player};
use crate::replay::script::{self, Script};
use crate::replay::verdict::Verdict;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How many verdicts are handed out together where sessions end fast: a thread that is woken for each costs
/// more than what it does with it.
const TOGETHER: usize = 64;

/// How long the first of them waits for others.
const WAIT: Duration = Duration::from_millis(100);

/// How many such lots wait to be taken.
const LOTS: usize = 16;

/// How sessions are started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// How many are in progress at most.
    pub(crate) at_once: usize,
    /// How often each is said.
    pub(crate) copies: u32,
    /// How many begin in a second at most.
    pub(crate) rate: Option<f64>,
}

/// Whom sessions are said to.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    pub(crate) target: Arc<Target>,
    /// The one whose answers are expected of it, instead of those of the recording.
    pub(crate) baseline: Option<Arc<Target>>,
    /// Who lets messages be said to the target one by one.
    steps: Option<Arc<Mutex<Steps>>>,
}

impl Servers {
    /// One, which is to answer as the recorded server did, unless there is a baseline.
    pub(crate) fn new(target: Arc<Target>, baseline: Option<Arc<Target>>, pace: Pace) -> Self {
        let steps = (pace == Pace::Step).then(|| Arc::new(Mutex::new(Steps::start())));
        Self { target, baseline, steps }
    }

    /// Says one session.
    pub(crate) async fn say(
        &self,
        plan: &Arc<Plan>,
        script: Script,
        copy: u32,
        clock: Instant,
        end: &CancellationToken,
    ) -> Verdict {
        let mut steps = match &self.steps {
            Some(steps) => Some(steps.lock().await),
            None => None,
        };
        let steps = steps.as_deref_mut();
        if let Some(baseline) = &self.baseline {
            // Boxed, for most sessions are said to one server, and may be many.
            let both = Box::pin(async move {
                let player = |script| Player::kept(Arc::clone(plan), script, copy);
                let [mut then, mut now] = [player(script.clone()), player(script)];
                tokio::join!(
                    play(baseline, &mut then, clock, None, end),
                    play(&self.target, &mut now, clock, steps, end)
                );
                match (then.transcript(), now.transcript()) {
                    (Some(first), Some(second)) => {
                        judge(plan, (then.finish(), first), (now.finish(), second))
                    }
                    _ => now.finish(),
                }
            });
            return both.await;
        }
        let mut player = Player::new(Arc::clone(plan), script, copy);
        play(&self.target, &mut player, clock, steps, end).await;
        player.finish()
    }
}

/// Says all sessions of a recording, and hands out what came of each, of several together.
pub(crate) fn start(
    shelf: Arc<Shelf>,
    servers: Servers,
    plan: Arc<Plan>,
    load: Load,
    end: CancellationToken,
) -> mpsc::Receiver<Vec<Verdict>> {
    let (verdicts, taken) = mpsc::channel(LOTS);
    tokio::spawn(Schedule::new(shelf, servers, plan, load, end, verdicts).run());
    taken
}

/// The script of a session on the shelf.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn script(shelf: &Shelf, index: usize) -> anyhow::Result<Option<Script>> {
    Ok(script::of(shelf.events(index)?))
}

struct Schedule {
    shelf: Arc<Shelf>,
    servers: Servers,
    plan: Arc<Plan>,
    load: Load,
    end: CancellationToken,
    verdicts: mpsc::Sender<Vec<Verdict>>,
    /// Those that have not been handed out, and when some were last.
    lot: Vec<Verdict>,
    handed: Instant,
    /// The clock of all sessions.
    clock: Instant,
    running: JoinSet<(usize, Verdict)>,
    /// Of the sessions that have not ended, by when they had in the recording, how many copies there are.
    open: BTreeMap<(u64, usize), u32>,
    begun: u32,
}

impl Schedule {
    fn new(
        shelf: Arc<Shelf>,
        servers: Servers,
        plan: Arc<Plan>,
        load: Load,
        end: CancellationToken,
        verdicts: mpsc::Sender<Vec<Verdict>>,
    ) -> Self {
        let (clock, running, open) = (Instant::now(), JoinSet::new(), BTreeMap::new());
        let (lot, handed) = (Vec::new(), clock);
        Self {
            shelf,
            servers,
            plan,
            load,
            end,
            verdicts,
            lot,
            handed,
            clock,
            running,
            open,
            begun: 0,
        }
    }

    async fn run(mut self) {
        let shelf = Arc::clone(&self.shelf);
        let first = shelf.sessions().first().map_or(0, |kept| kept.at);
        for (index, kept) in shelf.sessions().iter().enumerate() {
            if let Some(speed) = self.plan.pace.speed() {
                let due = Duration::from_nanos(speed.scaled(kept.at.saturating_sub(first)));
                self.wait_until(self.clock + due).await;
            } else if self.plan.pace.is_causal() {
                while !self.running.is_empty()
                    && self.open.first_key_value().is_some_and(|((end, _), _)| *end < kept.at)
                {
                    self.one_ends().await;
                }
            }
            self.open.insert((kept.end, index), self.load.copies);
            for copy in 0..self.load.copies {
                if !self.begin(index, copy).await {
                    return self.rest().await;
                }
            }
        }
        self.rest().await;
    }

    /// Begins a session; `false` where none is to begin any more.
    async fn begin(&mut self, index: usize, copy: u32) -> bool {
        while self.running.len() >= self.load.at_once {
            self.one_ends().await;
        }
        if let Some(rate) = self.load.rate {
            let due = Duration::try_from_secs_f64(f64::from(self.begun) / rate);
            self.wait_until(self.clock + due.unwrap_or(Duration::MAX / 4)).await;
        }
        self.begun = self.begun.saturating_add(1);
        if self.end.is_cancelled() {
            return false;
        }
        let (shelf, servers) = (Arc::clone(&self.shelf), self.servers.clone());
        let (plan, clock, end) = (Arc::clone(&self.plan), self.clock, self.end.clone());
        self.running.spawn(async move {
            let verdict = match script(&shelf, index) {
                Ok(None) => Verdict::unread(index, copy, "it has no beginning"),
                Ok(Some(script)) => servers.say(&plan, script, copy, clock, &end).await,
                Err(error) => Verdict::unread(index, copy, &format!("{error:#}")),
            };
            (index, verdict)
        });
        true
    }

    async fn rest(mut self) {
        while !self.running.is_empty() {
            self.one_ends().await;
        }
        self.hand_out().await;
    }

    async fn one_ends(&mut self) {
        if let Some(ended) = self.running.join_next().await {
            self.take(ended).await;
        }
    }

    /// Takes what came of a session.
    async fn take(&mut self, ended: Result<(usize, Verdict), JoinError>) {
        // One that has died has said so.
        let Ok((index, verdict)) = ended else { return };
        self.lot.push(verdict);
        if self.lot.len() == TOGETHER || self.handed.elapsed() > WAIT {
            self.hand_out().await;
        }
        let Some(kept) = self.shelf.sessions().get(index) else { return };
        if let Some(copies) = self.open.get_mut(&(kept.end, index)) {
            *copies -= 1;
            if *copies == 0 {
                self.open.remove(&(kept.end, index));
            }
        }
    }

    async fn hand_out(&mut self) {
        self.handed = Instant::now();
        // Who takes them has gone at the end only.
        self.verdicts.send(std::mem::take(&mut self.lot)).await.ok();
    }

    /// Waits, and notes which sessions end meanwhile.
    async fn wait_until(&mut self, time: Instant) {
        loop {
            let end = self.end.clone();
            tokio::select! {
                () = sleep_until(time) => return,
                () = end.cancelled() => return,
                Some(ended) = self.running.join_next() => self.take(ended).await,
            }
        }
    }
}
