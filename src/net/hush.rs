//! A log that a flood does not flood: some lines a second, and of the rest the number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::Instant as Clock;

/// How long a window is, and how many lines it has.
const WINDOW: Duration = Duration::from_secs(1);
const LINES: u32 = 10;

/// The lines of one kind.
#[derive(Debug, Default)]
pub(crate) struct Hush(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    start: Option<Instant>,
    said: u32,
    /// What was not said, and nobody has told of.
    more: u64,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Say,
    /// It is only counted, and it is the first; the number is to be told after this time.
    CountFor(Duration),
    Count,
}

impl Hush {
    /// Says a line, or counts it; `rest` is then told later how many were counted.
    pub(crate) fn say(
        self: &Arc<Self>,
        line: impl FnOnce(),
        rest: impl FnOnce(u64) + Send + 'static,
    ) {
        let verdict = self.lock().judge(Clock::now().into_std());
        match verdict {
            Verdict::Say => line(),
            Verdict::Count => {}
            Verdict::CountFor(time) => {
                let hush = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    let more = std::mem::take(&mut hush.lock().more);
                    rest(more);
                });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn judge(&mut self, now: Instant) -> Verdict {
        let start = *self.start.get_or_insert(now);
        if now >= start + WINDOW {
            (self.start, self.said) = (Some(now), 0);
        }
        if self.said < LINES {
            self.said += 1;
            return Verdict::Say;
        }
        self.more += 1;
        match self.more {
            1 => Verdict::CountFor(WINDOW),
            _ => Verdict::Count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn the_rest_is_told_when_the_window_is_over() {
        let (tell, mut told) = mpsc::channel(1);
        let (hush, mut said, mut calls) = (Arc::<Hush>::default(), 0, 0);
        while said == calls {
            calls += 1;
            let tell = tell.clone();
            hush.say(|| said += 1, move |more| assert!(tell.try_send(more).is_ok()));
        }
        assert!(said >= LINES, "only {said} lines");
        assert_eq!(told.recv().await, Some(1));
    }

    #[test]
    fn some_lines_and_then_their_number() {
        let (mut window, start) = (Window::default(), Clock::now().into_std());
        for _ in 0..LINES {
            assert_eq!(window.judge(start), Verdict::Say);
        }
        assert_eq!(window.judge(start), Verdict::CountFor(WINDOW));
        for _ in 0..100 {
            assert_eq!(window.judge(start + WINDOW / 2), Verdict::Count);
        }
        assert_eq!(window.more, 101);
        // The next window has its own lines, while the number is still to be told.
        for _ in 0..LINES {
            assert_eq!(window.judge(start + WINDOW), Verdict::Say);
        }
        assert_eq!(window.judge(start + WINDOW), Verdict::Count);
        window.more = 0;
        assert_eq!(window.judge(start + WINDOW), Verdict::CountFor(WINDOW));
    }
}
