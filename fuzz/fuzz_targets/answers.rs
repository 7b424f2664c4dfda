//! See `checks::answers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wharf_fuzz::checks::answers(bytes));
