//! The files that settings name: certificates, keys, pages, logs.

use super::Settings;
use super::check::Report;
use super::key::KeyPath;
use super::listener::CertificateFiles;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A file that a key names.
struct Named<'a> {
    key: KeyPath,
    path: &'a mut PathBuf,
    /// Whether it is written; else it is read.
    written: bool,
}

/// Takes all paths as relative to a folder.
pub(super) fn make_absolute(settings: &mut Settings, folder: &Path) {
    for Named { path, .. } in named(settings) {
        let joined = folder.join(&*path);
        // It fails only where the program was started in a folder that is gone.
        *path = std::path::absolute(&joined).unwrap_or(joined);
    }
}

/// Sees whether the files are there. What is in them is seen where they are read.
pub(super) fn check(settings: &mut Settings, report: &mut Report) {
    for Named { key, path, written } in named(settings) {
        let shown = path.display();
        match written {
            false => {
                if let Err(error) = readable(path) {
                    report.error(key, format!("cannot read {shown}: {error}"));
                }
            }
            true if path.is_dir() => report.error(key, format!("{shown} is a folder")),
            true if path.parent().is_some_and(Path::is_dir) => {}
            true => report.error(key, format!("{shown} is in no folder that exists; make it")),
        }
    }
}

fn readable(path: &Path) -> io::Result<()> {
    match File::open(path)?.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(()),
    }
}

/// All of them.
fn named(settings: &mut Settings) -> Vec<Named<'_>> {
    let mut all = Vec::new();
    let mut add = |key, path, written| all.push(Named { key, path, written });
    if let Some(path) = &mut settings.access_log.file {
        add(KeyPath::of("access_log").key("file"), path, true);
    }
    for (index, listener) in settings.listeners.iter_mut().enumerate() {
        let Some(tls) = &mut listener.tls else { continue };
        let table = KeyPath::of("listener").index(index).key("tls");
        for (index, CertificateFiles { chain, key }) in tls.certificates.iter_mut().enumerate() {
            let table = table.key("certificate").index(index);
            add(table.key("chain"), chain, false);
            add(table.key("key"), key, false);
        }
        if let Some(path) = &mut tls.client_ca {
            add(table.key("client_ca"), path, false);
        }
    }
    for (index, backend) in settings.backends.iter_mut().enumerate() {
        let table = KeyPath::of("backend").index(index).key("tls");
        let tls = &mut backend.tls;
        for (name, path) in
            [("ca", &mut tls.ca), ("certificate", &mut tls.certificate), ("key", &mut tls.key)]
        {
            if let Some(path) = path {
                add(table.key(name), path, false);
            }
        }
    }
    for (index, route) in settings.routes.iter_mut().enumerate() {
        let table = KeyPath::of("route").index(index).key("error_pages");
        for (status, path) in &mut route.error_pages {
            add(table.key(status), path, false);
        }
    }
    all
}
