#![no_main]

#[path = "../../tests/logic/fuzz/records.rs"]
mod records;

libfuzzer_sys::fuzz_target!(|data: &[u8]| records::check(data));
