//! The generator against itself: what it says is to be told is in its segments.

use crate::base::{Addresses, small};
use crate::conversation::Script;
use crate::oracle;
use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::Draft;
use hybridge::event::Side;

/// The decoder of the tests finds in the bytes of each side what the truth has.
#[test]
fn the_truth_is_in_the_segments() {
    let told = |script: &&Script| script.deflate.is_none() && script.status == 101;
    for script in small().iter().filter(told) {
        let (segments, session) = script.play(0, Addresses::V4.flow(0));
        for side in Side::BOTH {
            let of_side = segments.iter().filter(|segment| segment.from == side);
            let bytes: Vec<u8> = of_side.flat_map(|segment| segment.data.clone()).collect();
            let upgrade = bytes.windows(8).rposition(|bytes| bytes == b"Upgrade:").unwrap();
            let head = bytes[upgrade..].windows(4).position(|end| end == b"\r\n\r\n").unwrap();
            let proof = match (session.dialect, side) {
                (Dialect::Hixie(Draft::H76), Side::Client) => 8,
                (Dialect::Hixie(Draft::H76), Side::Backend) => 16,
                _ => 0,
            };
            let rest = &bytes[upgrade + head + 4 + proof..];
            let decoded = oracle::decode(session.dialect, side, rest);
            assert_eq!(decoded.fault, None, "{}", session.target);
            let said: Vec<_> = decoded.said.iter().collect();
            assert_eq!(said, session.said_by(side), "{}", session.target);
        }
    }
}
