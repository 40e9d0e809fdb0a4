//! Runs all vectors of `testdata/vectors/`; each kind of case has a runner below.

mod frames;
mod opening;
mod sessions;

use crate::form::{self, Case};
use std::collections::HashSet;
use std::fmt::Debug;
use std::path::Path;

/// What is wrong with a case.
type Verdict = Result<(), String>;

/// Runs all cases of a kind and tells all that failed.
fn run(kind: &str, runner: fn(&Case) -> Verdict) {
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.kind == kind).collect();
    assert!(!cases.is_empty(), "no vectors");
    let failed =
        |case: &Case| Some(format!("{} {}: {}", case.place, case.name, runner(case).err()?));
    let failures: Vec<String> = cases.iter().filter_map(failed).collect();
    let (failed, all) = (failures.len(), cases.len());
    assert!(failed == 0, "{failed} of {all} vectors failed:\n{}", failures.join("\n"));
}

/// All cases of all vector files.
pub(crate) fn cases() -> Vec<Case> {
    form::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/vectors"))
}

/// Compares what a case expects with what came.
fn same<T: PartialEq + Debug>(what: &str, expected: &T, got: &T) -> Verdict {
    if expected == got {
        return Ok(());
    }
    Err(format!("{what}:\n    expected {expected:?}\n    got      {got:?}"))
}

/// Compares bytes, shown readably.
fn same_bytes(what: &str, expected: &[u8], got: &[u8]) -> Verdict {
    if expected == got {
        return Ok(());
    }
    let show = |bytes: &[u8]| match bytes.get(..400) {
        Some(start) => format!("{}... ({} bytes)", start.escape_ascii(), bytes.len()),
        None => bytes.escape_ascii().to_string(),
    };
    Err(format!("{what}:\n    expected {}\n    got      {}", show(expected), show(got)))
}

#[test]
fn keys() {
    run("key", opening::keys);
}

#[test]
fn handshakes_with_clients() {
    run("server", opening::server);
}

#[test]
fn handshakes_with_backends() {
    run("client", opening::client);
}

#[test]
fn frames_read() {
    run("read", frames::read);
}

#[test]
fn frames_written() {
    run("write", frames::write);
}

#[test]
fn sessions() {
    run("session", sessions::session);
}

#[test]
fn every_case_is_run_and_has_its_own_name() {
    let mut names = HashSet::new();
    for case in cases() {
        let known = ["key", "server", "client", "read", "write", "session"];
        assert!(known.contains(&case.kind.as_str()), "{}: unknown kind {}", case.place, case.kind);
        assert!(
            names.insert((case.kind, case.name.clone())),
            "{}: {} again",
            case.place,
            case.name
        );
    }
}
