//! Writes the seeds of all targets to a folder, each input as a file named by its place.

use hybridge_fuzz::seeds;
use std::path::{Path, PathBuf};

fn main() {
    let to: PathBuf = std::env::args_os().nth(1).expect("a folder to write to").into();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors");
    for (number, seed) in seeds::all(&vectors).iter().enumerate() {
        let folder = to.join(seed.target);
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        std::fs::write(folder.join(number.to_string()), &seed.bytes).expect("a seed is written");
    }
}
