//! See [`hybridge_fuzz::compression`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hybridge_fuzz::compression::run(data));
