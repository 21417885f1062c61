#![no_main]

#[path = "../../tests/logic/fuzz/proc_files.rs"]
mod proc_files;

libfuzzer_sys::fuzz_target!(|data: &[u8]| proc_files::check(data));
