//! Ways to cut a run of bytes into the pieces that TCP could deliver.

/// Up to this length a vector is cut at every place; in a longer one at both ends and here and
/// there between.
const CUT_EVERYWHERE: usize = 1500;

/// The ways every vector is cut, each as the places of its cuts: whole, byte by byte, and once at
/// every single place.
pub(crate) fn ways(len: usize) -> Vec<Vec<usize>> {
    let near_an_end = |at: usize| at < 40 || at + 40 > len;
    let single = (1..len).filter(|at| len <= CUT_EVERYWHERE || near_an_end(*at) || at % 1009 == 0);
    let mut ways: Vec<Vec<usize>> = single.map(|at| vec![at]).collect();
    ways.push(Vec::new());
    ways.push((1..len).collect());
    ways
}

/// The pieces between cuts.
pub(crate) fn pieces<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut start = 0;
    let mut pieces = Vec::with_capacity(cuts.len() + 1);
    for cut in cuts {
        let cut = (*cut).clamp(start, bytes.len());
        pieces.push(&bytes[start..cut]);
        start = cut;
    }
    pieces.push(&bytes[start..]);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// For a failure: how the bytes were cut.
pub(crate) fn describe(cuts: &[usize]) -> String {
    match cuts {
        [] => "whole".to_owned(),
        [at] => format!("cut at {at}"),
        many if many.len() > 12 => "byte by byte, or nearly".to_owned(),
        many => format!("cut at {many:?}"),
    }
}
