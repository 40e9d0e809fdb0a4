//! The first bytes of a run, and the count of the rest.

use super::{Part, Role};
use std::borrow::Cow;

/// Bytes that are kept up to a limit.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    omitted: u64,
    limit: usize,
}

impl Kept {
    pub(super) const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), omitted: 0, limit }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.bytes.len());
        let (kept, omitted) = bytes.split_at(room.min(bytes.len()));
        self.bytes.extend_from_slice(kept);
        self.omitted += omitted.len() as u64;
    }

    /// How many bytes are not kept.
    pub(super) const fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Counts bytes that are not to be kept.
    pub(super) const fn omit(&mut self, count: u64) {
        self.omitted += count;
    }

    /// Takes what there is and leaves nothing.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self::new(self.limit);
        std::mem::replace(self, empty)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.omitted == 0
    }

    /// Whether it is all there.
    pub(super) const fn is_whole(&self) -> bool {
        self.omitted == 0
    }

    /// The text of the bytes, up to the last character that is whole where some are omitted.
    pub(super) fn text(&self) -> String {
        let whole = match std::str::from_utf8(&self.bytes) {
            Err(error) if self.omitted > 0 && error.error_len().is_none() => error.valid_up_to(),
            _ => self.bytes.len(),
        };
        String::from_utf8_lossy(self.bytes.get(..whole).unwrap_or_default()).into_owned()
    }

    pub(super) fn part(self, role: Role, note: impl Into<Cow<'static, str>>) -> Part {
        let Self { bytes, omitted, .. } = self;
        Part { role, bytes, omitted, unmasked: None, note: note.into() }
    }
}
