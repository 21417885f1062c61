#![no_main]

#[allow(dead_code, reason = "shared with the target of this name")]
#[path = "../../tests/logic/fuzz/configuration.rs"]
mod configuration;
#[path = "../../tests/logic/fuzz/env_file.rs"]
mod env_file;

libfuzzer_sys::fuzz_target!(|data: &[u8]| env_file::check(data));
