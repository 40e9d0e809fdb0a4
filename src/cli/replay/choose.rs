//! Which sessions of a recording are said again.

use crate::dialect::Dialect;
use crate::recording::shelf::Choose;
use crate::transcript::event::Open;
use regex::Regex;
use std::ops::RangeInclusive;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Chosen {
    /// Say these sessions only, by their numbers in the table of inspect: 3 or 3,7-9.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = numbers)]
    sessions: Vec<RangeInclusive<u64>>,

    /// Say sessions only whose request target this finds something in.
    #[arg(long, value_name = "REGEX")]
    path: Option<Regex>,

    /// Say sessions only that were in this dialect; may be given several times.
    #[arg(long = "dialect", value_name = "DIALECT")]
    dialects: Vec<Dialect>,

    /// Say sessions only that began so long or longer after the recording did.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    from: Option<Duration>,

    /// Say sessions only that began before.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    to: Option<Duration>,
}

impl Chosen {
    pub(in crate::cli) fn choose(&self) -> Choose {
        let Self { sessions, path, dialects, from, to } = self;
        let (sessions, path, dialects) = (sessions.clone(), path.clone(), dialects.clone());
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let times = from.map_or(0, nanos)..to.map_or(u64::MAX, nanos);
        Box::new(move |session, at, open: &Open| {
            (sessions.is_empty() || sessions.iter().any(|range| range.contains(&session)))
                && path.as_ref().is_none_or(|path| path.is_match(&open.target))
                && (dialects.is_empty() || dialects.contains(&open.dialect))
                && times.contains(&at)
        })
    }
}

fn numbers(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
        _ => Err("it is written 3 or 7-9".to_owned()),
    }
}
