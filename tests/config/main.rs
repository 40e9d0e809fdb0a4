//! The configuration file, as its writer meets it: the example, what mistakes are told, what is
//! included and substituted, what is printed.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(test)]
mod effective;
#[cfg(test)]
mod example;
#[cfg(test)]
mod full;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod invalid;

use std::fs;
use std::path::{Path, PathBuf};

/// The top of the repository.
fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A new folder with files for one test.
fn folder(test: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("config").join(test);
    // What a run before this one has left.
    drop(fs::remove_dir_all(&folder));
    for (name, text) in files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    folder
}
