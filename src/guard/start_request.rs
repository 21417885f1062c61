//! A validated start request, before anything is touched.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::config::dotenv;
use crate::config::settings::CheckTable;
use crate::config::{Config, Placeholders};
use crate::engine::choosing_variables::OwnVariables;
use crate::engine::instance::{Instance, NameSource};
use crate::engine::policy::Purpose;
use crate::engine::process::User;
use crate::engine::ticket::Ticket;
use crate::engine::token::OwnTokens;
use crate::error::{Error, ExitStatus};
use crate::guard::not_started::NotStarted;
use crate::guard::{changed_settings_link, env_files, instance_name};
use crate::scan::bot_api_peers::BotApiPeers;
use crate::scan::command::Command;
use crate::scan::scan_request::ScanRequest;
use crate::state::default_lock_folder::default_lock_folder;
use crate::state::history_event::GiveUp;
use crate::state::lock_file::LockFile;
use crate::state::record::{HostProcess, Record, RecordStage};
use crate::sys::machine::poll::Poller;
use crate::sys::{clock, host_names, users};

/// The executables by which scans recognize other starts.
#[derive(Debug, Clone, Default)]
pub struct OwnPrograms {
    /// The base name of the command-line tool.
    pub tool_name: Option<OsString>,
    /// This executable, if it uses the library.
    pub library_exe: Option<PathBuf>,
}

impl OwnPrograms {
    /// Returns the programs of a start by this executable, which is the tool or runs a command like
    /// the tool.
    pub(crate) fn of_the_tool() -> OwnPrograms {
        let exe = env::current_exe().ok();
        let tool_name = exe.as_deref().and_then(Path::file_name).map(OsStr::to_owned);
        OwnPrograms { tool_name, library_exe: None }
    }
}

pub struct StartRequest {
    pub config: Config,
    pub instance: Instance,
    /// COMMAND, or the program that uses the library.
    pub command: Option<Command>,
    pub tokens: OwnTokens,
    pub user: User,
    pub locks: Vec<PathBuf>,
    pub programs: OwnPrograms,
    pub give_up: fn(&NotStarted) -> GiveUp,
    pub on_young_process: OnYoungProcess,
}

/// What a start does about an unguarded process that runs the same command and has just begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnYoungProcess {
    /// Decides at once, as about any other process.
    #[default]
    Decide,
    /// Scans again, because the process may be about to become a start, like this one.
    Rescan,
}

pub(crate) enum Cancellation {
    Signals,
    /// The program that uses the library.
    Program(Poller),
}

impl StartRequest {
    /// Creates a request of this process's user, with the configured lock files.
    pub(crate) fn new(
        config: Config,
        instance: Instance,
        command: Option<Command>,
        tokens: OwnTokens,
        programs: OwnPrograms,
        give_up: fn(&NotStarted) -> GiveUp,
    ) -> Result<StartRequest, Error> {
        let user = users::current_user();
        let locks = lock_files(&config, instance.as_str(), &user)?;
        let on_young_process = OnYoungProcess::default();
        Ok(StartRequest {
            config,
            instance,
            command,
            tokens,
            user,
            locks,
            programs,
            give_up,
            on_young_process,
        })
    }

    pub fn scan_request(&self) -> ScanRequest {
        ScanRequest {
            policy: self.config.policy.clone(),
            tokens: self.tokens.clone(),
            token_variables: self.config.token_variables().map(str::to_owned).collect(),
            changed_settings: self.command.as_ref().and_then(changed_settings_link::find),
            instance: self.instance.to_string(),
            name_source: self.name_source(),
            naming_file: self.config.file_naming_instance().map(Path::to_owned),
            locks: self.locks.clone(),
            cwd: match &self.command {
                Some(command) => Some(command.runs_in.clone()),
                None => instance_name::working_folder(),
            },
            variables: self.variables(),
            command: self.command.clone().map(|it| it.with_bots(self.tokens.bots.len())),
            tool_name: self.programs.tool_name.clone(),
            library_exe: self.programs.library_exe.clone(),
            user: self.user.clone(),
            bot_api: BotApiPeers::new(&self.config.settings.telegram.api_url),
            asked: None,
        }
    }

    fn variables(&self) -> OwnVariables {
        let files = self.command.as_ref().map(Command::env_files_of_options).unwrap_or_default();
        let variables = instance_name::choosing_variables(self.command.as_ref())
            .with_file(dotenv::variables_in_files(&self.config, &files));
        match (&self.command, &self.tokens.mine) {
            (Some(command), Some(mine)) => {
                let files = env_files::parts_of_names(&self.config, command, mine.id());
                variables.with_bot(mine.id(), files)
            }
            (Some(_) | None, _) => variables,
        }
    }

    pub(crate) fn name_source(&self) -> NameSource {
        let by_token = self.tokens.mine.as_ref().map(|token| Instance::of_bot(token.id()));
        if self.config.settings.instance.is_some() {
            NameSource::Given
        } else if by_token.as_ref() == Some(&self.instance) {
            NameSource::Token
        } else {
            NameSource::by_form(self.instance.as_str())
        }
    }

    /// Returns whether the bot is recognized only by its command.
    pub(crate) fn knows_only_the_command(&self) -> bool {
        self.tokens.mine.is_none() && self.config.policy.matches.is_empty()
    }

    /// Returns COMMAND, which a stop may not have.
    pub(crate) fn required_command(&self) -> Result<&Command, Error> {
        self.command.as_ref().ok_or_else(missing_command)
    }

    /// Requires that COMMAND's script exists, unless `[check]` may create it.
    pub fn require_script(&self) -> Result<(), Error> {
        match (&self.command, self.config.check()) {
            (Some(command), None) => command.require_script(),
            (Some(_), Some(_)) | (None, _) => Ok(()),
        }
    }

    /// Returns the check that this request runs. A stop runs none.
    pub(super) fn check(&self) -> Option<&CheckTable> {
        match self.config.policy.purpose {
            Purpose::Start => self.config.check(),
            Purpose::Stop => None,
        }
    }

    /// Returns the record of this start. A stop has none.
    #[expect(clippy::disallowed_types, reason = "since when, to be printed")]
    pub(super) fn record(
        &self,
        ticket: Ticket,
        files: &[LockFile],
        process: &HostProcess,
    ) -> Option<Record> {
        let command = match self.config.policy.purpose {
            Purpose::Start => self.command.as_ref()?,
            Purpose::Stop => return None,
        };
        Some(Record {
            version: 1,
            instance: self.instance.to_string(),
            stage: RecordStage::Starting,
            ticket,
            holder: process.clone(),
            locks: files.iter().filter_map(LockFile::known_id).collect(),
            host: host_names::host_name(),
            user: self.user.name.clone(),
            command: command.recorded(),
            since: clock::WallClock::seconds(),
            profile: self.config.profile.clone(),
            child: None,
            monopoll: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}

pub(super) fn missing_command() -> Error {
    Error::new(ExitStatus::Usage, "COMMAND is missing")
        .with_hint("write it after `--`: `monopoll run -- python3 main.py`")
}

pub fn lock_files(config: &Config, instance: &str, user: &User) -> Result<Vec<PathBuf>, Error> {
    let lock_dir = &lock_dir(config, user)?;
    let profile = config.profile.as_deref();
    Ok(config.lock_paths(&Placeholders { instance, profile, user: &user.name, lock_dir }))
}

/// Returns the value of `{lock_dir}`; an empty path if no lock depends on the user.
pub(crate) fn lock_dir(config: &Config, user: &User) -> Result<PathBuf, Error> {
    if config.settings.lock.paths.iter().any(|path| path.depends_on_user()) {
        default_lock_folder(user)
    } else {
        Ok(PathBuf::new())
    }
}
