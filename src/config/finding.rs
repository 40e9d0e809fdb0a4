//! What is found wrong with a configuration: where it stands, and what to do about it.

use super::key::KeyPath;
use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong with a configuration, or looks so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it keeps the configuration from being used.
    pub severity: Severity,
    /// The file, as it was named.
    pub file: PathBuf,
    /// Where in the file; nowhere if it could not be read.
    pub position: Option<Position>,
    /// The key that it is about; empty for the file as a whole.
    pub key: KeyPath,
    /// What is wrong, and what to write instead.
    pub what: String,
}

/// Whether a finding keeps the configuration from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but is hardly meant so.
    Warning,
}

/// A place in a file; both numbers begin with 1, and a column is a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// That of a byte of a text.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, column }
    }
}

/// `hybridge.toml:12:11: route[0].backend: no backend "chat"`, in one line whatever the file holds.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:{column}:")?;
        }
        if self.severity == Severity::Warning {
            f.write_str(" warning:")?;
        }
        if self.key != KeyPath::default() {
            write!(f, " {}:", self.key)?;
        }
        f.write_str(" ")?;
        // What the file holds must not reach a terminal as control characters.
        self.what.chars().try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_default()),
            false => write!(f, "{c}"),
        })
    }
}

/// Why a configuration cannot be used; never without a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong, and what looks so, in the order of the files.
    pub findings: Vec<Finding>,
}

impl std::error::Error for ConfigError {}

/// One line each.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, finding) in self.findings.iter().enumerate() {
            write!(f, "{}{finding}", if place > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        let text = "a\nä€x\n";
        let at = |offset| Position::of(text, offset);
        assert_eq!(at(0), Position { line: 1, column: 1 });
        assert_eq!(at(text.find('x').unwrap()), Position { line: 2, column: 3 });
        assert_eq!(at(99), Position { line: 3, column: 1 });
    }

    #[test]
    fn stays_in_one_line() {
        let finding = Finding {
            severity: Severity::Warning,
            file: "a.toml".into(),
            position: Some(Position { line: 3, column: 7 }),
            key: KeyPath::of("x\ny"),
            what: "no \u{1b}[31m\nhere".to_owned(),
        };
        let due = "a.toml:3:7: warning: \"x\\ny\": no \\u{1b}[31m\\nhere";
        assert_eq!(finding.to_string(), due);
    }
}
