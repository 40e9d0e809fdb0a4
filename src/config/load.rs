//! From files to settings: the file, what it includes, and what the tables say of each other.

use super::Settings;
use super::backend::Backend;
use super::check::{self, Report};
use super::document::Document;
use super::finding::{ConfigError, Finding, Severity};
use super::key::KeyPath;
use super::listener::Listener;
use super::paths;
use super::route::Route;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How many files a configuration has at most.
const MOST_FILES: usize = 1000;

/// Settings that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// The settings: variables of the environment and included files are in them, and paths are
    /// absolute.
    pub settings: Settings,
    /// What is hardly meant so.
    pub warnings: Vec<Finding>,
}

impl Settings {
    /// Reads a configuration file and all that it includes.
    ///
    /// # Errors
    /// With all that is found wrong.
    pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
        let mut files = Files::default();
        let mut settings = files.load(path).map_err(|findings| ConfigError { findings })?;
        let mut report = Report::default();
        check::settings(&settings, &mut report);
        paths::check(&mut settings, &mut report);
        let findings = report.into_findings().map(|(severity, key, what)| {
            let (document, key) = files.place(key)?;
            Some(Finding { severity, ..document.about(&key, what) })
        });
        let mut findings: Vec<_> = findings.flatten().collect();
        let order = |file: &Path| files.documents.iter().position(|document| document.path == file);
        findings.sort_by_key(|finding| (order(&finding.file), finding.position));
        match findings.iter().any(|finding| finding.severity == Severity::Error) {
            true => Err(ConfigError { findings }),
            false => Ok(Loaded { settings, warnings: findings }),
        }
    }
}

/// What an included file may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Included {
    #[serde(rename = "listener")]
    listeners: Vec<Listener>,
    #[serde(rename = "backend")]
    backends: Vec<Backend>,
    #[serde(rename = "route")]
    routes: Vec<Route>,
}

/// The files of a configuration, the first of which includes the others.
#[derive(Debug, Default)]
struct Files {
    documents: Vec<Document>,
    /// For each table of the settings that is one of several: its file, and its number there.
    origins: HashMap<(&'static str, usize), (usize, usize)>,
}

impl Files {
    /// Reads all files into one.
    fn load(&mut self, path: &Path) -> Result<Settings, Vec<Finding>> {
        let (document, mut settings) = Document::read::<Settings>(path)?;
        let included = included(&document, &settings.include)?;
        settings.include.clear();
        paths::make_absolute(&mut settings, folder(path));
        self.add(document, [0; 3], &settings);
        let mut findings = Vec::new();
        for path in included {
            match Document::read::<Included>(&path) {
                Ok((document, Included { listeners, backends, routes })) => {
                    let mut more = Settings { listeners, backends, routes, ..Settings::default() };
                    paths::make_absolute(&mut more, folder(&path));
                    let before = lengths(&settings);
                    settings.listeners.append(&mut more.listeners);
                    settings.backends.append(&mut more.backends);
                    settings.routes.append(&mut more.routes);
                    self.add(document, before, &settings);
                }
                Err(wrong) => findings.extend(wrong),
            }
        }
        if findings.is_empty() { Ok(settings) } else { Err(findings) }
    }

    /// Keeps a file, which has brought the tables of the settings from these numbers on.
    fn add(&mut self, document: Document, from: [usize; 3], settings: &Settings) {
        let tables = ["listener", "backend", "route"].into_iter().zip(from).zip(lengths(settings));
        for ((name, from), to) in tables {
            let place = |number| ((name, number), (self.documents.len(), number - from));
            self.origins.extend((from..to).map(place));
        }
        self.documents.push(document);
    }

    /// The file that a key of the settings is from, and the key in that file.
    fn place(&self, key: KeyPath) -> Option<(&Document, KeyPath)> {
        let table = key.table().and_then(|(name, number)| {
            let name = ["listener", "backend", "route"].into_iter().find(|known| *known == name)?;
            self.origins.get(&(name, number))
        });
        match table {
            Some((file, number)) => Some((self.documents.get(*file)?, key.with_table(*number))),
            None => Some((self.documents.first()?, key)),
        }
    }
}

const fn lengths(settings: &Settings) -> [usize; 3] {
    [settings.listeners.len(), settings.backends.len(), settings.routes.len()]
}

/// The files that patterns name: for each pattern in the order of the names, and each once.
fn included(document: &Document, patterns: &[PathBuf]) -> Result<Vec<PathBuf>, Vec<Finding>> {
    let (mut files, mut findings) = (Vec::new(), Vec::new());
    for (index, pattern) in patterns.iter().enumerate() {
        let found = expand(document, pattern).unwrap_or_else(|what| {
            findings.push(document.about(&KeyPath::of("include").index(index), what));
            Vec::new()
        });
        for file in found {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    if files.len() >= MOST_FILES {
        let what = format!("{} files; {MOST_FILES} are enough", files.len());
        findings.push(document.about(&KeyPath::of("include"), what));
    }
    if findings.is_empty() { Ok(files) } else { Err(findings) }
}

fn expand(document: &Document, pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let pattern = pattern.to_str().ok_or("a pattern is UTF-8")?;
    let folder = folder(&document.path);
    // What the folder is called is no pattern.
    let base = glob::Pattern::escape(folder.to_str().ok_or("the path of the file is no UTF-8")?);
    let whole = match Path::new(pattern).is_absolute() || base.is_empty() {
        true => pattern.to_owned(),
        false => format!("{base}/{pattern}"),
    };
    let found = glob::glob(&whole).map_err(|error| format!("malformed pattern: {}", error.msg))?;
    let found: Vec<_> = found
        .take(MOST_FILES)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("cannot read {}: {}", error.path().display(), error.error()))?;
    if let [only] = &found[..]
        && only.is_dir()
    {
        return Err(format!("{pattern:?} is a folder; write \"{pattern}/*.toml\" for its files"));
    }
    if found.iter().any(|file| same_file(file, &document.path)) {
        return Err("includes the file that says so; put the others into a folder".to_owned());
    }
    if found.is_empty() && !pattern.contains(['*', '?', '[']) {
        return Err(format!("no file {pattern:?}"));
    }
    Ok(found.into_iter().filter(|file| !file.is_dir()).collect())
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The folder of a file; empty for the one that the program was started in.
fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or_else(|| Path::new(""))
}
