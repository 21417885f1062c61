//! Tests of `monopoll` and the library with real processes: one file per feature.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and real files are looked at"
)]

mod almost_the_same;
mod blocked_reads;
mod changed_env_files;
mod chaos;
mod child;
mod choosing_launchers;
mod connected;
mod container;
mod corrupt_state;
mod distribution;
mod doctor;
mod ensure_as_another_user;
mod env_files;
mod explain;
mod fault_injection;
mod fd_limits;
mod file_size_limit;
mod follow_up;
mod interruption;
mod json;
mod later_copies;
mod launchers;
mod left_behind;
mod leftovers;
mod library;
mod limits;
mod listed_only;
mod locks;
mod logging;
mod loops;
mod lost_launchers;
mod lost_locks;
mod missing_calls;
mod namespaces;
mod one_sided_variables;
mod only_by_pwd;
mod other_bots;
mod passing_failures;
mod pid_one;
mod podman;
mod preflight;
mod previous_version;
mod python_ensure;
mod python_modules;
mod python_programs;
mod random;
mod releases;
mod restart_pauses;
mod reused_pids;
mod rules;
mod same_command;
mod same_file_elsewhere;
mod script_variables;
mod second_copies;
mod second_pollers;
mod second_start;
mod secrets;
mod security;
mod settings_written;
mod signals;
mod simultaneous_starts;
mod start_scripts;
mod status;
mod stop;
mod supervision_suites;
mod supervisors;
mod surroundings;
mod systemd;
mod takeover_limits;
mod terminal_line;
mod termination;
mod tickets;
mod token;
mod unclear_scripts;
mod unknown_launchers;
mod unknown_variables;
mod users;
mod validation;
mod waiters;
mod wall_clock;
