//! `hybridge learn`: a server that makes up ids and knows the time.

use super::server::{Server, Session};
use super::{folder, run};
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

const RECORDED: &[&str] = &[
    r#">{"op":"order","of":"tea"}"#,
    r#"<{"op":"ordered","id":"00000000-0000-4000-8000-000000000000","at":1320000000,"of":"tea"}"#,
    r#">{"op":"order","of":"milk"}"#,
    r#"<{"op":"ordered","id":"00000000-0000-4000-8000-000000000001","at":1320000001,"of":"milk"}"#,
    r#">{"op":"list"}"#,
    r#"<{"op":"orders","all":[{"name":"amber"},{"name":"birch"}]}"#,
];

/// A shop; behind each answer about an order it says this.
fn shop(more: Option<&'static str>) -> Server {
    let count = std::sync::Arc::new(AtomicU64::new(7));
    Server::new(move || -> Session {
        let count = std::sync::Arc::clone(&count);
        Box::new(move |text| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            if text.contains("list") {
                let name = |of: &str| format!(r#"{{"name":"{of} {number:x}"}}"#);
                return vec![format!(r#"{{"op":"orders","all":[{},{}]}}"#, name("a"), name("b"))];
            }
            let of = if text.contains("tea") { "tea" } else { "milk" };
            let answer = format!(
                r#"{{"op":"ordered","id":"{number:08x}-0000-4000-8000-00000000ffff","at":{},"of":"{of}"}}"#,
                1_795_000_000 + number
            );
            [answer].into_iter().chain(more.map(str::to_owned)).collect()
        })
    })
}

#[test]
fn ids_and_times_become_rules() {
    let (_kept, folder) = folder(&[("a.wsrec", &[("/shop", RECORDED)])]);
    let shop = shop(None);
    let learn = ["learn", "a.wsrec", "--target", &shop.url(), "-o", "rules.toml", "--runs", "2"];
    let (code, told) = run(&folder, &learn);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("rules.toml: 3 rules, of 2 runs"), "{told}");
    let rules = fs::read_to_string(folder.join("rules.toml")).unwrap();
    for rule in [
        "[[match]]\npath = \"/id\"\nas = \"uuid\"",
        "[[match]]\npath = \"/at\"\nas = \"timestamp\"",
        "[[ignore]]\npath = \"/all/*/name\"",
        "lane = \"/op\"",
        "# 4 times, in ordered: then",
    ] {
        assert!(rules.contains(rule), "{rule} in {rules}");
    }
    // With them a replay is as it was, and without them not.
    let replay = ["replay", "a.wsrec", "--target", &shop.url()];
    assert_eq!(run(&folder, &[&replay[..], &["--rules", "rules.toml"]].concat()).0, 0);
    assert_eq!(run(&folder, &replay).0, 1);
    // What was written by hand since is not lost.
    let (code, told) = run(&folder, &learn);
    assert!(code == 1 && told.contains("--force"), "{told}");
    assert_eq!(fs::read_to_string(folder.join("rules.toml")).unwrap(), rules);
}

#[test]
fn messages_that_are_too_many_are_no_noise() {
    let (_kept, folder) = folder(&[("a.wsrec", &[("/shop", RECORDED)])]);
    let shop = shop(Some(r#"{"op":"thanks"}"#));
    let learn = ["learn", "a.wsrec", "--target", &shop.url(), "-o", "rules.toml", "--runs", "1"];
    let (code, told) = run(&folder, &learn);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("not expected: thanks"), "{told}");
    let rules = fs::read_to_string(folder.join("rules.toml")).unwrap();
    assert!(rules.contains("messages not expected: 2."), "{rules}");
}

#[test]
fn nothing_is_learned_of_nobody() {
    let (_kept, folder) = folder(&[("a.wsrec", &[("/shop", RECORDED)])]);
    let gone = shop(None).url();
    let learn = ["learn", "a.wsrec", "--target", &gone, "-o", "rules.toml"];
    assert_eq!(run(&folder, &learn).0, 4);
    assert_eq!(run(&folder, &["learn", "b.wsrec", "--target", &gone, "-o", "rules.toml"]).0, 3);
    assert_eq!(run(&folder, &["learn", "a.wsrec", "--target", &gone, "-o", "-"]).0, 2);
    assert!(!folder.join("rules.toml").exists());
}
