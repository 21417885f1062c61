//! The preparation that all commands share: configuration, COMMAND, token, instance and lock files.
//! Reports everything that can be wrong before the machine is read.

use std::ffi::OsString;

use crate::cli::output::paint;
use crate::cli::{Common, log};
use crate::config::{Config, Sources};
use crate::engine::instance::Instance;
use crate::engine::token::OwnTokens;
use crate::error::Error;
use crate::guard::instance_name;
use crate::guard::start_request::{OwnPrograms, StartRequest};
use crate::guard::token_lookup;
use crate::report;
use crate::scan::command::Command;

pub(super) fn configuration(common: &Common) -> Result<Config, Error> {
    Config::load(&sources(common)?)
        .map_err(|problems| problems.into_error(paint(&std::io::stderr())))
}

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

#[derive(Debug)]
pub(super) struct UnnamedRequest {
    pub(super) config: Config,
    command: Option<Command>,
    pub(super) tokens: OwnTokens,
    /// The reason that the tokens do not say which bot this is.
    unclear: Option<Error>,
}

impl UnnamedRequest {
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
        let (tokens, unclear) = match token_lookup::own_tokens(&config, command.as_ref()) {
            Ok(tokens) => (tokens, None),
            Err(error) => (OwnTokens::default(), Some(error)),
        };
        Ok(UnnamedRequest { config, command, tokens, unclear })
    }

    pub(super) fn instance(&self) -> Result<Instance, Error> {
        match &self.unclear {
            Some(error) => Err(error.clone()),
            None => instance(&self.config, &self.tokens, self.command.as_ref()),
        }
    }

    pub(super) fn into_request(self, instance: Instance) -> Result<StartRequest, Error> {
        let UnnamedRequest { config, command, tokens, unclear: _ } = self;
        let give_up = report::start_errors::give_up;
        StartRequest::new(config, instance, command, tokens, OwnPrograms::of_the_tool(), give_up)
    }
}

pub(super) fn request(common: &Common, command: Vec<OsString>) -> Result<StartRequest, Error> {
    let unnamed = UnnamedRequest::prepare(common, command)?;
    let instance = unnamed.instance()?;
    log::name_instance(instance.as_str());
    unnamed.into_request(instance)
}

/// Requires COMMAND's script for commands that start nothing, because a missing script suggests the
/// wrong folder. If the instance is named, its lock identifies the bot, and the script may be gone.
pub(super) fn require_script(request: &StartRequest) -> Result<(), Error> {
    let Err(error) = request.require_script() else { return Ok(()) };
    if request.config.settings.instance.is_some() {
        tracing::warn!("{}", error.message());
        return Ok(());
    }
    let hint = error.hint().map_or_else(String::new, |hint| format!("{hint}, "));
    Err(error.with_hint(format!(
        "{hint}or name the bot with `--instance` (`monopoll status` lists the names)"
    )))
}

pub(super) fn instance(
    config: &Config,
    tokens: &OwnTokens,
    command: Option<&Command>,
) -> Result<Instance, Error> {
    instance_name::instance(config, tokens, command).ok_or_else(|| {
        instance_name::not_named(
            config,
            command,
            "add `-- COMMAND`, such as `-- python3 main.py`; or ",
        )
    })
}
