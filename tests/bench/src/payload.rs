//! Message texts that say whose they are and which in order, so that every one can be checked.

use anyhow::{Result, ensure};

/// Eight hexadecimal digits of the connection, sixteen of the number.
const LABEL: usize = 24;

/// All messages of one length.
pub struct Payload {
    filler: Vec<u8>,
}

impl Payload {
    /// Messages of `size` bytes of ASCII text.
    ///
    /// # Errors
    /// When the label does not fit.
    pub fn new(size: usize) -> Result<Self> {
        ensure!(size >= LABEL, "a message needs at least {LABEL} bytes");
        let filler = (b' '..=b'~').cycle().take(size - LABEL).collect();
        Ok(Self { filler })
    }

    #[must_use]
    pub fn size(&self) -> usize {
        LABEL + self.filler.len()
    }

    /// Writes message `number` of `connection` into `text`, in place of what it held.
    pub fn write(&self, connection: u32, number: u64, text: &mut Vec<u8>) {
        text.clear();
        text.extend_from_slice(&label(connection, number));
        text.extend_from_slice(&self.filler);
    }

    /// Fails unless `text` is exactly message `number` of `connection`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn check(&self, connection: u32, number: u64, text: &[u8]) -> Result<()> {
        let same = text
            .split_at_checked(LABEL)
            .is_some_and(|(head, rest)| head == label(connection, number) && rest == self.filler);
        ensure!(
            same,
            "expected message {number} of connection {connection}, got {:?}",
            String::from_utf8_lossy(&text[..text.len().min(2 * LABEL)]),
        );
        Ok(())
    }

    /// Which connection `text` says it belongs to.
    #[must_use]
    pub fn connection(text: &[u8]) -> Option<u32> {
        let digits = str::from_utf8(text.get(..8)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    }
}

fn label(connection: u32, number: u64) -> [u8; LABEL] {
    let mut label = [0; LABEL];
    let (owner, order) = label.split_at_mut(8);
    write_hexadecimal(connection.into(), owner);
    write_hexadecimal(number, order);
    label
}

fn write_hexadecimal(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}
