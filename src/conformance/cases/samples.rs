//! What is said compressed: texts and a picture that are made up, the same in every run, and all ASCII
//! where they are texts, so that any piece of them is one.

use super::{Body, Kind, Message};
use std::fmt::Write;
use std::sync::OnceLock;

/// How long each is: twice the largest message that is made of them.
const LONG: usize = 256 * 1024;

const WORDS: [&str; 32] = [
    "a", "and", "river", "on", "the", "window", "it", "was", "slow", "paper", "between", "two",
    "letters", "of", "green", "morning", "to", "carry", "under", "which", "stone", "for", "winter",
    "garden", "that", "answer", "before", "in", "light", "never", "by", "number",
];

/// What there is to be said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sample {
    /// Records in JSON.
    Records,
    /// A bitmap of 24 bits a pixel.
    Bitmap,
    /// Sentences.
    Prose,
    /// A page in HTML.
    Page,
    /// Places on the earth in JSON.
    Places,
}

/// Numbers that look like chance.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    const fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn word(&mut self) -> &'static str {
        let place = usize::try_from(self.roll(32)).unwrap_or_default();
        WORDS.get(place).copied().unwrap_or_default()
    }

    fn sentence(&mut self) -> String {
        let count = 4 + self.roll(14);
        let words: Vec<_> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }
}

impl Sample {
    /// The message of a size that is number `at` of a case: the next piece of the sample.
    pub(super) fn message(self, at: usize, size: usize) -> Message {
        let all = self.bytes();
        let from = at * size % (LONG - size + 1);
        let piece = all.get(from..from + size).unwrap_or(all);
        let kind = if matches!(self, Self::Bitmap) { Kind::Binary } else { Kind::Text };
        Message { kind, body: Body::from(piece) }
    }

    fn bytes(self) -> &'static [u8] {
        static MADE: [OnceLock<Vec<u8>>; 5] = [const { OnceLock::new() }; 5];
        let [records, bitmap, prose, page, places] = &MADE;
        let made = match self {
            Self::Records => records,
            Self::Bitmap => bitmap,
            Self::Prose => prose,
            Self::Page => page,
            Self::Places => places,
        };
        made.get_or_init(|| self.make())
    }

    fn make(self) -> Vec<u8> {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        if matches!(self, Self::Bitmap) {
            return bitmap(&mut dice);
        }
        let mut text = String::new();
        let mut number = 0;
        while text.len() < LONG {
            number += 1;
            let (word, other) = (dice.word(), dice.word());
            // Writing to a string does not fail.
            _ = match self {
                Self::Records | Self::Bitmap => write!(
                    text,
                    "{{\"id\":{number},\"name\":\"{word} {other}\",\"open\":{},\"price\":{}.{:02},\
                     \"tags\":[\"{}\",\"{}\"],\"note\":\"{}\"}},",
                    dice.roll(2) == 0,
                    dice.roll(1000),
                    dice.roll(100),
                    dice.word(),
                    dice.word(),
                    dice.sentence(),
                ),
                Self::Prose => write!(text, "The {word} {}. ", dice.sentence()),
                Self::Page => writeln!(
                    text,
                    "<div class=\"{word}\"><h2 id=\"{other}-{number}\">{}</h2>\n  <p>{} <a href=\"/{}/{}\">{}\
                     </a>.</p>\n</div>",
                    dice.sentence(),
                    dice.sentence(),
                    dice.word(),
                    dice.roll(100_000),
                    dice.word(),
                ),
                Self::Places => writeln!(
                    text,
                    "{{\"type\":\"Feature\",\"properties\":{{\"name\":\"{word}\"}},\"geometry\":{{\"type\":\
                     \"Point\",\"coordinates\":[{}.{:06},{}.{:06}]}}}},",
                    dice.roll(180),
                    dice.roll(1_000_000),
                    dice.roll(90),
                    dice.roll(1_000_000),
                ),
            };
        }
        text.truncate(LONG);
        text.into_bytes()
    }
}

/// Rows of 256 pixels: plain colours that run into each other, and here and there a speck.
fn bitmap(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    bytes.resize(54, 0);
    let mut place = 0_u64;
    while bytes.len() < LONG {
        let (row, column) = (place / 256, place % 256);
        let speck = if dice.roll(16) == 0 { dice.roll(256) } else { 0 };
        let pixel = [row / 4, column / 8, (row + column) / 16].map(|colour| colour ^ speck);
        bytes.extend(pixel.map(|colour| colour.to_le_bytes()[0]));
        place += 1;
    }
    bytes.truncate(LONG);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_ascii_and_as_long_as_they_have_to_be() {
        for sample in [Sample::Records, Sample::Prose, Sample::Page, Sample::Places] {
            assert!(sample.bytes().is_ascii());
            assert_eq!(sample.bytes().len(), LONG);
            assert_eq!(sample.message(7, LONG / 2).body.len(), LONG / 2);
        }
        assert_eq!(Sample::Bitmap.bytes().len(), LONG);
    }
}
