//! What all commands have in common before they look at the machine: the configuration, COMMAND,
//! the token, the instance and its lock files. Everything that can be wrong beforehand is found out
//! here.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::output::paint;
use crate::cli::{Common, log};
use crate::config::{Config, Placeholders, Sources};
use crate::engine::action::SameToken;
use crate::engine::instance::Instance;
use crate::engine::process::User;
use crate::engine::token::Token;
use crate::error::{Error, ExitStatus};
use crate::guard::instance_name;
use crate::guard::start_request::{OwnPrograms, StartRequest, lock_files, scan_request};
use crate::report;
use crate::scan::command::Command;
use crate::scan::request::ScanRequest;
use crate::state::default_lock_folder::default_lock_folder;
use crate::sys::host;

/// Loads the configuration by these flags, this environment and this folder.
///
/// # Errors
/// It is wrong; every problem is in the message.
pub(super) fn configuration(common: &Common) -> Result<Config, Error> {
    Config::load(&sources(common)?)
        .map_err(|problems| problems.into_error(paint(&std::io::stderr())))
}

/// Every source that a value may come from.
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
        ..Sources::from_process()?
    })
}

/// A request whose instance is still to be named.
#[derive(Debug)]
pub(super) struct UnnamedRequest {
    /// What the user wants.
    pub(super) config: Config,
    command: Option<Command>,
    token: Option<Token>,
    user: User,
    lock_dir: PathBuf,
    programs: OwnPrograms,
}

impl UnnamedRequest {
    /// Reads everything that a start depends on.
    ///
    /// # Errors
    /// The configuration or COMMAND is wrong.
    pub(super) fn prepare(
        common: &Common,
        command: Vec<OsString>,
    ) -> Result<UnnamedRequest, Error> {
        let config = configuration(common)?;
        log::begin(common, &config.settings.log);
        for note in &config.notes {
            tracing::info!("{note}");
        }
        let command = if command.is_empty() {
            None
        } else {
            Some(Command::find(command, Sources::from_process()?.cwd)?)
        };
        let token = instance_name::token(&config);
        let user = host::current_user();
        let lock_dir = default_lock_folder(&user);
        let programs = OwnPrograms { wrapper: env::current_exe().ok(), library: None };
        Ok(UnnamedRequest { config, command, token, user, lock_dir, programs })
    }

    /// The instance, by the configuration, the token or COMMAND.
    ///
    /// # Errors
    /// None of them names one.
    pub(super) fn instance(&self) -> Result<Instance, Error> {
        instance(&self.config, self.token.as_ref(), self.command.as_ref())
    }

    /// The values of a lock path's placeholders.
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
        lock_files(&self.config, instance, &self.user, &self.lock_dir)
    }

    /// What to look for in the process table.
    pub(super) fn scan_request(&self) -> ScanRequest {
        let (token, command) = (self.token.as_ref(), self.command.as_ref());
        scan_request(&self.config, token, command, &self.user, &self.programs)
    }

    /// The request for this instance.
    pub(super) fn named(self, instance: Instance) -> StartRequest {
        StartRequest {
            locks: self.locks(instance.as_str()),
            config: self.config,
            instance,
            command: self.command,
            token: self.token,
            user: self.user,
            programs: self.programs,
            cause: report::start_errors::cause,
        }
    }
}

/// Reads everything that a start depends on, its instance named.
///
/// # Errors
/// The configuration or COMMAND is wrong, or no instance can be named.
pub(super) fn request(common: &Common, command: Vec<OsString>) -> Result<StartRequest, Error> {
    let unnamed = UnnamedRequest::prepare(common, command)?;
    let instance = unnamed.instance()?;
    log::speak_for(instance.as_str());
    Ok(unnamed.named(instance))
}

/// What "no conflicts" does not cover, where no process was compared with COMMAND.
pub(super) fn blind_spot(request: &StartRequest) -> Option<&'static str> {
    if request.command.is_some() || !request.config.policy.matches.is_empty() {
        return None;
    }
    Some(match (&request.token, request.config.policy.same_token) {
        (None, _) | (Some(_), SameToken::Off) => {
            "without COMMAND no running bot can be recognized: only the lock was looked at"
        }
        (Some(_), SameToken::Refuse | SameToken::Act | SameToken::Warn) => {
            "without COMMAND no running bot can be recognized by it: only the lock and the tokens \
             on command lines were looked at"
        }
    })
}

/// Warns of a missing script, for commands that start nothing: there it is a sign of the wrong
/// folder.
pub(super) fn warn_of_missing_script(request: &StartRequest) {
    if let Err(error) = request.require_script() {
        tracing::warn!("{}", error.message());
    }
}

/// The instance.
///
/// # Errors
/// Nothing names one.
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
