//! `hybridge shrink`: the smallest part of a session that still fails, as a recording.

use super::inspect::shown::shown;
use super::output::{Output, is_same_file};
use super::replay::saying::Saying;
use super::replay::sessions::{heed, name, read, senseless, survey};
use super::report::Report;
use super::terms::Terms;
use crate::recording::Sink;
use crate::recording::lines::Writer;
use crate::replay::player::Plan;
use crate::replay::rules::Rules;
use crate::replay::script::{Body, of};
use crate::replay::shrink::{Failure, Shrinking, part};
use crate::replay::verdict::Verdict;
use crate::rerun::schedule::Servers;
use crate::transcript::account::Account;
use crate::transcript::event::{Event, Header, Message};
use anyhow::{Context, bail};
use clap::ValueHint;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Builder;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 when OUT was written, 1 when it could not be, 2 for arguments that make no \
                  sense, 3 when FILE holds no such session or it does not fail, 4 when it could not be \
                  opened, 130 when interrupted; OUT is then the smallest part that was found."
)]
pub(super) struct Args {
    /// A capture (pcap, pcapng), a HAR file or a recording (.wsrec), packed by gzip or zstd or not; `-` is
    /// standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// The session, by its number in the table of inspect.
    #[arg(long, value_name = "NUMBER")]
    session: u64,

    /// The recording to write (.wsrec).
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    output: PathBuf,

    #[command(flatten)]
    saying: Saying,

    #[command(flatten)]
    terms: Terms,

    /// Replace OUT where there is one.
    #[arg(long)]
    force: bool,
}

/// Shrinks.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (servers, rules) = match sensible(args) {
        Ok(sensible) => sensible,
        Err(error) => return senseless(&error),
    };
    let output = Output::create(&args.output, args.force)?;
    let mut report = Report::new(String::new());
    // Lanes are found in all sessions.
    let Some(shelf) = read(&args.file, Box::new(|_, _, _| true), &mut report)? else {
        return Ok(ExitCode::from(3));
    };
    let plan = args.saying.plan(rules, args.terms.strictness());
    let plan = Arc::new(survey(&shelf, plan, &mut report)?);
    let mut found = None;
    for index in 0..shelf.sessions().len() {
        let events = shelf.events(index)?;
        if events.first().is_some_and(|event| event.session == args.session) {
            found = Some(events);
            break;
        }
    }
    let Some(events) = found else {
        let (file, session) = (name(&args.file), args.session);
        writeln!(io::stderr(), "{}: there is no session {session}", shown(&file))?;
        return Ok(ExitCode::from(3));
    };
    let trial = Trial { events, servers, plan, end: CancellationToken::new() };
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(trial.shrink());
    runtime.shutdown_background();
    let (events, failure) = match outcome? {
        Outcome::Nothing(code, why) => {
            writeln!(io::stderr(), "{why}")?;
            return Ok(ExitCode::from(code));
        }
        Outcome::Shrunk(events, failure) => (events, failure),
    };
    write(args, shelf.header(), &events, output)?;
    tell(args, &trial, &events, &failure)?;
    Ok(if trial.end.is_cancelled() { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

fn sensible(args: &Args) -> anyhow::Result<(Servers, Rules)> {
    if args.output.as_os_str() == "-" {
        bail!("OUT is a file: standard output has what was found");
    }
    if is_same_file(&args.file, &args.output) {
        bail!("OUT is FILE, which is not overwritten");
    }
    Ok((Servers::new(args.saying.target()?, None, args.saying.pace), args.terms.rules()?))
}

/// A session that is said again and again, each time in another part.
struct Trial {
    events: Vec<Event>,
    servers: Servers,
    plan: Arc<Plan>,
    end: CancellationToken,
}

/// What has come of it.
enum Outcome {
    /// There is nothing to shrink, with the exit code and why.
    Nothing(u8, &'static str),
    /// The smallest part, and how it fails.
    Shrunk(Vec<Event>, Failure),
}

impl Trial {
    async fn shrink(&self) -> anyhow::Result<Outcome> {
        heed(&self.end)?;
        let whole = self.say(self.events.clone()).await?;
        let unopened = whole.opening.is_some() && !whole.opened;
        let failure = match Failure::of(&whole) {
            _ if self.end.is_cancelled() => return Ok(Outcome::Nothing(130, "interrupted")),
            Some(_) if unopened => {
                return Ok(Outcome::Nothing(4, "the session could not be opened"));
            }
            None => {
                let why = "nothing to shrink: all is as it was recorded";
                return Ok(Outcome::Nothing(3, why));
            }
            Some(failure) => failure,
        };
        let count = of(self.events.clone()).map_or(0, |script| script.said.len());
        let mut shrinking = Shrinking::new(count);
        while let Some(candidate) = shrinking.candidate() {
            let verdict = self.say(self.part(&candidate)).await?;
            if self.end.is_cancelled() {
                break;
            }
            shrinking.tell(Failure::of(&verdict).as_ref() == Some(&failure));
        }
        Ok(Outcome::Shrunk(self.part(shrinking.kept()), failure))
    }

    /// These messages of the client, with what belongs to them.
    fn part(&self, kept: &[usize]) -> Vec<Event> {
        part(&self.events, kept, |Message { kind, data, .. }| {
            let lane = self.plan.lanes.of(&Body { kind: *kind, data: data.clone() });
            self.plan.lanes.is_push(&lane)
        })
    }

    /// Says a part, until somebody interrupts.
    async fn say(&self, events: Vec<Event>) -> anyhow::Result<Verdict> {
        let script = of(events).context("a session without a beginning")?;
        Ok(self.servers.say(&self.plan, script, 0, Instant::now(), &self.end).await)
    }
}

fn write(args: &Args, from: &Header, events: &[Event], output: Output) -> anyhow::Result<()> {
    let source = format!("a part of session {} of {}", args.session, name(&args.file));
    let header = Header { start: from.start, source };
    let mut writer = Writer::new(output);
    writer.begin(&header)?;
    events.iter().try_for_each(|event| writer.take(event))?;
    writer.end(&Account { flows: 1, sessions: 1, ..Account::default() })?;
    writer.into_inner().finish()
}

/// Tells what is left, and how it is said again: lanes and pushes that were found in all sessions may not
/// be found in a part of one.
fn tell(args: &Args, trial: &Trial, events: &[Event], failure: &Failure) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let count = |events: &[Event]| of(events.iter().cloned()).map_or(0, |script| script.said.len());
    let (left, all) = (count(events), count(&trial.events));
    let output = args.output.to_string_lossy();
    writeln!(
        out,
        "{}: {left} of {all} messages of the client, {}",
        shown(&output),
        shown(&failure.to_string())
    )?;
    let lanes = &trial.plan.lanes;
    let lane = lanes.key.iter().map(|key| format!(" --lane {}", quoted(&key.to_string())));
    let pushes = lanes.pushes.iter().map(|push| format!(" --push {}", quoted(push)));
    let options: String = lane.chain(pushes).collect();
    let target = trial.servers.target.address();
    writeln!(out, "hybridge replay {} --target {}{options}", quoted(&output), quoted(&target))?;
    Ok(out.flush()?)
}

/// A text as a shell takes it for one word: names of lanes were recorded, and may be anything.
fn quoted(text: &str) -> String {
    format!("'{}'", shown(text).replace('\'', r"'\''"))
}
