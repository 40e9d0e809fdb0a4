//! Any bytes as a recording of our own: what is whole is the same when it is written and read again.
//!
//! Input: the file.

use crate::told::Told;

/// Runs one input.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    if let Some(told) = Told::read(data)
        && told.is_whole()
    {
        told.check_written();
    }
}
