//! The similarity of a process to COMMAND.

/// The scan's verdict on whether a process is what COMMAND would start.
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

/// The only difference between a process and COMMAND, or what prevents a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CommandDifference {
    /// The same file, or a copy of it, in another folder.
    OtherFolder,
    /// The same script and folder, but other arguments.
    OtherArguments,
    /// The process overwrote its command line with a title. Folder and executable are those of
    /// COMMAND.
    RewrittenTitle,
}
