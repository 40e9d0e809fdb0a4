//! `hybridge diff`: two recordings.

use super::{folder, run};
use serde_json::Value;
use std::fs;

#[test]
fn the_same_twice() {
    let said: &[&str] = &[r#">{"op":"add"}"#, r#"<{"op":"sum","n":1}"#];
    let (_kept, folder) = folder(&[("a.wsrec", &[("/x", said)]), ("b.wsrec", &[("/x", said)])]);
    let (code, told) = run(&folder, &["diff", "a.wsrec", "b.wsrec"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("messages 1: 1 matched"), "{told}");
}

#[test]
fn an_answer_that_differs() {
    let (_kept, folder) = folder(&[
        ("a.wsrec", &[("/x?token=1", &[r#">{"op":"add"}"#, r#"<{"op":"sum","n":1,"ts":5}"#])]),
        ("b.wsrec", &[("/x?token=2", &[r#">{"op":"add"}"#, r#"<{"op":"sum","n":2,"ts":6}"#])]),
    ]);
    let diff = ["diff", "a.wsrec", "b.wsrec", "--ignore", "/ts", "--report", "json:report.json"];
    let (code, told) = run(&folder, &diff);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("/n then 1") && !told.contains("/ts"), "{told}");
    let report: Value =
        serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["verdicts"][0]["differing"][0]["differences"][0]["now"], "2");
    let (code, told) = run(&folder, &[&diff[..], &["--match", "/n=number"]].concat());
    assert_eq!(code, 0, "{told}");
}

#[test]
fn clients_that_said_other_things() {
    let (_kept, folder) = folder(&[
        ("a.wsrec", &[("/x", &[">one", "<ok"])]),
        ("b.wsrec", &[("/x", &[">two", "<ok"])]),
    ]);
    let (code, told) = run(&folder, &["diff", "a.wsrec", "b.wsrec"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("the client says otherwise: > 1"), "{told}");
}

#[test]
fn sessions_without_a_partner() {
    let said: &[&str] = &[">one", "<ok"];
    let (_kept, folder) = folder(&[
        ("a.wsrec", &[("/x", said), ("/x", said), ("/y", said)]),
        ("b.wsrec", &[("/x", said), ("/z", said)]),
    ]);
    let (code, told) = run(&folder, &["diff", "a.wsrec", "b.wsrec"]);
    assert_eq!(code, 1, "{told}");
    for line in [
        "a.wsrec session 2  /x\n  not opened as then: b.wsrec has no such session",
        "a.wsrec session 3  /y\n",
        "b.wsrec session 2  /z\n  not opened as then: not expected: a.wsrec has none",
        "sessions 4: 1 as then, 3 not",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
}

#[test]
fn what_cannot_be_compared() {
    let (_kept, folder) = folder(&[("a.wsrec", &[("/x", &[">one"])])]);
    assert_eq!(run(&folder, &["diff", "a.wsrec", "gone.wsrec"]).0, 3);
    assert_eq!(run(&folder, &["diff", "a.wsrec", "a.wsrec", "--ignore", "x"]).0, 2);
    assert_eq!(run(&folder, &["diff", "-", "-"]).0, 2);
}
