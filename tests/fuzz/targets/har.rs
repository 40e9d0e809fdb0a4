//! See [`hybridge_fuzz::har`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hybridge_fuzz::har::run(data));
