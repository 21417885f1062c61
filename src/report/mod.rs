//! Prints plans, statuses, explanations and findings as text and JSON.
//!
//! The current time is a parameter, so that a report depends on nothing else.

pub mod check_json;
mod condition_facts;
pub(crate) mod config_json;
pub(crate) mod config_text;
mod conflict_text;
pub mod doctor_json;
pub mod doctor_text;
mod doubt_text;
pub mod effective_config;
pub mod explain_json;
pub mod explain_sentence;
pub mod explain_text;
mod explain_verdicts;
pub(crate) mod follow_up_text;
mod format;
pub mod hints;
pub mod history_text;
pub mod manager_remedy;
pub mod not_touched;
pub mod plan_json;
pub mod plan_text;
pub mod reasons;
pub(crate) mod start_errors;
pub mod status_json;
pub mod status_text;
pub(crate) mod trace;

use crate::engine::policy::Purpose;

#[derive(Clone)]
pub struct Context<'a> {
    pub instance: String,
    /// COMMAND as typed, shortened.
    pub command: Option<String>,
    pub profile: Option<String>,
    pub purpose: Purpose,
    pub host: String,
    /// The time of the plan, to convert ages into times.
    #[expect(clippy::disallowed_types, reason = "turns ages into times that are printed")]
    pub now_wall: std::time::SystemTime,
    /// Returns the place where a key's effective value is written, such as `./config.toml:3`;
    /// `default` if it is not written anywhere.
    ///
    /// Takes a key (`on_conflict`, `limits.max_targets`), an entry of `match` (`match[0]`) or a
    /// rule (`rules.NAME`).
    pub origin: &'a dyn Fn(&str) -> String,
}

/// Returns a monopoll command as the user would type it, with COMMAND.
fn typed(subcommand: &str, command: Option<&str>) -> String {
    command.map_or_else(
        || format!("`monopoll {subcommand}`"),
        |command| format!("`monopoll {subcommand} -- {command}`"),
    )
}
