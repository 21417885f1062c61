//! All that a report needs beside the plan.

#![expect(clippy::disallowed_types, reason = "turns ages into times that are printed")]

use std::time::SystemTime;

use crate::engine::policy::Purpose;

/// All that a report needs beside the plan.
#[derive(Clone)]
pub struct Context<'a> {
    /// The instance that the plan is about.
    pub instance: String,
    /// The profile that was selected.
    pub profile: Option<String>,
    /// The purpose of the plan.
    pub purpose: Purpose,
    /// This host's name.
    pub host: String,
    /// The moment of the plan, to turn ages into times.
    pub now_wall: SystemTime,
    /// Returns the place where the effective value of a key is written, such as `./config.toml:3`;
    /// `default` if it is written nowhere.
    ///
    /// Takes a key of the configuration (`on_conflict`, `limits.max_targets`), an entry of `match`
    /// by its index (`match[0]`) or a rule by its name (`rules.NAME`).
    pub origin: &'a dyn Fn(&str) -> String,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("instance", &self.instance)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
