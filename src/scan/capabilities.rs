//! The capabilities of a machine, as plain facts for `doctor`.

use crate::engine::managed_by::ManagedBy;
use crate::scan::container::ContainerKind;
use crate::sys::filesystem::Support;

/// A machine, seen from this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// pidfds, so that a signal never reaches another process.
    pub pidfd: Support,
    /// Notifications of changes of files.
    pub inotify: Support,
    /// The value of `hidepid` of `/proc`, where it hides other users' processes from this one.
    pub hidden: Option<String>,
    /// The environments in which tokens can be seen.
    pub environments: Environments,
    /// The processes that can be seen at all.
    pub namespace: PidNamespace,
    /// The container that this process is in.
    pub container: Option<ContainerKind>,
    /// The program that started this one.
    pub starter: StartedBy,
}

/// The PID namespace of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PidNamespace {
    /// The first one, from which every process is seen.
    First,
    /// One of its own.
    Own,
}

/// The environments of other processes of the same user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Environments {
    /// So many can be read.
    pub readable: usize,
    /// So many cannot.
    pub unreadable: usize,
}

/// The program that started this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartedBy {
    /// It is the first process of its PID namespace, or its parent cannot be seen.
    NoParent,
    /// A supervisor that would start it again.
    Supervisor(ManagedBy),
    /// Another program: its pid and its name.
    Program(u32, String),
}
