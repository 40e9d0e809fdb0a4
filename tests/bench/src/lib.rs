//! What the benchmark programs share: the socket calls, the meter of a process, the load's messages
//! and the dialects it speaks.

pub mod meter;
pub mod payload;
pub mod socket;
pub mod wire;
