//! Whatever a file holds, it is loaded or refused with findings that lie in it.

use hybridge::config::Settings;
use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proptest::sample::Index;
use std::fs;
use std::path::{Path, PathBuf};

/// The example with all keys at work, and no variable that ends the way early.
fn example() -> String {
    crate::example::with_all_keys().replace("${ALICE_PASSWORD}", "secret")
}

fn file(name: &str) -> PathBuf {
    crate::folder(name, &[("hybridge.toml", "")]).join("hybridge.toml")
}

fn load(file: &Path, bytes: &[u8]) {
    fs::write(file, bytes).unwrap();
    let Err(error) = Settings::load(file) else { return };
    assert!(!error.findings.is_empty());
    let lines = bytes.split(|b| *b == b'\n').count();
    for finding in &error.findings {
        let position = finding.position.expect("the file can be read");
        assert!((1..=lines).contains(&position.line) && position.column > 0, "{finding}");
        assert!(!finding.to_string().contains(char::is_control), "{finding}");
    }
}

#[test]
fn cut_anywhere() {
    let (file, example) = (file("cut"), example());
    for end in (0..example.len()).step_by(13) {
        load(&file, &example.as_bytes()[..end]);
    }
}

proptest! {
    #[test]
    fn changed_anywhere(changes in vec((any::<Index>(), any::<u8>()), 1..4)) {
        let mut bytes = example().into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        load(&file("changed"), &bytes);
    }

    #[test]
    fn lines_in_any_order(order in vec(any::<Index>(), 1..40)) {
        let text = example();
        let lines: Vec<_> = text.lines().collect();
        let text: Vec<_> = order.iter().map(|at| *at.get(&lines)).collect();
        load(&file("order"), text.join("\n").as_bytes());
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        load(&file("bytes"), &bytes);
    }
}
