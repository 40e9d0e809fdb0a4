//! How far a replay is, on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};

/// A line on standard error, where that is a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    differing: u64,
}

impl Progress {
    pub(super) fn new(total: u64) -> Self {
        let target = match stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} sessions {msg} {elapsed}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self { bar, differing: 0 }
    }

    /// A session has ended.
    pub(super) fn step(&mut self, same: bool) {
        if !same {
            self.differing += 1;
            self.bar.set_message(format!("{} not as then", self.differing));
        }
        self.bar.inc(1);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
