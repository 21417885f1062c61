#![no_main]

#[path = "../../tests/logic/fuzz/configuration.rs"]
mod configuration;

libfuzzer_sys::fuzz_target!(|data: &[u8]| configuration::check(data));
