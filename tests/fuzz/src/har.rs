//! Any bytes as a HAR: what is read of it is the same in our own form.
//!
//! Input: the file.

use crate::told::Told;

/// Runs one input.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    if let Some(told) = Told::read(data) {
        assert!(told.events.is_sorted_by_key(|event| event.at) || is_own(data), "times go back");
        told.check_written();
    }
}

/// Whether it is a recording of our own, whose times can be any.
fn is_own(data: &[u8]) -> bool {
    data.windows(7).any(|bytes| bytes == b"\"wsrec\"") || !data.contains(&b'{')
}
