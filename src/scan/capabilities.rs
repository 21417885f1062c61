//! What a machine offers to this process, as plain facts: for whoever asks whether it is ready.

use std::path::PathBuf;

use crate::{engine::snapshot::ManagedBy, scan::container::ContainerKind};

/// Whether the kernel gives something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Given,
    /// It does not, and says why.
    Refused(String),
}

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

/// A folder as the file system has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFacts {
    /// Whose it is, by name.
    pub owner: String,
    /// Who may do what: the nine bits and the sticky one.
    pub mode: u32,
    /// The type of the file system, where the system says it.
    pub file_system: Option<String>,
    /// What may still be written.
    pub free_bytes: u64,
    /// How many files may still be made; `None` where the file system does not count them.
    pub free_inodes: Option<u64>,
    /// Whether this process may make files in it, else why not.
    pub writing: Support,
    /// What other hosts call the file system, where they see it too.
    pub network: Option<&'static str>,
    /// The folder in which others can replace what is there: this one or one above it.
    pub exposed: Option<PathBuf>,
    /// The folder that another user (by their number) owns, and so can replace what is there: this
    /// one or one above it.
    pub foreign: Option<(PathBuf, u32)>,
}
