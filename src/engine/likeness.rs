//! The likeness of a process to COMMAND.

/// The verdict of the scan on a process: is it what COMMAND would become?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CommandLikeness {
    /// The same script or program, with the same arguments, in the same folder.
    Same,
    Near(CommandDifference),
    #[default]
    Different,
}

impl CommandLikeness {
    pub fn is_same(self) -> bool {
        match self {
            CommandLikeness::Same => true,
            CommandLikeness::Near(_) | CommandLikeness::Different => false,
        }
    }
}

/// The one respect in which a process differs from COMMAND, or cannot be compared with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CommandDifference {
    /// The same file, or one with the same content, in another folder.
    OtherFolder,
    /// My script in my folder, with other arguments.
    OtherArguments,
    /// Its command line is a title that it wrote itself; in my folder, with the executable that
    /// COMMAND would have.
    RewrittenTitle,
}
