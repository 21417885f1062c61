//! The capabilities of a machine, as plain facts for `doctor`.

use crate::engine::managed_by::ManagedBy;
use crate::scan::own_container::ContainerKind;
use crate::sys::filesystem::Support;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    pub pidfd: Support,
    pub inotify: Support,
    /// The value of `hidepid` of `/proc`, where it hides other users' processes from this one.
    pub hidden: Option<String>,
    pub environments: Environments,
    pub namespace: PidNamespace,
    pub container: Option<ContainerKind>,
    pub starter: StartedBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PidNamespace {
    /// Every process is seen from it.
    First,
    Own,
}

/// The environments of other processes of the same user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Environments {
    pub readable: usize,
    pub unreadable: usize,
    /// The pid of one that is not readable.
    pub first_unreadable: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartedBy {
    /// It is the first process of its PID namespace, or its parent cannot be seen.
    NoParent,
    /// A supervisor that would start it again.
    Supervisor(ManagedBy),
    /// Its pid and its name.
    Program(u32, String),
}
