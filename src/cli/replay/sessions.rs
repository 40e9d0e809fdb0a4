//! The way of sessions from a file to a report: read, looked at, said, concluded.

use super::progress::Progress;
use crate::cli::inspect::nothing;
use crate::cli::inspect::shown::{safe, shown};
use crate::cli::report::{Report, Written};
use crate::recording::shelf::{Choose, Shelf};
use crate::recording::source;
use crate::replay::lanes::Survey;
use crate::replay::player::Plan;
use crate::replay::verdict::Verdict;
use crate::rerun::schedule::script;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

/// How many sessions of a file are looked at for its lanes.
const SURVEYED: usize = 1_000;

/// The chosen sessions of a file; `None`, and why, where there are none.
///
/// # Errors
/// When that cannot be told.
pub(in crate::cli) fn read(
    file: &Path,
    choose: Choose,
    report: &mut Report,
) -> anyhow::Result<Option<Shelf>> {
    let name = name(file);
    let mut shelf = Shelf::new(choose);
    let read = source::open(file).map_err(anyhow::Error::from);
    let read = read.and_then(|input| source::read(input, &mut shelf));
    let why = match &read {
        Err(error) => format!("{error:#}"),
        Ok(account) if account.sessions == 0 => nothing(account),
        Ok(_) if shelf.sessions().is_empty() => "none of its sessions is chosen".to_owned(),
        Ok(_) => {
            report.files.push((name, shelf.account().clone()));
            return Ok(Some(shelf));
        }
    };
    writeln!(io::stderr(), "{}: {}", shown(&name), safe(&why))?;
    report.files.push((name, read.unwrap_or_default()));
    Ok(None)
}

/// What a file is called.
pub(in crate::cli) fn name(file: &Path) -> String {
    match file.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => file.display().to_string(),
    }
}

/// Finds in the sessions what a plan has to know of the application, and notes it in the report.
///
/// # Errors
/// When they cannot be read.
pub(in crate::cli) fn survey(
    shelf: &Shelf,
    mut plan: Plan,
    report: &mut Report,
) -> anyhow::Result<Plan> {
    let surveyed = 0..shelf.sessions().len().min(SURVEYED);
    let mut survey = Survey::default();
    for index in surveyed.clone() {
        if let Some(script) = script(shelf, index)? {
            survey.look(&script, &plan.rules);
        }
    }
    plan.lanes = survey.lanes(&mut plan.rules);
    for index in surveyed {
        if let Some(script) = script(shelf, index)? {
            plan.look(&script);
        }
    }
    report.lane = plan.lanes.key.as_ref().map(ToString::to_string).or_else(|| report.lane.take());
    report.pushes.extend(plan.lanes.pushes.iter().cloned());
    Ok(plan)
}

/// Has SIGINT and SIGTERM end what is said, from now on. To be called in a runtime, before anybody is
/// connected to.
///
/// # Errors
/// When the system does not let us listen for signals.
pub(in crate::cli) fn heed(end: &CancellationToken) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let end = end.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        end.cancel();
    });
    Ok(())
}

/// Takes what comes of `total` sessions that are said, to the end of the last.
pub(in crate::cli) async fn follow(
    mut verdicts: Receiver<Vec<Verdict>>,
    total: u64,
    mut take: impl FnMut(Verdict),
) {
    let mut progress = Progress::new(total);
    while let Some(lot) = verdicts.recv().await {
        for verdict in lot {
            progress.step(verdict.is_same());
            take(verdict);
        }
    }
    progress.finish();
}

/// Tells the report, and what it means.
///
/// # Errors
/// When it cannot be written.
pub(in crate::cli) fn conclude(
    mut report: Report,
    reports: &[Written],
    strict: bool,
) -> anyhow::Result<ExitCode> {
    if report.is_empty() && !report.interrupted {
        return Ok(ExitCode::from(3));
    }
    report.sort();
    for written in reports {
        written.write(&report)?;
    }
    let mut out = io::stdout().lock();
    report.tell(&mut out)?;
    out.flush()?;
    let unusable = report.files.iter().any(|(_, account)| account.sessions == 0);
    Ok(ExitCode::from(match report.code() {
        0 if unusable => 3,
        0 if strict && report.is_damaged() => 5,
        code => code,
    }))
}

/// Tells why arguments make no sense.
///
/// # Errors
/// When that cannot be told.
pub(in crate::cli) fn senseless(error: &anyhow::Error) -> anyhow::Result<ExitCode> {
    writeln!(io::stderr(), "error: {error:#}")?;
    Ok(ExitCode::from(2))
}
