//! Any bytes as a HAR: what is read of it is the same in our own form.
//!
//! Input: the file.

use crate::told::Told;
use std::collections::BTreeSet;

/// Runs one input.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let Some(told) = Told::read(data) else { return };
    if !is_own(data) {
        assert!(told.events.is_sorted_by_key(|event| event.at), "times go back");
        let opened: BTreeSet<u64> = told.opened().collect();
        let sessions = told.account.as_ref().map_or(0, |account| account.sessions);
        assert!(opened.into_iter().eq(1..=sessions), "of {sessions} sessions");
    }
    told.check_written();
}

/// Whether it can be a recording of our own, whose times and numbers can be any, be it packed.
fn is_own(data: &[u8]) -> bool {
    data.windows(7).any(|bytes| bytes == b"\"wsrec\"") || !data.contains(&b'{')
}
