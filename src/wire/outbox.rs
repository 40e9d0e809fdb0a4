//! What one turn of a session wants to write to one peer, ready for one vectored write.
//!
//! Frame heads and small payloads are copied, one behind the other, into a scratch buffer; large
//! payloads stay in the read buffer, where the reader found them, and are only pointed at. So a
//! burst of small messages leaves as one run of bytes, and a large one is not copied at all.

use super::mask::Masks;
use arrayvec::ArrayVec;
use std::io::IoSlice;

/// Payloads from this size on are left where they are, in bytes. Below it a copy costs less than
/// another element of the vectored write.
const LEAVE_IN_PLACE: usize = 8 * 1024;

/// How many runs one vectored write takes. What does not fit is copied: of a read buffer full of
/// frames of 8 KiB every other one, of 16 KiB none.
pub const MAX_RUNS: usize = 32;

/// The bytes that go to one peer, in order. `'a` is the life of the read buffer.
#[derive(Debug)]
pub struct Outbox<'a> {
    scratch: Vec<u8>,
    /// How much of the scratch the runs stand for.
    sealed: usize,
    runs: ArrayVec<Run<'a>, MAX_RUNS>,
}

#[derive(Debug)]
enum Run<'a> {
    /// The scratch from the end of the scratch run before up to here.
    Scratch(usize),
    Payload(&'a [u8]),
}

impl<'a> Outbox<'a> {
    /// An empty outbox that uses the space of `scratch`.
    pub fn new(mut scratch: Vec<u8>) -> Self {
        scratch.clear();
        Self { scratch, sealed: 0, runs: ArrayVec::new() }
    }

    /// Gives the scratch space back.
    pub fn into_scratch(self) -> Vec<u8> {
        self.scratch
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.scratch.is_empty() && self.runs.is_empty()
    }

    /// The buffer that frame heads and control frames are written to.
    #[inline]
    pub fn scratch(&mut self) -> &mut Vec<u8> {
        &mut self.scratch
    }

    /// Adds payload out of the read buffer, masked if there is a mask.
    #[inline]
    pub fn payload(&mut self, data: &'a mut [u8], mask: Option<impl Masks>) {
        // Two runs: the scratch before it and the payload; one is kept for the scratch at the end.
        if data.len() < LEAVE_IN_PLACE || self.runs.remaining_capacity() < 3 {
            self.copy(data, mask);
            return;
        }
        if let Some(mut mask) = mask {
            mask.apply(data);
        }
        if self.scratch.len() > self.sealed {
            self.sealed = self.scratch.len();
            self.runs.push(Run::Scratch(self.sealed));
        }
        self.runs.push(Run::Payload(data));
    }

    /// Adds a copy of payload that does not live as long as the read buffer.
    #[inline]
    pub fn copy(&mut self, data: &[u8], mask: Option<impl Masks>) {
        let start = self.scratch.len();
        self.scratch.extend_from_slice(data);
        if let (Some(mut mask), Some(copied)) = (mask, self.scratch.get_mut(start..)) {
            mask.apply(copied);
        }
    }

    /// The bytes in order, for a vectored write.
    pub fn slices(&self) -> ArrayVec<IoSlice<'_>, MAX_RUNS> {
        let mut slices = ArrayVec::new();
        let mut start = 0;
        let tail = Run::Scratch(self.scratch.len());
        for run in self.runs.iter().chain([&tail]) {
            let bytes = match run {
                Run::Payload(payload) => payload,
                Run::Scratch(end) => {
                    let bytes = self.scratch.get(start..*end).unwrap_or_default();
                    start = *end;
                    bytes
                }
            };
            if !bytes.is_empty() {
                slices.push(IoSlice::new(bytes));
            }
        }
        slices
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mask::Mask;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keeps_the_order_of_everything(
            pieces in proptest::collection::vec((0_usize..12_000, any::<bool>(), any::<bool>()), 0..60),
        ) {
            let mut payloads: Vec<Vec<u8>> = pieces.iter().enumerate()
                .map(|(i, (len, ..))| (0..=u8::MAX).cycle().skip(i).take(*len).collect())
                .collect();
            let mut expected = Vec::new();
            let mut outbox = Outbox::new(vec![1, 2, 3]);
            for (payload, (_, in_place, masked)) in payloads.iter_mut().zip(&pieces) {
                let mask = masked.then(|| Mask::new([9, 8, 7, 6]));
                outbox.scratch().push(0x81);
                expected.push(0x81);
                let start = expected.len();
                expected.extend_from_slice(payload);
                if *masked {
                    Mask::new([9, 8, 7, 6]).apply(&mut expected[start..]);
                }
                if *in_place {
                    outbox.payload(payload, mask);
                } else {
                    outbox.copy(payload, mask);
                }
            }
            prop_assert_eq!(outbox.is_empty(), expected.is_empty());
            let written: Vec<u8> = outbox.slices().iter().flat_map(|s| s.to_vec()).collect();
            prop_assert_eq!(written, expected);
        }
    }
}
