//! Each file of `tests/config/invalid/` through `hybridge check`, and what it has to say of it: the
//! file of the same name that ends in `.stderr`. With `BLESS=1` in the environment those are written
//! anew, to be read before they are committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn invalid() -> PathBuf {
    crate::top().join("tests/config/invalid")
}

/// What is said of a file. Paths are as if the repository was at the root.
fn said(file: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_hybridge"))
        .args(["check", "-c"])
        .arg(file.file_name().unwrap())
        .current_dir(invalid())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}: {said}", file.display());
    assert!(output.stdout.is_empty(), "{}", file.display());
    said.replace(crate::top().to_str().unwrap(), "")
}

#[test]
fn mistakes_are_told() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut files: Vec<_> = fs::read_dir(invalid()).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    assert!(files.len() > 40, "{} files", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let (said, due) = (said(&file), file.with_extension("stderr"));
        if bless {
            fs::write(&due, &said).unwrap();
        }
        let due = fs::read_to_string(&due).unwrap_or_default();
        if said != due {
            wrong.push(format!("{}\nsaid:\n{said}due:\n{due}", file.display()));
        }
        for line in said.lines() {
            let place = line.split(':').nth(1).and_then(|number| number.parse::<usize>().ok());
            assert!(place.is_some(), "no line number in {line}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Nothing was said for a file that is not there any more.
#[test]
fn no_message_without_a_mistake() {
    for entry in fs::read_dir(invalid()).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.is_dir() || path.with_extension("toml").exists(), "{}", path.display());
    }
}
