//! See `checks::headers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wharf_fuzz::checks::headers(bytes));
