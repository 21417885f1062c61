#![no_main]

#[path = "../../tests/logic/fuzz/programs.rs"]
mod programs;

libfuzzer_sys::fuzz_target!(|data: &[u8]| programs::check(data));
