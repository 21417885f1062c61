//! Checks whether this machine is ready: turns facts into findings, with a hint for each problem.
//! Nothing here reads the machine.

mod config_findings;
mod instance_findings;
mod lock_findings;
mod machine_findings;
mod token_findings;

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Error;
pub use config_findings::config_findings;
pub use instance_findings::{
    RunningState, alert_finding, command_finding, instance_finding, running_finding,
};
pub use lock_findings::{FolderCheck, lock_findings};
pub use machine_findings::{DoctorUser, ScanReach, machine_findings};
pub use token_findings::{TokenSearch, env_file_finding, telegram_finding, token_finding};

/// A result of the checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The subject, which several findings may share.
    pub name: &'static str,
    pub grade: Grade,
    /// The text, with secrets masked.
    pub what: String,
    /// The hint about what to do. Never null for a problem.
    pub hint: Option<String>,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Ok,
    /// A start works, but some guarantee does not hold.
    Warning,
    /// A start does not work.
    Problem,
}

impl Finding {
    fn ok(name: &'static str, what: impl Into<String>) -> Finding {
        Finding { name, grade: Grade::Ok, what: what.into(), hint: None }
    }

    /// Creates a finding that is ok but worth knowing.
    fn note(name: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { hint: Some(hint.into()), ..Finding::ok(name, what) }
    }

    fn warning(name: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { grade: Grade::Warning, ..Finding::note(name, what, hint) }
    }

    fn problem(name: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { grade: Grade::Problem, ..Finding::note(name, what, hint) }
    }

    /// Turns the error that a start would fail with into a finding.
    pub fn of_error(name: &'static str, error: &Error) -> Finding {
        Finding::problem(
            name,
            error.message(),
            error.hint().unwrap_or("fix it, then run `monopoll doctor` again"),
        )
    }
}
