//! Is this machine ready? Facts in, findings out; what is wrong comes with the way out. Nothing
//! here looks at anything.

mod bot;
mod configuration;
mod kernel;
mod locks;
mod telegram;

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Error;
pub use {
    bot::{NameSource, RunningState, TokenSearch, command, instance, running, token},
    configuration::configuration,
    kernel::{DoctorUser, ScanReach, machine},
    locks::{FolderCheck, locks},
    telegram::telegram,
};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// What it is about; there may be several findings of one name.
    pub name: &'static str,
    /// How it is.
    pub grade: Grade,
    /// What was found, secrets masked.
    pub what: String,
    /// What to do about it; never null for a problem.
    pub way_out: Option<String>,
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
        Finding { name, grade: Grade::Ok, what: what.into(), way_out: None }
    }

    /// It is as it should be, and worth knowing.
    fn note(name: &'static str, what: impl Into<String>, way_out: impl Into<String>) -> Finding {
        Finding { way_out: Some(way_out.into()), ..Finding::ok(name, what) }
    }

    fn warning(name: &'static str, what: impl Into<String>, way_out: impl Into<String>) -> Finding {
        Finding { name, grade: Grade::Warning, what: what.into(), way_out: Some(way_out.into()) }
    }

    fn problem(name: &'static str, what: impl Into<String>, way_out: impl Into<String>) -> Finding {
        Finding { name, grade: Grade::Problem, what: what.into(), way_out: Some(way_out.into()) }
    }

    /// What a start would fail with.
    #[must_use]
    pub fn of_error(name: &'static str, error: &Error) -> Finding {
        Finding::problem(name, error.message(), error.hint().unwrap_or("mend that and ask again"))
    }
}
