//! What `run` and `plan` have in common: the configuration, COMMAND, the token, the instance and its lock paths – all that
//! can be wrong beforehand, found out beforehand.
#![expect(clippy::disallowed_methods, reason = "the process's own environment and working directory are read here, once")]

use std::{
    env,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use super::{Common, env_file::EnvFile, paint, say};
use crate::{
    config::{Config, Placeholders, Sources},
    engine::{instance::Instance, snapshot::User},
    error::{Error, ExitStatus},
    host::{command::Command, lock_dir::lock_dir, machine, query::Query, token::Token},
    report::mask::printable,
};

/// A start that has not touched anything yet.
#[derive(Debug)]
pub(super) struct Start {
    /// What the user wants.
    pub(super) config: Config,
    /// What there may be only one of.
    pub(super) instance: Instance,
    /// What is to be run, where it was said.
    pub(super) command: Option<Command>,
    /// My bot's token, where it is known.
    pub(super) token: Option<Token>,
    /// Whose process I am.
    pub(super) user: User,
    /// The lock files, filled in.
    pub(super) locks: Vec<PathBuf>,
}

/// The configuration that these flags, this environment and this folder make.
///
/// # Errors
/// It is wrong; every problem is in the message.
pub(super) fn configuration(common: &Common) -> Result<Config, Error> {
    Config::load(&sources(common)?).map_err(|problems| problems.into_error(paint(&std::io::stderr())))
}

/// Every place that a value may come from.
///
/// # Errors
/// The working directory is gone.
pub(super) fn sources(common: &Common) -> Result<Sources, Error> {
    Ok(Sources {
        config: common.config.clone(),
        profile: common.profile.clone(),
        set: common.set.clone(),
        on_conflict: common.on_conflict,
        instance: common.instance.clone(),
        env: env::vars_os().collect(),
        cwd: working_directory()?,
    })
}

fn working_directory() -> Result<PathBuf, Error> {
    env::current_dir().map_err(|error| {
        Error::new(ExitStatus::Usage, format!("the working directory cannot be read: {error}")).hint("change to a folder that exists")
    })
}

impl Start {
    /// Reads everything that a start depends on.
    ///
    /// # Errors
    /// The configuration or COMMAND is wrong, or no instance can be named.
    pub(super) fn prepare(common: &Common, command: Vec<OsString>) -> Result<Start, Error> {
        let config = configuration(common)?;
        tell(common, &config.notes);
        let command = if command.is_empty() { None } else { Some(Command::find(command, working_directory()?)?) };
        let token = token_in_environment(&config).or_else(|| {
            let file = EnvFile::read(&config);
            tell(common, file.note.as_slice());
            file.token
        });
        let instance = instance(&config, token.as_ref(), command.as_ref())?;
        let user = machine::myself();
        let lock_dir = lock_dir(&user);
        let placeholders =
            Placeholders { instance: instance.as_str(), profile: config.profile.as_deref(), user: &user.name, lock_dir: &lock_dir };
        let locks = config.locks.iter().map(|path| path.fill(&placeholders)).collect();
        Ok(Start { config, instance, command, token, user, locks })
    }

    /// What to look for in the process table.
    #[must_use]
    pub(super) fn query(&self) -> Query {
        Query {
            policy: self.config.policy.clone(),
            token: self.token.clone(),
            token_env: self.config.token_env.clone(),
            command: self.command.clone(),
            wrapper: env::current_exe().ok(),
            user: self.user.clone(),
        }
    }
}

fn tell(common: &Common, notes: &[String]) {
    for note in notes.iter().filter(|_| !common.quiet) {
        say(format_args!("monopoll: {note}"));
    }
}

/// The first variable that has a token.
fn token_in_environment(config: &Config) -> Option<Token> {
    let in_environment = |name: &String| env::var_os(name).as_deref().and_then(OsStr::to_str).and_then(Token::parse);
    config.token_env.iter().find_map(in_environment)
}

fn instance(config: &Config, token: Option<&Token>, command: Option<&Command>) -> Result<Instance, Error> {
    if let Some(instance) = &config.instance {
        return Ok(instance.clone());
    }
    if let Some(token) = token {
        return Ok(Instance::of_bot(token.id()));
    }
    let named = command.and_then(|command| named_after(command).parse().ok());
    named.ok_or_else(|| {
        Error::new(ExitStatus::Usage, "no instance is named").hint(format!(
            "write `instance = \"…\"` in the configuration, give `--instance ID`, set ${}, or name the command behind `--`",
            printable(config.token_env.first().map_or("MONOPOLL_INSTANCE", String::as_str))
        ))
    })
}

/// The command's base name and a short hash of its arguments and working directory.
fn named_after(command: &Command) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let base: String = command.base_name().chars().map(allowed).take(Instance::MAX_LEN - 9).collect();
    let parts = command.args.iter().skip(1).map(OsString::as_os_str).chain([command.cwd.as_os_str()]);
    let hash = parts.fold(FNV_OFFSET, |hash, part| {
        // A byte that no argument has ends each of them.
        part.as_encoded_bytes().iter().chain(&[0]).fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
    });
    format!("{base}-{:08x}", hash >> 32)
}

/// FNV-1a: the same on every machine and in every version, and nobody has to withstand an attack here.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
