//! `hybridge shrink`: a server that answers one message wrongly.

use super::server::{Server, Session};
use super::{folder, run};
use serde_json::Value;
use std::fs;

/// A server that says each number back, but 13 wrongly once 5 was said.
fn server() -> Server {
    Server::new(|| -> Session {
        let mut has_five = false;
        Box::new(move |text| {
            has_five |= text == r#"{"op":"say","n":5}"#;
            let wrong = has_five && text == r#"{"op":"say","n":13}"#;
            vec![
                if wrong { text.replace("13", "31") } else { text.to_owned() }
                    .replace("say", "said"),
            ]
        })
    })
}

/// A session in which the numbers up to 20 are said, but for some.
fn numbers(but: &[u32]) -> Vec<String> {
    let numbers = (0..20).filter(|number| !but.contains(number));
    numbers
        .flat_map(|n| {
            [format!(r#">{{"op":"say","n":{n}}}"#), format!(r#"<{{"op":"said","n":{n}}}"#)]
        })
        .collect()
}

#[test]
fn what_is_left_still_fails() {
    let (good, bad) = (numbers(&[5]), numbers(&[]));
    let [good, bad] = [&good, &bad].map(|all| all.iter().map(String::as_str).collect::<Vec<_>>());
    let (_kept, folder) = folder(&[("a.wsrec", &[("/x", &good), ("/x", &bad)])]);
    let server = server();
    let url = server.url();
    let shrink = |session: &str, out: &str| {
        run(&folder, &["shrink", "a.wsrec", "--session", session, "--target", &url, "-o", out])
    };
    let (code, told) = shrink("2", "small.wsrec");
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("small.wsrec: 2 of 20 messages of the client, differs: "), "{told}");
    let text = fs::read_to_string(folder.join("small.wsrec")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let said: Vec<_> = lines.filter_map(|line| Some(line["text"].as_str()?.to_owned())).collect();
    let due = [
        r#"{"op":"say","n":5}"#,
        r#"{"op":"said","n":5}"#,
        r#"{"op":"say","n":13}"#,
        r#"{"op":"said","n":13}"#,
    ];
    assert_eq!(said, due);
    let (code, told) = run(&folder, &["replay", "small.wsrec", "--target", &url]);
    assert!(code == 1 && told.contains("/n then 13"), "{told}");
    let (code, told) = shrink("1", "none.wsrec");
    assert!(code == 3 && told.contains("nothing to shrink"), "{told}");
    assert_eq!(shrink("3", "none.wsrec").0, 3);
    assert!(!folder.join("none.wsrec").exists());
    let (code, told) = shrink("2", "small.wsrec");
    assert!(code == 1 && told.contains("--force"), "{told}");
}

#[test]
fn nobody_there() {
    let (_kept, folder) = folder(&[("a.wsrec", &[("/x", &[">one", "<ok"])])]);
    let gone = server().url();
    let args = ["shrink", "a.wsrec", "--session", "1", "--target", &gone, "-o", "small.wsrec"];
    let (code, told) = run(&folder, &args);
    assert!(code == 4 && told.contains("could not be opened"), "{told}");
    assert!(!folder.join("small.wsrec").exists());
}
