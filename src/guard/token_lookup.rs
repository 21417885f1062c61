//! Finds the tokens of a start: in its environment, and in `env_file`.
#![expect(
    clippy::disallowed_methods,
    reason = "a bot's token is in its environment, or in a file that it reads itself"
)]

use std::collections::BTreeSet;
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
use crate::guard::other_env_files::{self, nearest_token, token_of};
use crate::guard::unclear_token::{self, Unclear};
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
    let (in_environment, mut misfits) = find_in_environment(config, command);
    let file = EnvFile::read(config);
    let note = file.note.filter(|_| in_environment.is_none());
    let in_options = command.filter(|_| in_environment.is_none() && file.failure.is_none());
    let in_options = in_options.and_then(|it| token_of(config, &it.env_files_of_options()));
    // The variables of such a file come before those of one that the bot reads itself.
    let bots = if in_options.is_some() { BTreeSet::new() } else { file.bots };
    let found = in_environment.or_else(|| Some(Found::by_command(in_options?)));
    let (mut bots, mut unclear) = (bots, None);
    if let (None, Some(token)) = (&found, &file.token) {
        unclear = file.other.map(|other| unclear_token::two_lines(&other, token));
        if unclear.is_none()
            && let Some(other) = other_env_files::conflicting_file(config, command, token)
        {
            unclear = Some(unclear_token::two_files(token, &other));
            bots.extend(other.file.bots);
        }
    }
    let id_in_file = file.token.as_ref().map(|line| line.token.id());
    let by_command = || read_by_command(config, command.filter(|_| file.failure.is_none())?);
    if let (Some(Found { variable: Some(name), place, token, .. }), Some(line)) =
        (&found, &file.token)
        && line.variable != *name
        && line.token.id() != token.id()
        && env::var_os(&line.variable).is_none()
    {
        unclear = Some(unclear_token::two_variables(place, token, line));
    }
    let found = found.or_else(|| Some(Found::in_file(file.token?))).or_else(by_command);
    let given = match (command, &found) {
        (Some(command), Some(found)) if unclear.is_none() => {
            let file = Some(&*config.env_file).filter(|_| id_in_file == Some(found.token.id()));
            given_by_command(config, command, found, file)
        }
        (_, _) => GivenToken::None,
    };
    let mut mine = found.map(|found| found.token);
    match given {
        GivenToken::Known(token) => mine = Some(token),
        GivenToken::Unclear(why) => unclear = Some(why),
        GivenToken::None => {}
    }
    misfits.extend(file.invalid);
    if mine.is_some() {
        misfits.clear();
    }
    bots.extend(mine.as_ref().map(Token::id));
    let tokens = own_bots(config, command, mine, bots);
    let is_missing = tokens.mine.is_none() && file.failure.is_none();
    let not_read = command.filter(|_| is_missing).and_then(|it| nearest_token(config, it));
    let (warning, failure) = (file.warning, file.failure);
    TokenLookup { tokens, note, warning, failure, not_read, misfits, unclear }
}

/// A token that this start has before COMMAND runs.
struct Found<'a> {
    token: Token,
    /// For a message.
    place: String,
    /// The variable of the environment that has it.
    variable: Option<&'a str>,
}

impl Found<'_> {
    fn in_file(line: TokenLine) -> Self {
        Found { place: format!("`{}`", line.place()), token: line.token, variable: None }
    }

    fn by_command(token: Token) -> Self {
        Found { token, place: "a file that COMMAND reads".to_owned(), variable: None }
    }

    /// `file` is `env_file` if it has this token, too.
    fn start_token<'a>(&'a self, file: Option<&'a Path>) -> StartToken<'a> {
        StartToken { bot: self.token.id(), variable: self.variable, file }
    }
}

/// Returns the token of the first variable that has one, and the variables before it with another
/// value.
fn find_in_environment<'a>(
    config: &'a Config,
    command: Option<&Command>,
) -> (Option<Found<'a>>, Vec<Misfit>) {
    let mut misfits = Vec::new();
    for name in config.token_variables() {
        // COMMAND gets what it sets itself, as in `env BOT_TOKEN=… python3 main.py`.
        let set = command.and_then(|command| command.sets(name));
        let value = set.cloned().unwrap_or_else(|| env::var_os(name));
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        let place = format!("${}", printable(name));
        if let Some(token) = value.to_str().and_then(Token::parse) {
            return (Some(Found { token, place, variable: Some(name) }), misfits);
        }
        if config.expects_a_token_in(name) {
            misfits.push(Misfit::new(place, &value.to_string_lossy()));
        }
    }
    (None, misfits)
}

/// Adds the bots of the environment and of COMMAND's words to those of files.
fn own_bots(
    config: &Config,
    command: Option<&Command>,
    mine: Option<Token>,
    mut bots: BTreeSet<BotId>,
) -> OwnTokens {
    let words = command.iter().flat_map(|command| &command.args);
    bots.extend(words.flat_map(|word| bots_in(word.as_encoded_bytes())));
    let in_dotenv =
        mine.as_ref().and_then(|mine| other_env_files::bot_in_dotenv(config, command?, mine));
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
    OwnTokens { mine, bots, in_dotenv, changed_env_file }
}

/// A token that COMMAND itself gives the bot.
enum GivenToken {
    None,
    Known(Token),
    Unclear(Unclear),
}

/// Returns the token that COMMAND gives the bot instead of the one that was found. `file` is
/// `env_file` if it has that token, too.
fn given_by_command(
    config: &Config,
    command: &Command,
    found: &Found<'_>,
    file: Option<&Path>,
) -> GivenToken {
    let names: Vec<&str> = config.token_variables().collect();
    let given =
        |what: &str| GivenToken::Unclear(unclear_token::given(&found.place, &found.token, what));
    // `--env-file=<(pass show bot)`
    let is_no_file = |path: &PathBuf| path.exists() && !path.is_file();
    let mut options = command.env_files_of_options().into_iter();
    if let Some(path) = options.find(is_no_file).filter(|_| found.variable.is_none()) {
        return given(&format!("COMMAND reads `{}`", printable(&path.to_string_lossy())));
    }
    match command.other_token(&names, found.start_token(file)) {
        None => in_code(config, command, found).map_or(GivenToken::None, GivenToken::Unclear),
        Some(OtherToken::Store(what)) => given(&what),
        Some(OtherToken::Line(what)) => {
            // The files of options leave the variables in place that a line has set.
            let known = token_of(config, &command.env_files_of_script(&names));
            known.map_or_else(|| given(&what), GivenToken::Known)
        }
    }
}

/// Returns a program of COMMAND that has another bot's token in its code. A configured `env_file`
/// is the word of its user that the bot reads it.
fn in_code(config: &Config, command: &Command, found: &Found<'_>) -> Option<Unclear> {
    if found.variable.is_none() && !config.uses_default_env_file() {
        return None;
    }
    let (file, bot) = command.token_in_code(found.token.id())?;
    Some(unclear_token::in_code(&found.place, &found.token, &file, bot))
}

/// Returns the token in the files that COMMAND reads in any case, or else in the `.env` of the
/// folder that it enters for its bot, if they name one bot.
fn read_by_command<'a>(config: &Config, command: &Command) -> Option<Found<'a>> {
    let variables: Vec<&str> = config.token_variables().collect();
    let mut files = command.env_files(&variables);
    if files.is_empty() && config.uses_default_env_file() {
        files.extend(command.entered_for_the_bot().map(|it| it.join(".env")));
    }
    token_of(config, &files).map(Found::by_command)
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
