//! See [`hybridge_fuzz::conversation`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hybridge_fuzz::conversation::run(data));
