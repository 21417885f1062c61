//! The files other than `env_file` that the bot may read its token from: those that loaders find,
//! and those that COMMAND reads or names.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::config::dotenv::{self, EnvFile, TokenLine};
use crate::engine::instance::BotId;
use crate::engine::token::Token;
use crate::scan::command::Command;
use crate::scan::invocation::absolute;

/// Returns the token in these files if they name one bot.
pub(super) fn token_of(config: &Config, files: &[PathBuf]) -> Option<Token> {
    let tokens = files.iter().filter_map(|path| dotenv::token_at(config, path));
    let tokens: Vec<Token> = tokens.collect();
    let first = tokens.first()?;
    tokens.iter().all(|it| it.id() == first.id()).then(|| first.clone())
}

/// Returns the token that a loader finds from the folder of COMMAND's script.
pub(super) fn nearest_token(config: &Config, command: &Command) -> Option<TokenLine> {
    let folders = command.loader_folders();
    folders.iter().find_map(|folder| default_file(config, folder)?.token)
}

/// Returns the file that a loader finds from this folder if it is given no name.
fn default_file(config: &Config, folder: &Path) -> Option<EnvFile> {
    config.uses_default_env_file().then(|| dotenv::nearest(config, folder)).flatten()
}

/// Returns another bot than `mine`, if the `.env` of COMMAND's folder or its script's names one.
pub(super) fn bot_in_dotenv(config: &Config, command: &Command, mine: &Token) -> Option<BotId> {
    let folders = command.env_file_folders().into_iter();
    let mut files = folders.filter_map(|folder| dotenv::at(config, &folder.join(".env")));
    let (_, line) = files.find_map(|file| of_another_bot(file, mine))?;
    Some(line.token.id())
}

/// A file that names another bot than `env_file`.
pub(super) struct ConflictingFile {
    pub(super) file: EnvFile,
    pub(super) line: TokenLine,
    /// The reason that the bot may read it, as in "…, which REASON, …".
    pub(super) why: &'static str,
}

/// Returns a file that the bot may read instead of `env_file`, whose token is `mine`.
pub(super) fn conflicting_file(
    config: &Config,
    command: Option<&Command>,
    mine: &TokenLine,
) -> Option<ConflictingFile> {
    let folders = command.map_or_else(Vec::new, Command::loader_folders);
    let beside = || folders.iter().find_map(|folder| other_file(config, folder, mine));
    let named = || named_file(config, command?, mine);
    let found = beside().map(|found| (found, "is nearer to the script"));
    let found = found.or_else(|| Some((local_file(config, mine)?, "some loaders prefer")));
    let ((file, line), why) = found.or_else(|| Some((named()?, "COMMAND names")))?;
    Some(ConflictingFile { file, line, why })
}

/// Returns the file that a loader finds from this folder, if it names another bot than `mine`.
fn other_file(config: &Config, folder: &Path, mine: &TokenLine) -> Option<(EnvFile, TokenLine)> {
    of_another_bot(default_file(config, folder)?, &mine.token)
}

/// Returns the file with settings of this machine beside `.env`, if it names another bot than
/// `mine`.
fn local_file(config: &Config, mine: &TokenLine) -> Option<(EnvFile, TokenLine)> {
    let path =
        config.uses_default_env_file().then(|| config.env_file.with_file_name(".env.local"))?;
    of_another_bot(dotenv::at(config, &path)?, &mine.token)
}

/// Finds a file that COMMAND names, or that is in a folder that it names, with the token of another
/// bot than `mine`.
fn named_file(
    config: &Config,
    command: &Command,
    mine: &TokenLine,
) -> Option<(EnvFile, TokenLine)> {
    let name = config.env_file.file_name()?;
    command.words().iter().find_map(|word| {
        let mut path = absolute(Path::new(word), &command.runs_in);
        if path.is_dir() {
            path.push(name);
        } else if !path.file_name()?.to_string_lossy().contains("env") {
            return None;
        }
        of_another_bot(dotenv::at(config, &path)?, &mine.token)
    })
}

fn of_another_bot(file: EnvFile, mine: &Token) -> Option<(EnvFile, TokenLine)> {
    let mut tokens = file.token.iter().chain(&file.other);
    let other = tokens.find(|it| it.token.id() != mine.id())?.clone();
    Some((file, other))
}
