//! What is said in cases: bytes that take no room in the list, and messages.

use crate::event::Kind;
use std::borrow::Cow;

/// Bytes: a pattern again and again up to a length, so that large ones take no room in the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    pattern: Cow<'static, [u8]>,
    length: usize,
}

impl Body {
    /// A pattern again and again, up to a length.
    pub const fn of(pattern: &'static [u8], length: usize) -> Self {
        Self { pattern: Cow::Borrowed(pattern), length }
    }

    /// The length.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there is nothing.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.pattern.iter().copied().cycle().take(self.length).collect()
    }

    /// Whether these are the bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.length && self.pattern.iter().cycle().zip(bytes).all(|(a, b)| a == b)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::of(text.as_bytes(), text.len())
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self::of(bytes, bytes.len())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        let length = bytes.len();
        Self { pattern: Cow::Owned(bytes), length }
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Text or binary.
    pub kind: Kind,
    /// The payload.
    pub body: Body,
}

impl Message {
    /// A text.
    pub fn text(body: impl Into<Body>) -> Self {
        Self { kind: Kind::Text, body: body.into() }
    }

    /// A binary message.
    pub fn binary(body: impl Into<Body>) -> Self {
        Self { kind: Kind::Binary, body: body.into() }
    }
}
