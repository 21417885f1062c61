//! What a look at the process table is for.

use std::path::PathBuf;

use crate::{
    engine::{policy::Policy, process::User, token::Token},
    scan::command::Command,
};

/// What a look is for; it goes to the thread that looks.
#[derive(Debug)]
pub struct ScanRequest {
    /// Who is a candidate.
    pub policy: Policy,
    /// My bot's token, where it is known.
    pub token: Option<Token>,
    /// The variables that may have a token.
    pub token_env: Vec<String>,
    /// COMMAND, where there is one.
    pub command: Option<Command>,
    /// My own executable, where it is the command-line tool: others that run it are known by their
    /// ticket.
    pub wrapper: Option<PathBuf>,
    /// My own executable, where the library is in it: whoever runs it settles as I do, and is known
    /// by its ticket too.
    pub library: Option<PathBuf>,
    /// Whose process I am.
    pub user: User,
    /// Somebody to be described too, even where nothing in a quick look concerns this start.
    pub asked: Option<u32>,
}

/// How close a look a process is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relevance {
    /// None at all.
    None,
    /// It is only to be shown: it has my token in its environment, as whatever was started there
    /// has.
    Suspect,
    /// It may be acted on, and so may everything below it.
    Candidate,
}
