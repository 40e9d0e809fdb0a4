//! How an input is cut: by two numbers, so that a fuzzer can find any cut that matters.

use crate::cuts;

/// Up to this length an input is also cut at every place.
const CUT_EVERYWHERE: usize = 1000;

/// The first piece has so many bytes, and each other one so many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) first: u8,
    pub(crate) every: u8,
}

impl Cut {
    /// The bytes in every way that is tried: whole, cut so, and byte by byte.
    pub(crate) fn ways(self, bytes: &[u8]) -> Vec<Vec<&[u8]>> {
        let every = usize::from(self.every.max(1));
        let cuts: Vec<usize> = (usize::from(self.first)..bytes.len()).step_by(every).collect();
        let mut ways = vec![cuts::pieces(bytes, &[]), cuts::pieces(bytes, &cuts)];
        if bytes.len() <= CUT_EVERYWHERE {
            ways.push(cuts::pieces(bytes, &(1..bytes.len()).collect::<Vec<_>>()));
        }
        ways
    }
}
