//! The logic and output of the tool, without other processes: one file per feature.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and reads the files that it is about"
)]

mod cli_help;
#[cfg(unix)]
mod config_exposure;
mod config_fuzz;
mod config_invalid;
mod config_layers;
mod config_schema;
mod engine_candidates;
mod engine_counter_evidence;
mod engine_decide;
mod engine_explain;
mod engine_invariants;
mod engine_near_miss;
mod engine_other_guards;
mod engine_properties;
mod engine_servers_of_others;
mod engine_takeover_limit;
mod execute_scripted;
mod fact_changes;
mod fixture;
mod fuzz;
mod generators;
#[cfg(unix)]
mod history;
#[cfg(unix)]
mod lock_monitor;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod model_search;
mod report_doctor;
mod report_explain;
mod report_plan;
mod report_status;
#[cfg(unix)]
mod start_scripted;
