//! The options that say what belongs together in messages, and what may differ.

use crate::replay::compare::Strictness;
use crate::replay::rules::{Key, NoRules, Rules};
use anyhow::Context;
use clap::{Args, ValueEnum, ValueHint};
use std::fs;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Terms {
    /// A file of rules (TOML); the options that follow add to it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    rules: Option<PathBuf>,

    /// A value of JSON that need not be the same, by its pointer: /ts, /users/*/id, /**/id. May be given
    /// several times, as the next two may.
    #[arg(long = "ignore", value_name = "POINTER")]
    ignored: Vec<String>,

    /// A number that may differ by so much.
    #[arg(long = "tolerance", value_name = "POINTER=NUMBER")]
    tolerated: Vec<String>,

    /// A value that only has to be one of a kind: present, type, uuid, timestamp, number, or re:REGEX.
    #[arg(long = "match", value_name = "POINTER=KIND")]
    matched: Vec<String>,

    /// What names the lane of a server's message, in which alone the order counts: a JSON pointer, or
    /// re:REGEX. Found by itself without it.
    #[arg(long, value_name = "POINTER")]
    lane: Option<Key>,

    /// A lane whose messages come unasked, so that nothing waits for them, beside those that are found.
    #[arg(long = "push", value_name = "LANE")]
    pushes: Vec<String>,

    /// How messages are compared.
    #[arg(long, value_name = "HOW", default_value = "json")]
    compare: How,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    /// JSON by its values, other texts and bytes as they are.
    Json,
    /// Byte by byte.
    Exact,
    /// Not at all: only how many come in each lane.
    Count,
}

impl Terms {
    pub(super) const fn strictness(&self) -> Strictness {
        match self.compare {
            How::Json => Strictness::Json,
            How::Exact => Strictness::Exact,
            How::Count => Strictness::Count,
        }
    }

    /// The rules of the file and of the options.
    ///
    /// # Errors
    /// When one is none; with the file, the line and the key, or the option.
    pub(super) fn rules(&self) -> anyhow::Result<Rules> {
        let mut rules = match &self.rules {
            Some(path) => {
                let named = || format!("--rules {}", path.display());
                let text = fs::read_to_string(path).with_context(named)?;
                Rules::parse(&text).with_context(named)?
            }
            None => Rules::default(),
        };
        let named =
            |option: &'static str| move |error: NoRules| anyhow::anyhow!("--{option} {error}");
        for path in &self.ignored {
            rules.ignore(path).map_err(named("ignore"))?;
        }
        for option in &self.tolerated {
            rules.tolerance(option).map_err(named("tolerance"))?;
        }
        for option in &self.matched {
            rules.matches(option).map_err(named("match"))?;
        }
        rules.lane = self.lane.clone().or(rules.lane);
        rules.push.extend(self.pushes.iter().cloned());
        Ok(rules)
    }
}
