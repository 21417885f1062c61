#![no_main]

#[path = "../../tests/logic/fuzz/history.rs"]
mod history;

libfuzzer_sys::fuzz_target!(|data: &[u8]| history::check(data));
