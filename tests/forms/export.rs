//! `hybridge export` as its user meets it: what it writes, what it takes out, and how it ends.

use crate::packets::Capture;
use crate::{GOLDEN, Told, golden_file};
use hybridge::recording::source;
use hybridge::transcript::event::{Message, What};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Run {
    folder: tempfile::TempDir,
}

impl Run {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn export(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hybridge"))
            .arg("export")
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(File::open(golden_file()).unwrap())
            .output()
            .unwrap()
    }

    /// Exports without a fault, and returns what was said of it.
    fn exported(&self, arguments: &[&str]) -> String {
        let output = self.export(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn read(path: &Path) -> Told {
    let mut told = Told::default();
    source::read(source::open(path).unwrap(), &mut told).unwrap();
    told
}

/// A recording of what a HAR does not lose.
fn sound() -> String {
    let lines: Vec<_> = GOLDEN.lines().collect();
    let with = |line: &str, other: &str| line.replace("\"kind\":\"text\",", other);
    let fields = lines[2].replace(
        "\"fields\":[]",
        "\"fields\":[[\"Host\",\"[::1]\"],[\"Upgrade\",\"websocket\"],[\"Connection\",\"Upgrade\"],\
         [\"Sec-WebSocket-Version\",\"8\"],[\"Cookie\",\"sid=hush\"]]",
    );
    let open = fields.replace("\"dialect\":\"rfc6455\"", "\"dialect\":\"hybi-08\"");
    let account = "{\"event\":\"account\",\"flows\":1,\"sessions\":1}";
    let all = [
        lines[0].to_owned(),
        open,
        lines[4].to_owned(),
        lines[7].to_owned(),
        with(lines[8], ""),
        lines[9].to_owned(),
        lines[10].to_owned(),
        lines[15].to_owned(),
        lines[16].to_owned(),
        lines[17].to_owned(),
        account.to_owned(),
    ];
    all.map(|line| line + "\n").concat()
}

#[test]
fn the_same_form_is_the_same_file() {
    let run = Run::new();
    assert_eq!(run.exported(&["-", "-o", "all.wsrec", "--show-secrets"]), "");
    assert_eq!(fs::read_to_string(run.path("all.wsrec")).unwrap(), GOLDEN);
    let mode = fs::metadata(run.path("all.wsrec")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(run.names(), ["all.wsrec"]);
    // Packed, and to standard output.
    let packed = golden_file().with_extension("wsrec.zst");
    let output =
        run.export(&[packed.to_str().unwrap(), "-o", "-", "--to", "wsrec", "--show-secrets"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), GOLDEN);
}

#[test]
fn there_and_back() {
    let run = Run::new();
    fs::write(run.path("a.wsrec"), sound()).unwrap();
    run.exported(&["a.wsrec", "-o", "b.har", "--show-secrets"]);
    run.exported(&["b.har", "-o", "c.wsrec", "--show-secrets"]);
    let (first, last) = (read(&run.path("a.wsrec")), read(&run.path("c.wsrec")));
    assert_eq!(first.events.len(), last.events.len());
    for (event, again) in first.events.iter().zip(&last.events) {
        // A HAR has no end, and times to the microsecond.
        let is_end = matches!(event.what, What::End(_));
        assert!(is_end || event.at.abs_diff(again.at) < 3000, "{event:?} {again:?}");
        match (&event.what, &again.what) {
            (What::Open(open), What::Open(other)) => {
                assert_eq!((&open.target, &open.fields), (&other.target, &other.fields));
                assert_eq!((open.dialect, &open.server), (other.dialect, &other.server));
            }
            (What::End(_), What::End(_)) => {}
            (what, other) => assert_eq!(what, other),
        }
    }
}

#[test]
fn packets_of_some_sessions() {
    let run = Run::new();
    run.exported(&["-", "-o", "two.pcapng", "--session", "2"]);
    let capture = Capture::read(&fs::read(run.path("two.pcapng")).unwrap());
    let [connection] = &capture.connections()[..] else { panic!("one session") };
    assert_eq!(connection.client, "[::1]:39090".parse().unwrap());
    run.exported(&["-", "-o", "PACKETS", "--to", "pcapng", "--session", "2", "--session", "1"]);
    let capture = Capture::read(&fs::read(run.path("PACKETS")).unwrap());
    assert_eq!(capture.connections().len(), 2);
    let streams = capture.connections()[0].streams();
    let head = String::from_utf8_lossy(&streams.client).into_owned();
    assert!(head.contains("Cookie: sid=\u{2039}r:") && !head.contains("t0p"), "{head}");
}

/// Equal secrets stay equal, be they in a cookie or in a message; all else stays.
#[test]
fn what_is_named_is_taken_out() {
    let run = Run::new();
    let lines: Vec<_> = GOLDEN.lines().collect();
    let say = |from: &str, text: &str| {
        serde_json::json!({
            "event": "message", "session": 1, "at": 2_913_000, "from": from, "text": text,
        })
        .to_string()
    };
    let texts = [
        say("client", r#"{ "sid" : "31d4d96e407aad42", "n": 1.50, "to": [{"pin": 1234}] }"#),
        say("server", r#"{"sid":"other","ok":true}"#),
        say("server", "your pin is 1234, ask anna@old.example"),
    ];
    let begin = [lines[0], lines[1], lines[3]].map(str::to_owned);
    let end = [lines[18], lines[19]].map(str::to_owned);
    let all: Vec<_> = begin.into_iter().chain(texts).chain(end).collect();
    fs::write(run.path("a.wsrec"), all.join("\n") + "\n").unwrap();
    let rules = ["/sid", "/to/*/pin", "re:pin is ([0-9]+)", "re:\\S+@\\S+", "/never"];
    let mut arguments = vec!["a.wsrec", "-o", "b.wsrec"];
    arguments.extend(rules.iter().flat_map(|rule| ["--redact", rule]));
    assert_eq!(
        run.exported(&arguments).lines().collect::<Vec<_>>(),
        [
            "--redact /sid has found 2",
            "--redact /to/*/pin has found 1",
            "--redact re:pin is ([0-9]+) has found 1",
            "--redact re:\\\\S+@\\\\S+ has found 1",
            "warning: --redact /never has found nothing",
        ]
    );
    let told = read(&run.path("b.wsrec"));
    let said: Vec<_> = told
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::Message(Message { data, .. }) => Some(String::from_utf8(data.clone()).unwrap()),
            _ => None,
        })
        .collect();
    let What::Open(open) = &told.events[0].what else { panic!("{told:?}") };
    let cookie = &open.fields[1].1;
    let sid = cookie.strip_prefix("sid=").unwrap().split(';').next().unwrap();
    let pin = said[2].strip_prefix("your pin is ").unwrap().split(',').next().unwrap();
    assert_eq!(said[0], format!(r#"{{ "sid" : "{sid}", "n": 1.50, "to": [{{"pin": "{pin}"}}] }}"#));
    assert!(said[1].ends_with("›\",\"ok\":true}") && !said[1].contains("other"), "{}", said[1]);
    assert!(!said[2].contains("anna"), "{}", said[2]);
}

#[test]
fn how_it_ends() {
    let run = Run::new();
    let golden = golden_file();
    let golden = golden.to_str().unwrap();
    fs::write(run.path("old.wsrec"), sound()).unwrap();
    fs::write(run.path("text.txt"), "some text").unwrap();
    fs::create_dir(run.path("folder.har")).unwrap();
    std::os::unix::fs::symlink("old.wsrec", run.path("link.wsrec")).unwrap();
    let names = run.names();
    for (arguments, code, due) in [
        (&["old.wsrec"][..], 2, "--output"),
        (&["-o", "new.har"], 2, "FILE"),
        (&["old.wsrec", "-o", "new.json"], 2, "OUT has to end in .wsrec"),
        (&["old.wsrec", "-o", "-"], 2, "--to has to tell the form"),
        (&["old.wsrec", "-o", "old.wsrec", "--force"], 2, "not overwritten"),
        (&["link.wsrec", "-o", "old.wsrec", "--force"], 2, "not overwritten"),
        (&["old.wsrec", "-o", "new.har", "--to", "pcap"], 2, "possible values"),
        (&["old.wsrec", "-o", "new.har", "--redact", "password"], 2, "JSON pointer such as"),
        (&["old.wsrec", "-o", "new.har", "--redact", "/a~2"], 2, "~0 is ~"),
        (&["old.wsrec", "-o", "new.har", "--redact", "re:(a"], 2, "unclosed group"),
        (&["old.wsrec", "-o", "new.har", "--session", "one"], 2, "invalid value"),
        (&[golden, "-o", "old.wsrec"], 1, "old.wsrec is there already; --force replaces it"),
        (&[golden, "-o", "folder.har", "--force"], 1, "not a file that can be replaced"),
        (&[golden, "-o", "link.wsrec", "--force"], 1, "not a file that can be replaced"),
        (&[golden, "-o", "none/new.har"], 1, "cannot create none/.new.har"),
        (&[golden, "-o", "new.har", "--session", "3"], 3, "there is no session 3, there are 2"),
        (&["text.txt", "-o", "new.har"], 3, "it begins with \"some text\""),
        (&["absent.wsrec", "-o", "new.har"], 3, "absent.wsrec"),
    ] {
        let output = run.export(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(due), "{arguments:?}: {said}");
        assert_eq!(run.names(), names, "{arguments:?}");
    }
    assert_eq!(fs::read_to_string(run.path("old.wsrec")).unwrap(), sound());
    assert_eq!(run.export(&["old.wsrec", "-o", "a.har", "--strict"]).status.code(), Some(0));
    // What is damaged is there all the same.
    assert_eq!(run.export(&["-", "-o", "b.har", "--strict"]).status.code(), Some(5));
    assert!(run.path("b.har").exists());
    run.exported(&["-", "-o", "old.wsrec", "--force", "--show-secrets"]);
    assert_eq!(fs::read_to_string(run.path("old.wsrec")).unwrap(), GOLDEN);
}

#[test]
fn standard_input_is_not_overwritten() {
    let run = Run::new();
    fs::write(run.path("a.wsrec"), GOLDEN).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_hybridge"))
        .args(["export", "-", "-o", "a.wsrec", "--force"])
        .current_dir(&run.folder)
        .stdin(File::open(run.path("a.wsrec")).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(fs::read_to_string(run.path("a.wsrec")).unwrap(), GOLDEN);
    let long = "n".repeat(250) + ".har";
    run.exported(&["-", "-o", &long]);
    assert_eq!(run.names(), ["a.wsrec", &*long]);
}

/// Who reads has seen enough; a disk that is full is no fault of what is read.
#[test]
fn an_output_that_ends() {
    let run = Run::new();
    let lines: Vec<_> = GOLDEN.lines().collect();
    let text = [lines[0], lines[2], &format!("{}\n", lines[7]).repeat(4000), lines[17], lines[19]];
    fs::write(run.path("a.wsrec"), text.join("\n")).unwrap();
    let start = |out: Stdio| {
        Command::new(env!("CARGO_BIN_EXE_hybridge"))
            .args(["export", "a.wsrec", "-o", "-", "--to", "pcapng"])
            .current_dir(&run.folder)
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut child = start(Stdio::piped());
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = start(full.into()).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("No space left"));
}
