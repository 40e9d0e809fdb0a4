//! The masking of client payload (RFC 6455 section 5.3).

/// What bytes can be masked with, in pieces of any size. The same mask from its start again takes it
/// off.
pub trait Masks {
    /// Masks the next bytes in place.
    fn apply(&mut self, data: &mut [u8]);
}

/// A mask key at some position of a payload.
///
/// It rotates as it is used, so that a payload can be masked in pieces of any size. Masking twice
/// with the same key restores the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mask([u8; 4]);

impl Mask {
    /// A mask at the start of a payload.
    pub const fn new(key: [u8; 4]) -> Self {
        Self(key)
    }
}

impl Masks for Mask {
    #[inline]
    fn apply(&mut self, data: &mut [u8]) {
        let [a, b, c, d] = self.0;
        // Whole words, which the compiler turns into vector instructions.
        let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let (words, rest) = data.as_chunks_mut::<8>();
        for word in words {
            *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
        }
        for (byte, key) in rest.iter_mut().zip(self.0.iter().cycle()) {
            *byte ^= key;
        }
        self.0.rotate_left(data.len() % 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_the_example_of_the_rfc() {
        // RFC 6455 section 5.7.
        let mut data = *b"Hello";
        Mask::new([0x37, 0xfa, 0x21, 0x3d]).apply(&mut data);
        assert_eq!(data, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    proptest::proptest! {
        #[test]
        fn any_cutting_masks_alike(
            data in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            key: [u8; 4],
            cut in 0_usize..200,
        ) {
            let (mut whole, mut cut_up) = (data.clone(), data.clone());
            Mask::new(key).apply(&mut whole);
            let mut mask = Mask::new(key);
            let (head, tail) = cut_up.split_at_mut(cut.min(data.len()));
            mask.apply(head);
            mask.apply(tail);
            proptest::prop_assert_eq!(&whole, &cut_up);
            for (i, byte) in whole.iter().enumerate() {
                proptest::prop_assert_eq!(*byte, data[i] ^ key[i % 4]);
            }
        }
    }
}
