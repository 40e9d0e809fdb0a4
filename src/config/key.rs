//! The way to a key in the settings, as findings name it: `listener[0].tls.client_ca`.

use std::fmt;

/// The way from the top of the settings to a key, a table or an element of an array.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPath(Vec<Step>);

/// One step of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// The way to a key of the top.
    pub(super) fn of(name: &str) -> Self {
        Self::default().key(name)
    }

    /// On to a key of the table that this leads to.
    #[must_use]
    pub(super) fn key(&self, name: &str) -> Self {
        self.then(Step::Key(name.to_owned()))
    }

    /// On to an element of the array that this leads to.
    #[must_use]
    pub(super) fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// The name of the key that this leads to.
    pub(super) fn name(&self) -> Option<&str> {
        match self.0.last() {
            Some(Step::Key(name)) => Some(name),
            _ => None,
        }
    }

    /// Whether the other is on the way.
    pub(super) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The table that the first two steps lead to, if it is one of several: its name and number.
    pub(super) fn table(&self) -> Option<(&str, usize)> {
        match &self.0[..] {
            [Step::Key(name), Step::Index(index), ..] => Some((name, *index)),
            _ => None,
        }
    }

    /// The same with another number of the table.
    #[must_use]
    pub(super) fn with_table(mut self, number: usize) -> Self {
        if let Some(Step::Index(index)) = self.0.get_mut(1) {
            *index = number;
        }
        self
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(name) => {
                    f.write_str(if place > 0 { "." } else { "" })?;
                    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                    match !name.is_empty() && name.bytes().all(bare) {
                        true => f.write_str(name)?,
                        false => write!(f, "{name:?}")?,
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_in_the_file() {
        let key = KeyPath::of("route").index(2).key("request_headers").key("set").key("X.Y");
        assert_eq!(key.to_string(), "route[2].request_headers.set.\"X.Y\"");
        assert_eq!(key.table(), Some(("route", 2)));
        assert_eq!(key.with_table(0).table(), Some(("route", 0)));
        assert_eq!(KeyPath::of("log").key("level").table(), None);
    }
}
