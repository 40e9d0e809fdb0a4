//! `hybridge conformance`: the proxy is held to the list in front of and behind peers of every dialect, and
//! the kit is shown to find what is wrong with peers that have a flaw.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]
#![expect(dead_code, reason = "the module is shared with other tests, which use the rest")]

mod deflate;
mod echo;
mod flaws;
#[path = "../proxy/program.rs"]
mod program;

use echo::{Flaw, STYLES, serve, visit};
use program::Program;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// What every pair is asked.
const QUICK: &str = "/(opening|keys|framing|pings|reserved|opcodes|fragments|masks|lengths\
                     |length-frames|closing|utf8/6.[1-4]|misc|answers)[/.]";

/// All but the many and the large.
const MOST: &str = "/(opening|keys|refused|framing|pings|reserved|opcodes|fragments|masks|lengths\
                    |length-frames|closing|utf8|misc|abuse)/";
const ALL: &str = ".";

/// Far beyond what any peer takes, on a machine that is busy with others.
const PATIENT: &str = "20s";

/// For flaws that are silence, which is waited for in vain.
const IMPATIENT: &str = "1s";

/// A command of the kit.
fn kit(patience: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybridge"));
    command.args(["conformance", "--timeout", patience]).args(arguments);
    command
}

/// What came of cases: their names, verdicts and all that is told of them.
struct Outcome {
    code: Option<i32>,
    cases: Vec<(String, String, Value)>,
    told: String,
}

impl Outcome {
    fn of(command: &mut Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        command.arg("--report").arg(format!("json:{}", file.display()));
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Self::read(&file, output.status.code(), told)
    }

    /// What comes of clients that visit the kit, or a proxy before it, until it has ended.
    fn of_clients(
        arguments: &[&str],
        (dialect, flaw): (&str, Flaw),
        proxy: impl FnOnce(SocketAddr) -> Option<Program>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        let mut command = kit(PATIENT, &["--as-server", "127.0.0.1:0"]);
        command.args(arguments).arg("--report").arg(format!("json:{}", file.display()));
        let mut kit = Program::telling(command);
        let proxy = proxy(kit.address);
        let address = proxy.as_ref().map_or(kit.address, |proxy| proxy.address);
        let is_over = AtomicBool::new(false);
        let code = thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        visit(address, dialect, flaw);
                    }
                });
            }
            let code = kit.wait().code();
            is_over.store(true, Ordering::Relaxed);
            code
        });
        Self::read(&file, code, kit.access_log.read.join("\n"))
    }

    /// What the kit has reported.
    fn read(file: &Path, code: Option<i32>, told: String) -> Self {
        let report = fs::read(file).unwrap_or_else(|error| panic!("{error}: {told}"));
        let report: Value = serde_json::from_slice(&report).unwrap();
        let cases = report["cases"].as_array().unwrap().iter();
        let word = |case: &Value, name: &str| case[name].as_str().unwrap().to_owned();
        let cases =
            cases.map(|case| (word(case, "id"), word(case, "verdict"), case.clone())).collect();
        Self { code, cases, told }
    }

    /// Holds that none has failed, and that there were so many.
    fn assert_good(&self, least: usize, what: &str) {
        assert!(
            self.cases.len() >= least,
            "{what}: only {} cases: {}",
            self.cases.len(),
            self.told
        );
        let failed = self.cases.iter().filter(|case| case.1 == "fail");
        let failed: Vec<_> = failed.map(|case| format!("{:#}", case.2)).collect();
        assert!(failed.is_empty(), "{what}: {}", failed.join("\n"));
        assert_eq!(self.code, Some(0), "{what}: {}", self.told);
    }
}

/// All of some client dialects before each of some backend dialects.
fn pairs(backends: &[&str], clients: &[&str], cases: &str, largest: &str, least: usize) {
    for name in backends {
        let proxy = Program::serve(serve(name, Flaw::None), &["--backend-dialect", name]);
        let (target, dialects) = (format!("ws://{}", proxy.address), clients.join(","));
        let arguments =
            ["--target", &target, "--dialect", &dialects, "--case", cases, "--largest", largest];
        Outcome::of(&mut kit(PATIENT, &arguments)).assert_good(least, name);
    }
}

#[test]
fn the_whole_list_before_a_modern_backend() {
    pairs(&["rfc6455"], &["rfc6455", "hixie-76"], ALL, "262144", 550);
}

#[test]
fn every_dialect_before_a_modern_backend() {
    // Those that differ in their frames; 07 is as 08, and 01 and 02 are as 03.
    let clients = ["hybi-08", "hybi-06", "hybi-05", "hybi-04", "hybi-03", "hixie-75"];
    pairs(&["rfc6455"], &clients, MOST, "65536", 1300);
}

#[test]
fn every_dialect_before_backends_of_hybi() {
    let backends = ["hybi-08", "hybi-07", "hybi-06", "hybi-05", "hybi-04"];
    pairs(&backends, &STYLES.map(|style| style.name), QUICK, "65536", 900);
}

#[test]
fn every_dialect_before_backends_of_the_first_drafts() {
    let backends = ["hybi-03", "hybi-02", "hybi-01", "hixie-76", "hixie-75"];
    pairs(&backends, &STYLES.map(|style| style.name), QUICK, "65536", 900);
}

/// Peers of one dialect through a proxy that passes their bytes on, where it can.
#[test]
fn each_dialect_through_a_tunnel() {
    for name in STYLES.map(|style| style.name) {
        let arguments = ["--tunnel", "--backend-dialect", name];
        let proxy = Program::serve(serve(name, Flaw::None), &arguments);
        let target = format!("ws://{}", proxy.address);
        let cases = "/(framing|pings|fragments|closing)/";
        let arguments = ["--target", &target, "--dialect", name, "--case", cases];
        Outcome::of(&mut kit(PATIENT, &arguments)).assert_good(10, name);
    }
}

/// The client role of the proxy: a foreign client speaks to the proxy, and the proxy to the kit.
#[test]
fn the_proxy_as_a_client_of_every_dialect() {
    for style in STYLES {
        let name = style.name;
        let arguments = ["--dialect", name, "--case", QUICK, "--largest", "65536"];
        let proxy = |kit| Some(Program::serve(kit, &["--backend-dialect", name]));
        Outcome::of_clients(&arguments, ("rfc6455", Flaw::None), proxy).assert_good(41, name);
    }
}

#[test]
fn the_list_can_be_read_and_chosen_from() {
    let output = kit(PATIENT, &["--list", "--dialect", "rfc6455", "--case", "framing/1[.]1"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 9, "{text}");
    assert!(text.lines().next().unwrap().starts_with("list "), "{text}");
    assert!(text.contains("Autobahn 1.1.8"), "{text}");
    assert_eq!(
        kit(PATIENT, &["--list", "--case", "no such case"]).output().unwrap().status.code(),
        Some(3)
    );
    assert_eq!(kit(PATIENT, &[]).output().unwrap().status.code(), Some(2));
    assert_eq!(kit(PATIENT, &["--target", "http://a"]).output().unwrap().status.code(), Some(2));
}

/// A server that speaks one dialect fails no case of the others, unless they are asked for by name.
#[test]
fn what_is_not_spoken_is_told() {
    let target = format!("ws://{}", serve("hybi-06", Flaw::None));
    let outcome = Outcome::of(&mut kit(PATIENT, &["--target", &target, "--case", "pings/2[.]2"]));
    assert_eq!(outcome.cases.len(), 1, "{}", outcome.told);
    assert!(outcome.told.contains("rfc6455: not spoken"), "{}", outcome.told);
    assert_eq!(outcome.code, Some(0));
    let arguments = ["--target", &target, "--case", "pings/2[.]2", "--dialect", "hybi-06,hybi-07"];
    assert_eq!(Outcome::of(&mut kit(PATIENT, &arguments)).code, Some(4));
}

/// Nothing is tried where nobody listens, and why is in the report too.
#[test]
fn who_cannot_be_reached_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("unix:{}", folder.path().join("nobody").display());
    let outcome = Outcome::of(&mut kit(PATIENT, &["--target", &target]));
    assert_eq!((outcome.code, outcome.cases.len()), (Some(3), 0), "{}", outcome.told);
    assert!(outcome.told.contains("not tried: "), "{}", outcome.told);
}

#[test]
fn junit_has_a_suite_for_each_dialect() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.xml");
    let target = format!("ws://{}", serve("hybi-08", Flaw::NoPong));
    let report = format!("junit:{}", file.display());
    let arguments = ["--target", &target, "--dialect", "hybi-08", "--case", "pings/2[.][27]$"];
    let output = kit(IMPATIENT, &arguments).args(["--report", &report]).output();
    assert_eq!(output.unwrap().status.code(), Some(4));
    let xml = fs::read_to_string(&file).unwrap();
    assert!(xml.contains(r#"<testsuite name="hybi-08" tests="2" failures="1">"#), "{xml}");
    assert!(xml.contains("<failure message="), "{xml}");
}
