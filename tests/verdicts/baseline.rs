//! `hybridge replay --baseline`: two servers.

use super::server::{Server, Session};
use super::{folder, run};

/// What a client says; the recorded answers are those of nobody any more.
const RECORDED: &[&str] = &[
    r#"<{"op":"hello"}"#,
    r#">{"op":"login"}"#,
    r#"<{"op":"in","token":"abc123def"}"#,
    r#">{"op":"order","token":"abc123def"}"#,
    r#"<{"op":"ordered","price":1}"#,
];

/// A server that gives a token, wants it back, and knows a price.
fn server(token: &'static str, price: u32) -> Server {
    Server::new(move || -> Session {
        Box::new(move |text| match text.contains("login") {
            true => vec![format!(r#"{{"op":"in","token":"{token}"}}"#)],
            false if text.contains(token) => vec![format!(r#"{{"op":"ordered","price":{price}}}"#)],
            false => vec![r#"{"op":"out"}"#.to_owned()],
        })
    })
}

#[test]
fn servers_are_compared_with_one_another() {
    let (_kept, folder) = folder(&[("a.wsrec", &[("/x", RECORDED)])]);
    let (old, new, other) =
        (server("old111old", 5), server("new222new", 5), server("new333new", 6));
    let replay = |target: &Server, baseline: &Server| {
        let (target, baseline) = (target.url(), baseline.url());
        let args = ["replay", "a.wsrec", "--target", &target, "--baseline", &baseline];
        run(&folder, &[&args[..], &["--stall", "100ms", "--drain", "100ms"]].concat())
    };
    let (code, told) = replay(&new, &old);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(&format!("compared with {}", old.url())), "{told}");
    assert!(told.contains("messages 2: 2 matched"), "{told}");
    let (code, told) = replay(&other, &old);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("/price then 5") && told.contains("now  6"), "{told}");
}

#[test]
fn a_baseline_that_is_gone() {
    let (_kept, folder) = folder(&[("a.wsrec", &[("/x", RECORDED)])]);
    let new = server("new222new", 5);
    let gone = server("", 0).url();
    let (there, soon) = (new.url(), ["--stall", "100ms", "--drain", "100ms"]);
    let args = ["replay", "a.wsrec", "--target", &there, "--baseline", &gone];
    let (code, told) = run(&folder, &[&args[..], &soon].concat());
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("not opened as then: the baseline: "), "{told}");
    let args = ["replay", "a.wsrec", "--target", &gone, "--baseline", &there];
    assert_eq!(run(&folder, &[&args[..], &soon].concat()).0, 4);
}
