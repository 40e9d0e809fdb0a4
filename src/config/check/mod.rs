//! What the tables of a configuration say of each other, and what a value cannot tell by itself.

mod backends;
mod listeners;
mod reach;
mod rewriting;
mod routes;
mod words;

use super::Settings;
use super::document::MOST;
use super::finding::Severity;
use super::key::KeyPath;
use super::near::hint;
use super::values::{Address, Period};
use std::collections::HashSet;

/// How many threads serve at most: far more than there are CPUs in a machine of today.
const MOST_WORKERS: usize = 1024;

/// How many tables of one kind there can be: each is compared with all others.
const MOST_TABLES: usize = 10_000;

/// What is found.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<(Severity, KeyPath, String)>);

impl Report {
    /// Something that keeps the settings from being used.
    pub(super) fn error(&mut self, key: KeyPath, what: impl Into<String>) {
        self.add(Severity::Error, key, what.into());
    }

    /// Something that is hardly meant so.
    pub(super) fn warning(&mut self, key: KeyPath, what: impl Into<String>) {
        self.add(Severity::Warning, key, what.into());
    }

    /// Keeps a finding, unless there are enough of its kind.
    fn add(&mut self, severity: Severity, key: KeyPath, what: String) {
        if self.0.iter().filter(|(other, ..)| *other == severity).count() < MOST {
            self.0.push((severity, key, what));
        }
    }

    /// A value that may only be one of some.
    fn value<E: Into<String>>(&mut self, key: KeyPath, result: Result<(), E>) {
        if let Err(what) = result {
            self.error(key, what);
        }
    }

    /// Durations that would end something before it has begun.
    fn positive<'a>(
        &mut self,
        table: &KeyPath,
        periods: impl IntoIterator<Item = (&'a str, Period)>,
    ) {
        for (name, period) in periods {
            if period.0.is_zero() {
                self.error(table.key(name), "cannot be zero");
            }
        }
    }

    /// All that was found.
    pub(super) fn into_findings(self) -> impl Iterator<Item = (Severity, KeyPath, String)> {
        self.0.into_iter()
    }
}

/// Looks at all tables.
pub(super) fn settings(settings: &Settings, report: &mut Report) {
    top(settings, report);
    admin(settings, report);
    listeners::check(settings, report);
    backends::check(settings, report);
    routes::check(settings, report);
}

fn top(settings: &Settings, report: &mut Report) {
    if settings.workers.get() > MOST_WORKERS {
        report.error(KeyPath::of("workers"), format!("at most {MOST_WORKERS} threads"));
    }
    let root = KeyPath::default();
    report.positive(&root, [("shutdown_deadline", settings.shutdown_deadline)]);
    for (name, count, needed) in [
        ("listener", settings.listeners.len(), true),
        ("backend", settings.backends.len(), settings.routes.is_empty()),
        ("route", settings.routes.len(), true),
    ] {
        if count == 0 && needed {
            report.error(root.key(name), format!("there is none; add a [[{name}]] table"));
        }
        if count > MOST_TABLES {
            report.error(root.key(name), format!("{count} tables; at most {MOST_TABLES}"));
        }
    }
}

fn admin(settings: &Settings, report: &mut Report) {
    if let Some(Address::Tcp(address)) = &settings.admin.address
        && !address.ip().to_canonical().is_loopback()
        && !settings.admin.allow_remote
    {
        let what = "can be reached by others than this machine, and there is no password; \
                    listen at 127.0.0.1, [::1] or unix:/PATH, or set allow_remote = true";
        report.error(KeyPath::of("admin").key("address"), what);
    }
}

/// That each table of several has a name of its own, which can stand in a log line.
fn names<'a>(report: &mut Report, table: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = HashSet::new();
    for (index, name) in names.enumerate() {
        let key = KeyPath::of(table).index(index).key("name");
        if name.is_empty() {
            report.error(key, format!("each {table} needs a name; the log and the metrics use it"));
        } else if name.chars().any(char::is_control) {
            report.error(key, "a name has no control characters");
        } else if !seen.insert(name) {
            report.error(key, format!("a {table} before this one is called {name:?} too"));
        }
    }
}

/// What to say of a name that nothing has.
fn no_such(table: &str, name: &str, names: &[&str]) -> String {
    match (hint(name, names.iter().copied()), names) {
        (_, []) => format!("no {table} {name:?}; there is no {table} at all"),
        (near, _) if !near.is_empty() => format!("no {table} {name:?}{near}"),
        _ => format!("no {table} {name:?}; there are: {}", names.join(", ")),
    }
}
