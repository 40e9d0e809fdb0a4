//! What the benchmark programs share: the socket calls, the meter of a process, the load's messages,
//! the dialects it speaks, and the translation without sockets.

pub mod meter;
pub mod payload;
pub mod socket;
pub mod translator;
pub mod wire;
