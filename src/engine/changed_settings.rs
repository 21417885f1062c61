//! A link to a file with settings that was changed: what a bot has read through it before is
//! unknown.

/// A link to a file or folder with settings, beside which another one lies. All are printable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SettingsLink {
    pub name: String,
    /// The target of the link.
    pub target: String,
    /// Another target that the link may have had before.
    pub other: String,
}

/// The link that changed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedSettings {
    pub link: SettingsLink,
    /// The latest start of a process that may have read the settings before the change, as in
    /// [`ProcessId::start`](crate::engine::process::ProcessId::start).
    pub last_start: u64,
}
