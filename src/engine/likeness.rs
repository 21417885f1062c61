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

/// What a process runs, as the scan compared it with COMMAND.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ComparedCommand {
    /// The script, module or program.
    pub program: String,
    /// The arguments to it.
    pub args: Vec<String>,
    /// The arguments are those of COMMAND.
    pub same_args: bool,
}

/// A reason to doubt that the same command is the same bot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CommandDoubt {
    /// This option of an interpreter or wrapper, which may select the bot, has a different value.
    Option(String),
    /// A package manager or make writes this file with settings before one of both starts, and not,
    /// or differently, before the other.
    Setup(String),
    /// A package manager or make runs this command before one of both starts, and not, or
    /// differently, before the other: `git checkout alice`.
    SetupCommand(String),
    /// `python -m` finds its module in another virtual environment or `$PYTHONPATH`.
    Modules,
    /// One of both is a script that imports the Python program of the other one and calls it, as
    /// far as names tell.
    EntryPoint,
    /// One of both is run by `go run`, and the other one is perhaps built from the same source.
    GoRun,
    /// The script is a link with another name or in another folder to the same file, or the program
    /// runs under another name, which may select the bot.
    ScriptName,
    /// COMMAND runs a script that has this command and other lines, which may make it another bot.
    Script,
    /// The same, but the script starts other programs too, so this may be the one that is no bot.
    PartOfScript,
    /// COMMAND's script sets this variable, and the process has another value, or none.
    Variable(String),
    /// COMMAND runs a script that does not say in full what it starts, and the process fits what it
    /// says.
    UnclearScript,
    /// COMMAND begins with a program that is not known, and its words go on with this command.
    Launcher,
    /// COMMAND's script reads the folder in which it is started, and the process was perhaps
    /// started in another one.
    CallerFolder,
    /// COMMAND's script reads from its standard input what may choose the bot.
    Question,
    /// The process is a shell or watcher without the bot, which starts it now or again.
    StartsAgain,
    /// The process is in another folder, and only its `$PWD` says that it was started in
    /// COMMAND's. A process inherits `$PWD` from a launcher that sets another folder.
    Folder,
    /// The process runs the same file with the same arguments from another folder: one of both
    /// folders is that of the script, or both are above it.
    OtherFolder,
    /// The process runs a script of the same name that was removed, in a folder beside COMMAND's:
    /// perhaps in an older release.
    RemovedRelease,
    /// The folder of a process of this user cannot be read: it hides its facts, as a program with
    /// capabilities does.
    UnreadableFolder,
}

impl CommandDoubt {
    /// Returns whether this bot's token in the environment of the process settles the doubt. A
    /// script hands the token to everything that it starts.
    pub(super) fn is_settled_by_token(&self) -> bool {
        match self {
            CommandDoubt::Option(_)
            | CommandDoubt::Setup(_)
            | CommandDoubt::SetupCommand(_)
            | CommandDoubt::Modules
            | CommandDoubt::EntryPoint
            | CommandDoubt::GoRun
            | CommandDoubt::ScriptName
            | CommandDoubt::Script
            | CommandDoubt::Variable(_)
            | CommandDoubt::Launcher
            | CommandDoubt::CallerFolder
            | CommandDoubt::Question
            | CommandDoubt::Folder
            | CommandDoubt::OtherFolder
            | CommandDoubt::UnreadableFolder => true,
            CommandDoubt::PartOfScript
            | CommandDoubt::RemovedRelease
            | CommandDoubt::UnclearScript
            | CommandDoubt::StartsAgain => false,
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
    /// The same script and folder, but both begin their arguments with a word, and these differ:
    /// `manage.py migrate` is not `manage.py bot`.
    OtherSubcommand,
    /// The same program in this folder with another version in its name: `bot-1.0.jar`.
    OtherVersion,
    /// The source of the program, or what a compiler made of it: `src/bot.ts` and `dist/bot.js`.
    OtherBuild,
    /// COMMAND runs a script that has this command as one of several, which depend on conditions.
    PartOfScript,
    /// The process overwrote its command line with a title. Folder and executable are those of
    /// COMMAND.
    RewrittenTitle,
}
