//! See [`hybridge_fuzz::handshake`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hybridge_fuzz::handshake::run(data));
