//! Finds the tokens of a start: in its environment, and in `env_file`.
#![expect(
    clippy::disallowed_methods,
    reason = "a bot's token is in its environment, or in a file that it reads itself"
)]

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::config::dotenv::{self, EnvFile, TokenLine};
use crate::engine::carried_tokens::bots_in;
use crate::engine::instance::BotId;
use crate::engine::token::{Misfit, OwnTokens, Token};
use crate::error::{Error, ExitStatus};
use crate::guard::changed_env_file;
use crate::scan::command::Command;
use crate::scan::given_token::OtherToken;
use crate::scan::start_token::StartToken;
use crate::text::{join_and, printable, shell_quote};

/// Returns the bot's token: from the first variable that has one, else from `env_file`.
#[must_use]
pub fn token(config: &Config) -> Option<Token> {
    let lookup = search(config, None);
    lookup.log(config);
    lookup.tokens.mine
}

/// Returns the tokens of this start, and logs problems with them.
///
/// # Errors
/// Fails if it is not clear which bot this is, and no `instance` is given.
pub(crate) fn own_tokens(config: &Config, command: Option<&Command>) -> Result<OwnTokens, Error> {
    let lookup = search(config, command);
    if let Some(failure) = lookup.failure {
        return Err(failure);
    }
    lookup.require_clear(config)?;
    lookup.log(config);
    Ok(lookup.usable())
}

#[derive(Debug, Default)]
pub(crate) struct TokenLookup {
    pub(crate) tokens: OwnTokens,
    /// A note about `env_file` for the log.
    pub(crate) note: Option<String>,
    /// A problem with `env_file`.
    pub(crate) warning: Option<String>,
    /// A failure to read `env_file` that may pass, so that the token may be found later.
    pub(crate) failure: Option<Error>,
    /// If there is no token: the line of a file that a loader finds from the script, but that is
    /// not `env_file` of the folder of the start.
    pub(crate) not_read: Option<TokenLine>,
    /// If there is no token: printable names of variables with another value.
    pub(crate) misfits: Vec<Misfit>,
    /// The reason that another program may read another bot's token from the same files.
    pub(crate) unclear: Option<Unclear>,
}

/// The reason that a token may not be the one that the bot gets.
#[derive(Debug)]
pub(crate) struct Unclear {
    what: String,
    /// What follows if no `instance` is given.
    consequence: &'static str,
    hint: String,
}

impl Unclear {
    fn message(&self) -> String {
        format!("{}, {}", self.what, self.consequence)
    }
}

impl TokenLookup {
    /// Fails if it is not clear which bot this is, and no `instance` is given.
    pub(crate) fn require_clear(&self, config: &Config) -> Result<(), Error> {
        match &self.unclear {
            Some(unclear) if config.settings.instance.is_none() => {
                let message = unclear.message();
                Err(Error::new(ExitStatus::Config, message).with_hint(unclear.hint.clone()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Returns the tokens by which processes may be recognized. A given name says which instance
    /// this is, but not which of two tokens it reads.
    pub(crate) fn usable(self) -> OwnTokens {
        let mine = self.tokens.mine.filter(|_| self.unclear.is_none());
        OwnTokens { mine, ..self.tokens }
    }

    fn log(&self, config: &Config) {
        if let Some(note) = &self.note {
            tracing::info!("{note}");
        }
        for warning in self.warnings(config) {
            tracing::warn!("{warning}");
        }
        if let Some(mine) = self.tokens.mine.as_ref().filter(|_| self.tokens.bots.len() > 1) {
            let others = self.tokens.bots.iter().filter(|bot| **bot != mine.id());
            let others: Vec<String> = others.map(ToString::to_string).collect();
            tracing::debug!(
                "the token of bot {} names the instance; that of bot {} is set too",
                mine.id(),
                join_and(&others)
            );
        }
    }

    /// Returns the problems with `env_file` and with the variables that may have the token.
    pub(crate) fn warnings(&self, config: &Config) -> Vec<String> {
        let unlisted =
            if self.tokens.mine.is_some() { Vec::new() } else { unlisted_tokens(config) };
        let unlisted = (!unlisted.is_empty()).then(|| {
            let names = join_and(&unlisted);
            let looks = if unlisted.len() == 1 { "looks like one" } else { "look like tokens" };
            format!(
                "no bot token is in a variable of `token_env`, but {names} {looks}; add the \
                 variable that the bot reads to `token_env`"
            )
        });
        let misfit = |Misfit { place, wrong_length }: &Misfit| {
            let found = wrong_length
                .map_or_else(String::new, |length| format!("; it has {length} after the colon"));
            format!(
                "{place} is set, but is not a bot token (5–16 digits, a colon and 35 letters, \
                 digits, `_` or `-`{found}), so it is ignored; set it to the token from @BotFather"
            )
        };
        let misfits = self.misfits.iter().map(misfit);
        let unclear = self.unclear.iter().map(|unclear| match config.settings.instance {
            Some(_) => format!("{}, so no token is used to find the bot", unclear.what),
            None => format!("{}; {}", unclear.message(), unclear.hint),
        });
        let not_read = self.not_read.iter().map(not_read);
        let failure = self.failure.iter().map(ToString::to_string);
        let warnings = self.warning.iter().cloned().chain(failure);
        warnings.chain(unclear).chain(not_read).chain(unlisted).chain(misfits).collect()
    }
}

/// Searches for the token without logging. Loaders search for `.env` in the folder of COMMAND's
/// script, too.
pub(crate) fn search(config: &Config, command: Option<&Command>) -> TokenLookup {
    let mut misfits = Vec::new();
    let (mut mine, mut place, mut variable) = (None, String::new(), None);
    for name in config.token_variables() {
        // COMMAND gets what it sets itself, as in `env BOT_TOKEN=… python3 main.py`.
        let set = command.and_then(|command| command.sets(name));
        let value = set.cloned().unwrap_or_else(|| env::var_os(name));
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        mine = value.to_str().and_then(Token::parse);
        if mine.is_some() {
            place = format!("${}", printable(name));
            variable = Some(name);
            break;
        }
        if config.expects_a_token_in(name) {
            let place = format!("${}", printable(name));
            misfits.push(Misfit::new(place, &value.to_string_lossy()));
        }
    }
    let file = EnvFile::read(config);
    let note = file.note.filter(|_| mine.is_none());
    let mut bots = file.bots;
    let mut unclear = None;
    let in_file = file.token.as_ref().map(|it| it.token.id());
    if let (None, Some(token)) = (&mine, file.token) {
        let folders = command.map_or_else(Vec::new, Command::loader_folders);
        unclear = file.other.map(|other| two_lines(&other, &token)).or_else(|| {
            let beside = folders.iter().find_map(|it| other_file(config, it, &token));
            let beside = beside.map(|it| (it, "is nearer to the script"));
            let local = || Some((local_file(config, &token)?, "some loaders prefer"));
            let named = || command.and_then(|command| named_file(config, command, &token));
            let named = || Some((named()?, "COMMAND names"));
            let ((file, other), why) = beside.or_else(local).or_else(named)?;
            bots.extend(file.bots);
            Some(two_files(&token, &other, why))
        });
        place = format!("`{}`", token.place());
        mine = Some(token.token);
    }
    if let (Some(command), None, Some(token)) = (command, &unclear, &mine) {
        let file = Some(&*config.env_file).filter(|_| in_file == Some(token.id()));
        let start = StartToken { bot: token.id(), variable, file };
        match given_by_command(config, command, start) {
            GivenToken::None => {}
            GivenToken::Known(given) => mine = Some(given),
            GivenToken::Unknown(what) => unclear = Some(given_unknown(&place, token, &what)),
        }
    }
    if let Some(command) = command {
        bots.extend(command.args.iter().flat_map(|word| bots_in(word.as_encoded_bytes())));
        if mine.is_none() && file.failure.is_none() {
            mine = read_by_command(config, command);
        }
    }
    misfits.extend(file.invalid);
    if mine.is_some() {
        misfits.clear();
    }
    bots.extend(mine.as_ref().map(Token::id));
    let in_dotenv = mine.as_ref().and_then(|mine| bot_in_dotenv(config, command, mine));
    // A loader leaves the variables of this start in place, so this start is not that bot, unless
    // the file has more bots that it could be as well.
    let is_known = |bot: &BotId| {
        Some(*bot) == in_dotenv || mine.as_ref().is_some_and(|mine| mine.id() == *bot)
    };
    if in_dotenv.is_some() && bots.iter().all(is_known) {
        bots.retain(|bot| Some(*bot) != in_dotenv);
    }
    let is_replaced = |name: &OsStr| {
        command.zip(name.to_str()).is_some_and(|(command, name)| command.sets(name).is_some())
    };
    for (_, value) in env::vars_os().filter(|(name, _)| !is_replaced(name)) {
        bots.extend(bots_in(value.as_encoded_bytes()));
    }
    let changed_env_file =
        mine.as_ref().and_then(|mine| changed_env_file::find(config, command, mine));
    let (tokens, warning) = (OwnTokens { mine, bots, in_dotenv, changed_env_file }, file.warning);
    let is_missing = tokens.mine.is_none() && file.failure.is_none();
    let not_read = command.filter(|_| is_missing).and_then(|it| nearest_token(config, it));
    TokenLookup { tokens, note, warning, failure: file.failure, not_read, misfits, unclear }
}

/// A token that COMMAND itself gives the bot.
enum GivenToken {
    None,
    Known(Token),
    /// The line or program that gives it, as a clause.
    Unknown(String),
}

/// Returns the token that COMMAND gives the bot instead of `mine`.
fn given_by_command(config: &Config, command: &Command, mine: StartToken<'_>) -> GivenToken {
    let names: Vec<&str> = config.token_variables().collect();
    match command.other_token(&names, mine) {
        None => GivenToken::None,
        Some(OtherToken::Store(what)) => GivenToken::Unknown(what),
        Some(OtherToken::Line(what)) => {
            // The files of options leave the variables in place that a line has set.
            let known = token_of(config, &command.env_files_of_script(&names));
            known.map_or(GivenToken::Unknown(what), GivenToken::Known)
        }
    }
}

/// Returns the token in the files that COMMAND reads in any case, or else in the `.env` of the
/// folder that it enters for its bot, if they name one bot.
fn read_by_command(config: &Config, command: &Command) -> Option<Token> {
    let variables: Vec<&str> = config.token_variables().collect();
    let mut files = command.env_files(&variables);
    if files.is_empty() && config.settings.env_file == Path::new(".env") {
        files.extend(command.entered_for_the_bot().map(|it| it.join(".env")));
    }
    token_of(config, &files)
}

/// Returns the token in these files if they name one bot.
fn token_of(config: &Config, files: &[PathBuf]) -> Option<Token> {
    let tokens = files.iter().filter_map(|path| dotenv::token_at(config, path));
    let tokens: Vec<Token> = tokens.collect();
    let first = tokens.first()?;
    tokens.iter().all(|it| it.id() == first.id()).then(|| first.clone())
}

/// Returns the token that a loader finds from the folder of COMMAND's script.
fn nearest_token(config: &Config, command: &Command) -> Option<TokenLine> {
    let folders = command.loader_folders();
    folders.iter().find_map(|folder| default_file(config, folder)?.token)
}

/// Returns the file that a loader finds from this folder if it is given no name.
fn default_file(config: &Config, folder: &Path) -> Option<EnvFile> {
    // `config init` writes this value too.
    let is_default = config.settings.env_file == Path::new(".env");
    is_default.then(|| dotenv::nearest(config, folder)).flatten()
}

/// Returns another bot than `mine`, if the `.env` of COMMAND's folder or its script's names one.
fn bot_in_dotenv(config: &Config, command: Option<&Command>, mine: &Token) -> Option<BotId> {
    let command = command?;
    let folders = std::iter::once(command.runs_in.clone()).chain(command.loader_folders());
    let mut files = folders.filter_map(|folder| dotenv::at(config, &folder.join(".env")));
    let (_, line) = files.find_map(|file| of_another_bot(file, mine))?;
    Some(line.token.id())
}

/// Returns the file that a loader finds from this folder, if it names another bot than `mine`.
fn other_file(config: &Config, folder: &Path, mine: &TokenLine) -> Option<(EnvFile, TokenLine)> {
    of_another_bot(default_file(config, folder)?, &mine.token)
}

/// Returns the file with settings of this machine beside `.env`, if it names another bot than
/// `mine`.
fn local_file(config: &Config, mine: &TokenLine) -> Option<(EnvFile, TokenLine)> {
    let is_default = config.settings.env_file == Path::new(".env");
    let path = is_default.then(|| config.env_file.with_file_name(".env.local"))?;
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
        let mut path = command.runs_in.join(word);
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

fn not_read(line: &TokenLine) -> String {
    let folder = Path::new(&line.file).parent().unwrap_or(Path::new("/"));
    format!(
        "`{}` has the token of bot {}, but only `.env` in the folder of the start is read; start \
         it there, as in `cd {} && …`, or set `env_file`",
        line.place(),
        line.token.id(),
        shell_quote(&folder.to_string_lossy())
    )
}

const LOADERS_DIFFER: &str = "and loaders differ in which one they read";

/// `place` is that of `mine`, and `what` gives the bot another token.
fn given_unknown(place: &str, mine: &Token, what: &str) -> Unclear {
    Unclear {
        what: format!("{place} has the token of bot {}, but {what}", mine.id()),
        consequence: "so it may start another bot",
        hint: "name the bot with `--instance`".to_owned(),
    }
}

fn two_files(here: &TokenLine, beside: &TokenLine, why: &str) -> Unclear {
    Unclear {
        what: format!(
            "`{}` has the token of bot {}, but `{}`, which {why}, that of bot {}",
            here.place(),
            here.token.id(),
            beside.place(),
            beside.token.id()
        ),
        consequence: LOADERS_DIFFER,
        hint: format!(
            "name the file that the bot reads, as in `--set env_file={}`, or the bot with \
             `--instance`, or set its token in the environment",
            shell_quote(&beside.file)
        ),
    }
}

fn two_lines(first: &TokenLine, last: &TokenLine) -> Unclear {
    Unclear {
        what: format!(
            "{} is the token of bot {} in `{}`, but that of bot {} in `{}`",
            printable(&first.variable),
            first.token.id(),
            first.place(),
            last.token.id(),
            last.place()
        ),
        consequence: LOADERS_DIFFER,
        hint: "remove one of the lines, or name the bot with `--instance`, or set its token in \
               the environment"
            .to_owned(),
    }
}

/// Returns printable names of variables that have a token but are not in `token_env`.
pub(crate) fn unlisted_tokens(config: &Config) -> Vec<String> {
    let in_file = dotenv::unlisted_tokens(config).into_iter();
    let file = config.env_file.to_string_lossy();
    let in_file = in_file.map(|name| format!("{} in `{}`", printable(&name), printable(&file)));
    let mut names: Vec<String> = env::vars_os()
        .filter(|(_, value)| value.to_str().and_then(Token::parse).is_some())
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| !config.token_variables().any(|listed| listed == name))
        .map(|name| format!("${}", printable(&name)))
        .collect();
    names.sort_unstable();
    names.into_iter().chain(in_file).collect()
}
