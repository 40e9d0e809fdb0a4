//! `hybridge export`: recorded traffic of any form, written in another one.

mod select;

use super::inspect::nothing;
use super::inspect::shown::{safe, shown};
use super::inspect::watch::Watch;
use super::is_broken_pipe;
use super::output::{Output, is_same_file};
use crate::recording::redact::{Key, Redact, Stand};
use crate::recording::rules::{Rule, Rules};
use crate::recording::{Sink, har, lines, pcapng, source};
use crate::transcript::account::Account;
use clap::{ValueEnum, ValueHint};
use select::Select;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 when OUT was written, 1 when it could not be, 2 for arguments that \
                  make no sense, 3 when FILE holds nothing that can be exported, 5 with --strict \
                  when something was damaged. Behind any but 0 and 5 there is no OUT."
)]
pub(super) struct Args {
    /// A capture, a HAR file or a recording (.wsrec), packed by gzip or zstd or not; `-` is standard
    /// input. The form is found by content.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// What to write; `-` is standard output. Its ending tells the form, unless --to does.
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    output: PathBuf,

    /// The form to write.
    #[arg(long, value_name = "FORM")]
    to: Option<Form>,

    /// Export this session only, by its number in the table of inspect; may be given several times.
    #[arg(long = "session", value_name = "NUMBER")]
    sessions: Vec<u64>,

    /// Replace what this finds in messages and other texts by a pseudonym: a JSON pointer (/password,
    /// /users/*/name) or re:REGEX; may be given several times.
    #[arg(long = "redact", value_name = "RULE")]
    rules: Vec<Rule>,

    /// Keep the values of cookies, passwords, and query parameters that are named like a secret.
    #[arg(long)]
    show_secrets: bool,

    /// Replace OUT where there is one.
    #[arg(long)]
    force: bool,

    /// Exit with 5 when something was damaged or is missing.
    #[arg(long)]
    strict: bool,
}

/// A form that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Our own recordings: nothing is lost.
    Wsrec,
    /// Packets, for Wireshark.
    Pcapng,
    /// HTTP Archive, for browsers and proxies.
    Har,
}

/// Writes the file.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let form = match Form::of(args) {
        Ok(form) => form,
        Err(fault) => {
            writeln!(io::stderr(), "error: {fault}")?;
            return Ok(ExitCode::from(2));
        }
    };
    match export(args, form) {
        // Who reads has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result,
    }
}

/// # Errors
/// When it cannot be written; what is wrong with the file is told, and is no error.
fn export(args: &Args, form: Form) -> anyhow::Result<ExitCode> {
    let mut output = Output::create(&args.output, args.force)?;
    let key = Key::random();
    let mut sink = form.writer(&mut output);
    if !args.show_secrets {
        sink = Box::new(Redact::new(Stand::Pseudonym(key.clone()), sink));
    }
    // The rules come first: what they name is what was said, not what stands in its place.
    let mut rules = Rules::new(key, args.rules.clone(), sink);
    let passed = pass(args, &mut rules)?;
    let damaged = match passed {
        Ok(damaged) => damaged,
        Err(fault) => {
            let name = match args.file.as_os_str() == "-" {
                true => "standard input".to_owned(),
                false => shown(&args.file.to_string_lossy()),
            };
            writeln!(io::stderr(), "{name}: {}", safe(&fault))?;
            return Ok(ExitCode::from(3));
        }
    };
    let found = rules.found().to_vec();
    drop(rules);
    output.finish()?;
    tell(&found)?;
    Ok(if damaged && args.strict { ExitCode::from(5) } else { ExitCode::SUCCESS })
}

/// Passes on what is asked for, and returns whether something was damaged, or why there is nothing.
fn pass(args: &Args, sink: &mut dyn Sink) -> anyhow::Result<Result<bool, String>> {
    let mut watch = Watch::new(None, Select::new(&args.sessions, sink));
    let read = source::open(&args.file)
        .map_err(anyhow::Error::from)
        .and_then(|input| source::read(input, &mut watch));
    let Watch { sink: select, damaged, failed, .. } = watch;
    if let Some(error) = failed {
        return Err(error.into());
    }
    Ok(match &read {
        Err(error) => Err(format!("{error:#}")),
        Ok(account) if account.sessions == 0 => Err(nothing(account)),
        Ok(Account { sessions, .. }) => match select.missing() {
            Some(session) => Err(format!("there is no session {session}, there are {sessions}")),
            None => Ok(damaged),
        },
    })
}

/// Tells how often each rule has found something.
fn tell(found: &[(Rule, u64)]) -> io::Result<()> {
    for (rule, count) in found {
        let rule = shown(&rule.to_string());
        match count {
            0 => writeln!(io::stderr(), "warning: --redact {rule} has found nothing")?,
            count => writeln!(io::stderr(), "--redact {rule} has found {count}")?,
        }
    }
    Ok(())
}

impl Form {
    /// The form that is asked for, unless the arguments make no sense.
    fn of(args: &Args) -> Result<Self, String> {
        let Args { file, output, .. } = args;
        let is_standard = |path: &Path| path.as_os_str() == "-";
        let input = if is_standard(file) { Path::new("/dev/stdin") } else { file };
        if !is_standard(output) && is_same_file(input, output) {
            return Err("OUT is FILE, which is not overwritten".to_owned());
        }
        let ending = output.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match args.to {
            Some(form) => Ok(form),
            None if is_standard(output) => {
                Err("for standard output --to has to tell the form".to_owned())
            }
            None => Self::from_str(ending, true).map_err(|_| {
                "OUT has to end in .wsrec, .pcapng or .har, or --to has to tell the form".to_owned()
            }),
        }
    }

    fn writer<'o>(self, out: &'o mut (dyn Write + 'o)) -> Box<dyn Sink + 'o> {
        match self {
            Self::Wsrec => Box::new(lines::Writer::new(out)),
            Self::Pcapng => Box::new(pcapng::Writer::new(out)),
            Self::Har => Box::new(har::Writer::new(out)),
        }
    }
}
