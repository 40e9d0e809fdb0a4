//! Key1, Key2 and key3 of draft-hixie-76: numbers hidden in noise, proven by an MD5.

use crate::handshake::KeyFault;
use crate::wire::entropy::{Entropy, uniform};
use md5::{Digest, Md5};

/// The length of key3, in bytes.
pub const KEY3_LEN: usize = 8;

/// The length of the answer, in bytes.
pub const ANSWER_LEN: usize = 16;

/// The number in a key: its digits taken together, divided by its spaces.
///
/// # Errors
/// When a conforming client cannot have sent the key.
pub fn part(key: &[u8]) -> Result<u32, KeyFault> {
    let mut number: Option<u32> = None;
    for digit in key.iter().filter(|b| b.is_ascii_digit()) {
        let appended = number
            .unwrap_or(0)
            .checked_mul(10)
            .and_then(|n| n.checked_add(u32::from(digit - b'0')));
        number = Some(appended.ok_or(KeyFault::TooLarge)?);
    }
    let number = number.ok_or(KeyFault::NoDigits)?;
    // Only U+0020 counts; other white space is noise.
    let spaces = key.iter().filter(|b| **b == b' ').count();
    let spaces = u32::try_from(spaces).map_err(|_| KeyFault::TooLarge)?;
    match (number.checked_div(spaces), number.checked_rem(spaces)) {
        (Some(part), Some(0)) => Ok(part),
        (None, _) => Err(KeyFault::NoSpaces),
        _ => Err(KeyFault::NotAMultiple),
    }
}

/// The 16 bytes that prove the handshake: MD5 over both numbers and key3.
pub fn answer(parts: [u32; 2], key3: [u8; KEY3_LEN]) -> [u8; ANSWER_LEN] {
    let [part1, part2] = parts;
    Md5::new()
        .chain_update(part1.to_be_bytes())
        .chain_update(part2.to_be_bytes())
        .chain_update(key3)
        .finalize()
        .into()
}

/// A fresh key for a handshake of ours, with the number that is hidden in it.
///
/// The noise is letters only and key3 is printable, both subsets of what the draft allows: they
/// survive servers that split header values at punctuation or read key3 as a string.
pub fn generate(entropy: &mut dyn Entropy) -> (Vec<u8>, u32) {
    let spaces = 1 + uniform(entropy, 11);
    let part = uniform(entropy, u32::MAX / spaces);
    let mut key = (part * spaces).to_string().into_bytes();
    for _ in 0..=uniform(entropy, 11) {
        let at = below(entropy, key.len());
        key.insert(at, letter(entropy));
    }
    // "Insert `spaces` U+0020 at random positions of the key other than the start or the end".
    // The digits and the letter are two characters at least, so there is a position between.
    for _ in 0..spaces {
        let at = 1 + below(entropy, key.len() - 2);
        key.insert(at, b' ');
    }
    (key, part)
}

/// A fresh key3.
pub fn generate_key3(entropy: &mut dyn Entropy) -> [u8; KEY3_LEN] {
    std::array::from_fn(|_| b'!' + low_byte(uniform(entropy, u32::from(b'~' - b'!'))))
}

fn letter(entropy: &mut dyn Entropy) -> u8 {
    let at = low_byte(uniform(entropy, 51));
    if at < 26 { b'a' + at } else { b'A' + at - 26 }
}

/// A position in `0..=max`.
fn below(entropy: &mut dyn Entropy, max: usize) -> usize {
    uniform(entropy, u32::try_from(max).unwrap_or(u32::MAX)) as usize
}

fn low_byte(number: u32) -> u8 {
    let [.., low] = number.to_be_bytes();
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every key we make says its number by the server's rule, whatever the randomness.
        #[test]
        fn a_generated_key_is_read_back(seed: u64) {
            let mut state = seed | 1;
            let mut entropy = |bytes: &mut [u8]| for byte in bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (state >> 56) as u8;
            };
            let (key, number) = generate(&mut entropy);
            prop_assert_eq!(part(&key), Ok(number));
            prop_assert!(key.first() != Some(&b' ') && key.last() != Some(&b' '));
            prop_assert!(key.iter().all(|b| b.is_ascii_alphanumeric() || *b == b' '));
            prop_assert!(generate_key3(&mut entropy).iter().all(u8::is_ascii_graphic));
        }
    }
}
