#![no_main]

#[path = "../../tests/logic/engine_invariants.rs"]
mod engine_invariants;
#[path = "../../tests/logic/fact_changes.rs"]
mod fact_changes;
#[allow(dead_code, reason = "shared with tests that use all of it")]
#[path = "../../tests/logic/fixture.rs"]
mod fixture;
#[path = "../../tests/logic/generators.rs"]
mod generators;

#[path = "../../tests/logic/fuzz/decide.rs"]
mod decide;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decide::check(data));
