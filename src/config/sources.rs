//! The sources of a configuration: command line, environment and working directory.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment and the working directory are read here"
)]

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::config::location::Location;
use crate::engine::action::OnConflict;
use crate::error::{Error, ExitStatus};

/// Everything that determines a configuration. Nothing else is read from the process.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--profile`.
    pub profile: Option<String>,
    /// Each `--set`, as `key=value`.
    pub set: Vec<String>,
    /// `--on-conflict`.
    pub on_conflict: Option<OnConflict>,
    /// `--instance`.
    pub instance: Option<String>,
    /// The whole environment. Variables that monopoll does not know are ignored.
    pub env: Vec<(OsString, OsString)>,
    /// The base of relative paths.
    pub cwd: PathBuf,
}

impl Sources {
    /// Returns the environment and working directory of this process. The methods below add flags.
    ///
    /// # Errors
    /// The working directory no longer exists.
    pub fn from_process() -> Result<Sources, Error> {
        let cwd = std::env::current_dir().map_err(|error| {
            Error::new(ExitStatus::Usage, format!("the working directory cannot be read: {error}"))
                .with_hint("change to a folder that exists")
                .due_to(error)
        })?;
        Ok(Sources { env: std::env::vars_os().collect(), cwd, ..Sources::default() })
    }

    /// Reads this file, like `--config`.
    #[must_use]
    pub fn config(self, path: impl Into<PathBuf>) -> Sources {
        Sources { config: Some(path.into()), ..self }
    }

    /// Selects this `[profile.NAME]`, like `--profile`.
    #[must_use]
    pub fn profile(self, name: impl Into<String>) -> Sources {
        Sources { profile: Some(name.into()), ..self }
    }

    /// Sets one key, like `--set key=value`. Can be called more than once.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Sources {
        self.set.push(format!("{key}={value}"));
        self
    }

    /// Names the instance, like `--instance`.
    #[must_use]
    pub fn instance(self, id: impl Into<String>) -> Sources {
        Sources { instance: Some(id.into()), ..self }
    }

    /// Sets the action for conflicts, like `--on-conflict`.
    #[must_use]
    pub fn on_conflict(self, action: OnConflict) -> Sources {
        Sources { on_conflict: Some(action), ..self }
    }

    /// Returns the value of a variable. Empty counts as unset, because many launchers unset
    /// variables that way.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsStr> {
        let (_, value) = self.env.iter().rev().find(|(key, _)| key == name)?;
        Some(value.as_os_str()).filter(|value| !value.is_empty())
    }

    pub(crate) fn selected_profile(&self) -> Option<(String, Location)> {
        if let Some(name) = &self.profile {
            return Some((name.clone(), Location::flag("--profile", name)));
        }
        let name = self.variable("MONOPOLL_PROFILE")?.to_string_lossy();
        Some((name.clone().into_owned(), Location::variable("MONOPOLL_PROFILE", &name)))
    }
}
