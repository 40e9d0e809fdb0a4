//! See [`hybridge_fuzz::session`].
#![no_main]

use hybridge_fuzz::script::Script;

libfuzzer_sys::fuzz_target!(|script: Script| hybridge_fuzz::session::run(&script));
