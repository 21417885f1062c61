//! A program in the tree of COMMAND, which may be the bot although COMMAND's files do not say so.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::engine::carried_tokens::bots_in;
use crate::engine::choosing_variables::OwnVariables;
use crate::engine::token::{OwnTokens, Token};
use crate::scan::command::Command;
use crate::scan::env_marker::{EnvMarker, HELD};
use crate::scan::interpreters::Language;
use crate::scan::invocation::Target;
use crate::scan::never_the_bot::{is_tool, serves_others};
use crate::scan::scan_request::ScanRequest;

/// Folders of installed packages. Their programs serve a bot, such as `esbuild`, or start it.
const PACKAGE_FOLDERS: [&str; 3] = ["node_modules", "site-packages", "dist-packages"];

pub(crate) struct RunningProgram {
    pub(crate) pid: u32,
    pub(crate) args: Vec<OsString>,
    pub(crate) exe: PathBuf,
    pub(crate) cwd: PathBuf,
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// It is the process that COMMAND was, or an orphan of its tree.
    pub(crate) is_child: bool,
}

impl Command {
    /// Returns whether COMMAND is rather the bot than a launcher: the interpreter of its script.
    /// What it starts may be a worker that several bots have.
    pub(crate) fn is_rather_the_bot(&self) -> bool {
        match &self.runs.target {
            Target::Script(_, Some(language)) => *language != Language::Shell,
            Target::Script(_, None)
            | Target::Module(_)
            | Target::Program(_)
            | Target::Code(..)
            | Target::Entry(..)
            | Target::Input => false,
        }
    }
}

impl RunningProgram {
    /// Returns whether another guard than this process, `me`, has started the program.
    pub(crate) fn is_below_another_guard(&self, me: u32) -> bool {
        let marker = self.environment.iter().find(|(name, _)| name == HELD);
        let marker = marker.and_then(|(_, value)| EnvMarker::parse(value));
        marker.is_some_and(|marker| marker.guard.pid != me)
    }

    /// Returns the command of the program if it may be the bot, and is not COMMAND itself.
    pub(crate) fn bot_command(&self, command: &Command) -> Option<Command> {
        let args: Vec<String> =
            self.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        if serves_others(Some(&self.exe), &args, self.pid) || is_tool(Some(&self.exe), &args) {
            return None;
        }
        let it = Command::of_this_process(self.args.clone(), self.exe.clone(), self.cwd.clone());
        let may_be_bot = match &it.runs.target {
            Target::Script(_, language) => {
                *language != Some(Language::Shell) && it.file.as_deref().is_some_and(is_own_file)
            }
            Target::Module(_) => true,
            Target::Program(_) => self.exe.starts_with(&self.cwd) && is_own_file(&self.exe),
            Target::Code(..) | Target::Entry(..) | Target::Input => false,
        };
        let is_same_target = match (&it.file, &command.file) {
            (Some(its), Some(mine)) => its == mine,
            (_, _) => it.runs.target == command.runs.target,
        };
        let is_command =
            is_same_target && it.runs.args == command.runs.args && it.runs_in == command.runs_in;
        (may_be_bot && !is_command).then_some(it)
    }
}

impl ScanRequest {
    /// Returns the request that finds what runs the same command as this program. The program may
    /// have got its token and its variables from its launcher.
    pub(crate) fn for_program(
        &self,
        program: RunningProgram,
        command: Command,
        token_variables: &[String],
    ) -> ScanRequest {
        let RunningProgram { environment, .. } = program;
        let value = |name: &String| {
            let found = environment.iter().find(|(set, _)| set == OsStr::new(name));
            found.and_then(|(_, value)| Token::parse(value.to_str()?))
        };
        let mine = token_variables.iter().find_map(value).or_else(|| self.tokens.mine.clone());
        let its_bots = environment.iter().flat_map(|(_, value)| bots_in(value.as_encoded_bytes()));
        let tokens = OwnTokens {
            bots: self.tokens.bots.iter().copied().chain(its_bots).collect(),
            mine,
            ..self.tokens.clone()
        };
        ScanRequest {
            tokens,
            cwd: Some(command.runs_in.clone()),
            variables: OwnVariables::new(environment, &[], &[]),
            command: Some(command),
            ..self.clone()
        }
    }
}

/// Returns whether this is a file, and none of an installed package.
fn is_own_file(path: &Path) -> bool {
    let is_of_package = |part: &OsStr| PACKAGE_FOLDERS.iter().any(|folder| part == *folder);
    !path.iter().any(is_of_package) && path.is_file()
}
