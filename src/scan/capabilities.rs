//! The capabilities of this machine, as plain facts for `doctor`.

use crate::engine::managed_by::ManagedBy;
use crate::scan::own_container::ContainerKind;
use crate::sys::filesystem::Support;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    pub pidfd: Support,
    pub inotify: Support,
    /// The `hidepid` value of `/proc`, if it hides other users' processes.
    pub hidden: Option<String>,
    pub environments: Environments,
    pub namespace: PidNamespace,
    pub container: Option<ContainerKind>,
    pub starter: StartedBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PidNamespace {
    /// All processes are visible.
    First,
    Own,
}

/// The readability of environments of the same user's other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Environments {
    pub readable: usize,
    pub unreadable: usize,
    pub first_unreadable: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartedBy {
    /// The first process of its PID namespace, or one with an invisible parent.
    NoParent,
    Supervisor(ManagedBy),
    /// A pid and a name.
    Program(u32, String),
}
