#![no_main]

#[path = "../../tests/logic/fuzz/commands.rs"]
mod commands;

libfuzzer_sys::fuzz_target!(|data: &[u8]| commands::check(data));
