#![no_main]

#[path = "../../tests/logic/fuzz/netlink.rs"]
mod netlink;

libfuzzer_sys::fuzz_target!(|data: &[u8]| netlink::check(data));
