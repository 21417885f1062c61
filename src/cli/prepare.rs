//! What `run` and `plan` have in common: the configuration, COMMAND, the token, the instance and
//! its lock paths – all that can be wrong beforehand, found out beforehand.

use std::{env, ffi::OsString, path::PathBuf};

use crate::{
    cli::{Common, log, plan_command::paint},
    config::{Config, Placeholders, Sources},
    engine::{action::SameToken, instance::Instance, snapshot::User, token::Token},
    error::{Error, ExitStatus},
    guard::instance_name::{self, token},
    scan::{command::Command, machine, request::ScanRequest},
    state::lock_dir::lock_dir,
};

/// A start that has not touched anything yet.
#[derive(Debug)]
pub(super) struct PreparedStart {
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
    Config::load(&sources(common)?)
        .map_err(|problems| problems.into_error(paint(&std::io::stderr())))
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
        ..Sources::here()?
    })
}

/// A start whose instance is still to be named.
#[derive(Debug)]
pub(super) struct UnnamedStart {
    /// What the user wants.
    pub(super) config: Config,
    command: Option<Command>,
    token: Option<Token>,
    user: User,
    lock_dir: PathBuf,
}

impl UnnamedStart {
    /// Reads everything that a start depends on.
    ///
    /// # Errors
    /// The configuration or COMMAND is wrong.
    pub(super) fn prepare(common: &Common, command: Vec<OsString>) -> Result<UnnamedStart, Error> {
        let config = configuration(common)?;
        log::begin(common, &config.logging);
        for note in &config.notes {
            tracing::info!("{note}");
        }
        let command = if command.is_empty() {
            None
        } else {
            Some(Command::find(command, Sources::here()?.cwd)?)
        };
        let token = token(&config);
        let user = machine::myself();
        let lock_dir = lock_dir(&user);
        Ok(UnnamedStart { config, command, token, user, lock_dir })
    }

    /// The instance, by the configuration, the token or COMMAND.
    ///
    /// # Errors
    /// None of them names one.
    pub(super) fn instance(&self) -> Result<Instance, Error> {
        instance(&self.config, self.token.as_ref(), self.command.as_ref())
    }

    /// What a lock path's placeholders stand for.
    pub(super) fn placeholders<'a>(&'a self, instance: &'a str) -> Placeholders<'a> {
        Placeholders {
            instance,
            profile: self.config.profile.as_deref(),
            user: &self.user.name,
            lock_dir: &self.lock_dir,
        }
    }

    /// The lock files of an instance.
    pub(super) fn locks(&self, instance: &str) -> Vec<PathBuf> {
        self.config.locks.iter().map(|path| path.fill(&self.placeholders(instance))).collect()
    }

    /// What to look for in the process table.
    pub(super) fn query(&self) -> ScanRequest {
        query(&self.config, self.token.as_ref(), self.command.as_ref(), &self.user)
    }

    /// The start of this instance.
    pub(super) fn of(self, instance: Instance) -> PreparedStart {
        let locks = self.locks(instance.as_str());
        PreparedStart {
            config: self.config,
            instance,
            command: self.command,
            token: self.token,
            user: self.user,
            locks,
        }
    }
}

impl PreparedStart {
    /// Reads everything that a start depends on.
    ///
    /// # Errors
    /// The configuration or COMMAND is wrong, or no instance can be named.
    pub(super) fn prepare(common: &Common, command: Vec<OsString>) -> Result<PreparedStart, Error> {
        let nameless = UnnamedStart::prepare(common, command)?;
        let instance = nameless.instance()?;
        log::speak_for(instance.as_str());
        Ok(nameless.of(instance))
    }

    /// What an all-clear does not mean, where nobody was compared with anything.
    pub(super) fn reservation(&self) -> Option<&'static str> {
        if self.command.is_some() || !self.config.policy.matches.is_empty() {
            return None;
        }
        Some(match (&self.token, self.config.policy.same_token) {
            (None, _) | (Some(_), SameToken::Off) => {
                "without COMMAND no running bot can be recognized: only the lock was looked at"
            }
            (Some(_), SameToken::Refuse | SameToken::Act | SameToken::Warn) => {
                "without COMMAND no running bot can be recognized by it: only the lock and the tokens on command lines were looked at"
            }
        })
    }

    /// Insists that the script which COMMAND names is there, unless `[check]` may be what makes it.
    ///
    /// # Errors
    /// 127: it is not.
    pub(super) fn insist_on_the_script(&self) -> Result<(), Error> {
        match (&self.command, &self.config.check) {
            (Some(command), None) => command.insist_on_its_script(),
            (Some(_), Some(_)) | (None, _) => Ok(()),
        }
    }

    /// The same for what starts nothing: a missing script is no hindrance there, but a sign of the
    /// wrong folder.
    pub(super) fn warn_of_a_missing_script(&self) {
        if let Err(error) = self.insist_on_the_script() {
            tracing::warn!("{}", error.message());
        }
    }

    /// What to look for in the process table.
    #[must_use]
    pub(super) fn query(&self) -> ScanRequest {
        query(&self.config, self.token.as_ref(), self.command.as_ref(), &self.user)
    }
}

fn query(
    config: &Config,
    token: Option<&Token>,
    command: Option<&Command>,
    user: &User,
) -> ScanRequest {
    ScanRequest {
        policy: config.policy.clone(),
        token: token.cloned(),
        token_env: config.token_env.clone(),
        command: command.cloned(),
        wrapper: env::current_exe().ok(),
        library: None,
        user: user.clone(),
        asked: None,
    }
}

/// What there may be only one of.
///
/// # Errors
/// Nothing names it.
pub(super) fn instance(
    config: &Config,
    token: Option<&Token>,
    command: Option<&Command>,
) -> Result<Instance, Error> {
    instance_name::instance(config, token, command).ok_or_else(|| {
        Error::new(ExitStatus::Usage, "no instance is named").with_hint(format!(
            "write `instance = \"…\"` in the configuration, give `--instance ID`, set ${}, or name the command behind `--`",
            instance_name::variable(config)
        ))
    })
}
