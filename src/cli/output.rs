//! What is written: standard output, or a file that is there when it is whole.

use anyhow::{Context, bail};
use std::fs::{File, OpenOptions, remove_file, rename};
use std::io::{self, BufWriter, Stdout, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How much is written at once, in bytes.
const PIECE: usize = 64 << 10;

pub(in crate::cli) enum Output {
    Standard(BufWriter<Stdout>),
    File(Draft),
}

/// A file under another name, which is removed unless it becomes whole.
pub(in crate::cli) struct Draft {
    file: BufWriter<File>,
    path: PathBuf,
    /// Its name when it is whole.
    to: PathBuf,
    force: bool,
}

impl Output {
    /// Begins a file; `-` is standard output.
    pub(in crate::cli) fn create(to: &Path, force: bool) -> anyhow::Result<Self> {
        if to.as_os_str() == "-" {
            return Ok(Self::Standard(BufWriter::with_capacity(PIECE, io::stdout())));
        }
        refuse_existing(to, force)?;
        let Some(name) = to.file_name() else { bail!("{} is no name of a file", to.display()) };
        // A name may have 255 bytes, and 50 characters take 200 at most.
        let name: String = name.to_string_lossy().chars().take(50).collect();
        let name = format!(".{name}.{}.part", std::process::id());
        let path = to.with_file_name(name);
        // What people have said is for its owner only.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.with_context(|| format!("cannot create {}", path.display()))?;
        let file = BufWriter::with_capacity(PIECE, file);
        Ok(Self::File(Draft { file, path, to: to.to_owned(), force }))
    }

    /// Gives the file its name.
    pub(in crate::cli) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Standard(mut out) => Ok(out.flush()?),
            Self::File(mut draft) => draft.finish(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard(out) => out.write(bytes),
            Self::File(draft) => draft.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Standard(out) => out.flush(),
            Self::File(draft) => draft.file.flush(),
        }
    }
}

impl Draft {
    fn finish(&mut self) -> anyhow::Result<()> {
        let written = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        written.with_context(|| format!("cannot write {}", self.path.display()))?;
        // It may have come while this was written.
        refuse_existing(&self.to, self.force)?;
        rename(&self.path, &self.to).with_context(|| format!("cannot write {}", self.to.display()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // When it has been renamed, there is none.
        remove_file(&self.path).ok();
    }
}

/// Whether two paths lead to the same file.
pub(in crate::cli) fn is_same_file(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| path.metadata().map(|file| (file.dev(), file.ino())).ok();
    place(one).is_some_and(|one| place(other) == Some(one))
}

fn refuse_existing(path: &Path, force: bool) -> anyhow::Result<()> {
    let shown = path.display();
    match path.symlink_metadata() {
        Ok(_) if !force => bail!("{shown} is there already; --force replaces it"),
        // Neither is a link such as /dev/stdout.
        Ok(file) if !file.is_file() => {
            bail!("{shown} is not a file that can be replaced")
        }
        _ => Ok(()),
    }
}
