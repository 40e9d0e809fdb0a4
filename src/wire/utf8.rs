//! UTF-8 checked across any cutting of the text.
//!
//! This is a security duty and not a nicety: valid UTF-8 never holds the byte FF, and a byte FF
//! that reached a Hixie writer would let one peer forge frames for another.

use super::few::Few;
use simdutf8::compat::from_utf8;

/// The text is not UTF-8 (RFC 3629), or ends inside a code point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid UTF-8")]
pub struct InvalidUtf8;

/// Checks one text after another, piece by piece.
#[derive(Debug, Default, Clone)]
pub struct Validator {
    /// The first bytes of a code point that a piece ended in.
    carry: Few<4>,
}

impl Validator {
    /// Checks the next piece of the text.
    ///
    /// # Errors
    /// When no continuation could make the text valid any more.
    #[inline]
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), InvalidUtf8> {
        let rest = if self.carry.is_empty() { piece } else { self.complete(piece)? };
        match from_utf8(rest) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_some() => Err(InvalidUtf8),
            Err(error) => {
                let kept = rest.iter().skip(error.valid_up_to()).all(|byte| self.carry.push(*byte));
                if kept { Ok(()) } else { Err(InvalidUtf8) }
            }
        }
    }

    /// Ends the text; the next piece begins another one.
    ///
    /// # Errors
    /// When the text ended inside a code point.
    #[inline]
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        if self.carry.is_empty() {
            return Ok(());
        }
        self.carry.clear();
        Err(InvalidUtf8)
    }

    /// Completes the carried code point from `piece` and returns what follows it.
    fn complete<'p>(&mut self, mut piece: &'p [u8]) -> Result<&'p [u8], InvalidUtf8> {
        while let Some((byte, rest)) = piece.split_first() {
            // Four bytes are a whole code point or an error, so a fifth is never pushed.
            if !self.carry.push(*byte) {
                return Err(InvalidUtf8);
            }
            piece = rest;
            match std::str::from_utf8(&self.carry) {
                Ok(_) => {
                    self.carry.clear();
                    return Ok(piece);
                }
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                Err(_) => {}
            }
        }
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verdict(pieces: &[&[u8]]) -> Result<(), InvalidUtf8> {
        let mut validator = Validator::default();
        for piece in pieces {
            validator.feed(piece)?;
        }
        validator.finish()
    }

    #[test]
    fn refuses_what_hides_in_utf8() {
        // A lone surrogate, an overlong slash, a byte beyond U+10FFFF, a cut end.
        for bad in [&b"\xed\xa0\x80"[..], b"\xc0\xaf", b"\xf4\x90\x80\x80", b"a\xe2\x82", b"\xff"] {
            assert_eq!(verdict(&[bad]), Err(InvalidUtf8), "{bad:x?}");
        }
        assert_eq!(verdict(&["h\u{e9} \u{20ac} \u{1f600}\0".as_bytes()]), Ok(()));
    }

    proptest! {
        /// The standard library is the oracle, for any bytes and any cutting.
        #[test]
        fn agrees_with_the_standard_library_however_it_is_cut(
            text in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..12),
                "\\PC{0,12}".prop_map(String::into_bytes),
                "\\PC{0,6}".prop_flat_map(|s| (Just(s.into_bytes()), 0_usize..24, any::<u8>()))
                    .prop_map(|(mut s, at, byte)| {
                        if let Some(b) = s.get_mut(at) { *b = byte; }
                        s
                    }),
            ],
            cuts in proptest::collection::vec(1_usize..5, 0..24),
        ) {
            let mut pieces = Vec::new();
            let mut rest = &text[..];
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = tail;
            }
            pieces.push(rest);
            prop_assert_eq!(verdict(&pieces).is_ok(), std::str::from_utf8(&text).is_ok());
        }
    }
}
