//! See [`hybridge_fuzz::head`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hybridge_fuzz::head::run(data));
