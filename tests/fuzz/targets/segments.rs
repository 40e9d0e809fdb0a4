//! See [`hybridge_fuzz::segments`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hybridge_fuzz::segments::run(data));
