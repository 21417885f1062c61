//! What a machine offers to this process, as plain facts: for whoever asks whether it is ready.

use crate::{
    engine::managed_by::ManagedBy, scan::container::ContainerKind, sys::filesystem::Support,
};

/// The PID namespace that this process is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PidNamespace {
    /// The machine's first one, from which every process is seen.
    First,
    /// One of its own.
    Own,
}

/// How many environments of other processes of the same user can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Environments {
    /// So many can.
    pub readable: usize,
    /// So many cannot.
    pub unreadable: usize,
}

/// Whose child this process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartedBy {
    /// Nobody's: it is the first process of its PID namespace, or its parent cannot be seen.
    Nobody,
    /// What would start it again.
    Supervisor(ManagedBy),
    /// A program that is no supervisor: its pid and its name.
    Program(u32, String),
}

/// A machine, seen from this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// A process can be held by a descriptor, so that a signal never reaches another.
    pub pidfd: Support,
    /// The kernel tells when files change.
    pub inotify: Support,
    /// What `/proc` was told by `hidepid`, where it hides other users' processes from this one.
    pub hidden: Option<String>,
    /// Whose tokens can be seen.
    pub environments: Environments,
    /// Who can be seen at all.
    pub namespace: PidNamespace,
    /// Who made the container that this is.
    pub maker: Option<ContainerKind>,
    /// Who started this.
    pub starter: StartedBy,
}
