//! Scans the process table into a snapshot of what concerns this start.

mod ancestors;
pub mod announcement;
pub mod bot_api_peers;
mod caller_folder;
pub mod capabilities;
mod cargo_run;
pub mod cgroup;
pub mod command;
pub(crate) mod command_context;
mod command_env_files;
mod copied_configuration;
mod env_file_bot;
mod env_file_option;
pub mod env_marker;
mod executable;
mod folder_of_script;
pub(crate) mod given_token;
mod go_run;
pub(crate) mod guard_tree;
mod harmless_backup;
mod harmless_command;
mod harmless_download;
mod harmless_function;
mod harmless_git;
mod harmless_line;
mod harmless_output;
mod harmless_service;
mod harmless_steps;
mod interpreter_command;
mod interpreters;
pub(crate) mod invocation;
mod launched_command;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub mod linux;
pub mod lock_views;
mod make_rules;
mod makefile;
pub mod missing_script;
mod module_search;
mod moved_folder;
mod needs_shell;
mod never_the_bot;
mod npm_pnpm_yarn;
mod other_build;
mod other_release;
pub mod own_container;
mod passed_options;
mod passing_failure;
mod poetry_script;
#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub mod portable;
pub mod process_tree;
mod project_scripts;
mod python_import;
mod python_program;
mod python_scripts;
mod reads_caller;
pub mod recorded_guard;
pub(crate) mod running_program;
pub mod same_command;
mod same_file_elsewhere;
mod same_python_program;
mod same_started_command;
mod same_unclear_command;
pub mod scan_request;
mod script_command;
mod script_file;
mod script_questions;
mod script_reader;
mod script_settings;
mod secret_stores;
pub(crate) mod settings_files;
mod settings_writer;
mod shell_case;
mod shell_expansion;
mod shell_redirection;
mod shell_script;
mod shell_statements;
mod shell_substitution;
mod shell_words;
mod small_file;
mod spawned_program;
pub(crate) mod start_token;
mod started_command;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod starts_again;
mod startup_files;
mod step_options;
mod substituted_code;
pub mod supervisors;
mod token_in_code;
mod unclear_command;
mod watchers;
mod wrapper_programs;
mod wrapper_result;

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub use linux as machine;
#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub use portable as machine;

use crate::error::{Error, ExitStatus, may_pass};

pub fn cannot_scan(error: std::io::Error) -> Error {
    let fault = Error::new(ExitStatus::Fault, format!("cannot read the process table: {error}"));
    let has_proc = cfg!(all(target_os = "linux", not(monopoll_portable)));
    if has_proc && !may_pass(&error) {
        fault.with_hint("mount /proc in this PID namespace").with_source(error)
    } else {
        fault.due_to(error)
    }
}
