//! A list of a few bytes with a length of one: what a cut leaves over of a code point, or of a group
//! of base64. Each direction of each connection has both, so that their size counts.

use std::ops::Deref;

/// At most `N` bytes.
#[derive(Debug, Clone)]
pub struct Few<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Few<N> {
    /// Appends a byte; whether there was room for it.
    pub fn push(&mut self, byte: u8) -> bool {
        let Some(place) = self.bytes.get_mut(usize::from(self.len)) else { return false };
        *place = byte;
        self.len += 1;
        true
    }

    /// Whether there is no room for another.
    pub fn is_full(&self) -> bool {
        self.len() == N
    }

    /// Drops all bytes.
    pub const fn clear(&mut self) {
        self.len = 0;
    }
}

impl<const N: usize> Default for Few<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> Deref for Few<N> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}
