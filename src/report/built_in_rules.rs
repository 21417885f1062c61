//! The rules that apply after the user's, for `config show`.

use serde::Serialize;

/// A rule that is always there, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct BuiltInRule {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
}

/// In the order in which they are asked.
pub(crate) const BUILT_IN_RULES: [BuiltInRule; 1] = [BuiltInRule {
    name: "supervised",
    description: "an unguarded conflict that a known supervisor would start again is refused",
}];
