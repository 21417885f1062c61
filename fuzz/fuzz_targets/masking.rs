#![no_main]

#[allow(dead_code, reason = "shared with the target of this name")]
#[path = "../../tests/logic/fuzz/configuration.rs"]
mod configuration;
#[path = "../../tests/logic/fuzz/masking.rs"]
mod masking;

libfuzzer_sys::fuzz_target!(|data: &[u8]| masking::check(data));
