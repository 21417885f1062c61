//! Is this machine ready? Facts in, findings out; each problem has a hint. Nothing here looks at
//! the machine.

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
    NameSource, RunningState, command_finding, instance_finding, running_finding,
};
pub use lock_findings::{FolderCheck, lock_findings};
pub use machine_findings::{DoctorUser, ScanReach, machine_findings};
pub use token_findings::{TokenSearch, telegram_finding, token_finding};

/// One thing that was examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// What it is about; there may be several findings of one name.
    pub name: &'static str,
    /// How it is.
    pub grade: Grade,
    /// What was found, secrets masked.
    pub what: String,
    /// What to do about it; never null for a problem.
    #[serde(rename = "way_out")]
    pub hint: Option<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// As it should be.
    Ok,
    /// A start works, but not everything that is promised does.
    Warning,
    /// A start does not work.
    Problem,
}

impl Finding {
    fn ok(name: &'static str, what: impl Into<String>) -> Finding {
        Finding { name, grade: Grade::Ok, what: what.into(), hint: None }
    }

    /// As it should be, and worth knowing.
    fn note(name: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { hint: Some(hint.into()), ..Finding::ok(name, what) }
    }

    fn warning(name: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { grade: Grade::Warning, ..Finding::note(name, what, hint) }
    }

    fn problem(name: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { grade: Grade::Problem, ..Finding::note(name, what, hint) }
    }

    /// The error that a start would fail with.
    pub fn of_error(name: &'static str, error: &Error) -> Finding {
        Finding::problem(name, error.message(), error.hint().unwrap_or("mend that and ask again"))
    }
}
