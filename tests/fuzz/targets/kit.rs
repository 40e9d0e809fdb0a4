//! See [`hybridge_fuzz::kit`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hybridge_fuzz::kit::run(data));
