//! A valid request of a start, before anything is touched.

use std::env;
use std::path::PathBuf;

use crate::config::settings::CheckTable;
use crate::config::{Config, Placeholders};
use crate::engine::instance::Instance;
use crate::engine::policy::Purpose;
use crate::engine::process::User;
use crate::engine::start_history::Ticket;
use crate::engine::token::Token;
use crate::error::Error;
use crate::guard::not_started::NotStarted;
use crate::scan::bot_api_peers::BotApiPeers;
use crate::scan::command::Command;
use crate::scan::request::ScanRequest;
use crate::state::default_lock_folder::default_lock_folder;
use crate::state::history_event::GiveUpCause;
use crate::state::lock_file::LockFile;
use crate::state::record::{HostProcess, Record, RecordStage};
use crate::sys::machine::poll::Poller;
use crate::sys::{clock, host};
use crate::text::command_line;

/// The longest command line in a record, in characters: a record must fit a small file.
const MAX_COMMAND: usize = 4000;

/// The executables by which a scan recognizes other starts.
#[derive(Debug, Clone, Default)]
pub struct OwnPrograms {
    pub wrapper: Option<PathBuf>,
    /// A program that has the library in it.
    pub library: Option<PathBuf>,
}

impl OwnPrograms {
    /// Those of a start by this executable, which is the tool or runs a command as the tool does.
    pub(crate) fn of_the_tool() -> OwnPrograms {
        OwnPrograms { wrapper: env::current_exe().ok(), library: None }
    }
}

pub struct StartRequest {
    pub config: Config,
    pub instance: Instance,
    /// COMMAND, or the program that has the library in it.
    pub command: Option<Command>,
    pub token: Option<Token>,
    pub user: User,
    pub locks: Vec<PathBuf>,
    pub programs: OwnPrograms,
    pub cause: fn(&NotStarted) -> (GiveUpCause, String),
}

pub(crate) enum Cancellation {
    Signals,
    /// The program that the library is part of.
    Program(Poller),
}

impl StartRequest {
    /// A request of this process's user, with the lock files of the configuration.
    pub(crate) fn new(
        config: Config,
        instance: Instance,
        command: Option<Command>,
        token: Option<Token>,
        programs: OwnPrograms,
        cause: fn(&NotStarted) -> (GiveUpCause, String),
    ) -> StartRequest {
        let user = host::current_user();
        let locks = lock_files(&config, instance.as_str(), &user);
        StartRequest { config, instance, command, token, user, locks, programs, cause }
    }

    pub fn scan_request(&self) -> ScanRequest {
        ScanRequest {
            policy: self.config.policy.clone(),
            token: self.token.clone(),
            token_env: self.config.token_variables().map(str::to_owned).collect(),
            command: self.command.clone(),
            wrapper: self.programs.wrapper.clone(),
            library: self.programs.library.clone(),
            user: self.user.clone(),
            bot_api: BotApiPeers::new(&self.config.settings.telegram.api_url),
            asked: None,
        }
    }

    /// Returns whether a bot is recognized by nothing but its command.
    pub(crate) fn knows_only_the_command(&self) -> bool {
        self.token.is_none() && self.config.policy.matches.is_empty()
    }

    /// Requires the script that the command names, unless `[check]` may create it.
    pub fn require_script(&self) -> Result<(), Error> {
        match (&self.command, self.config.check()) {
            (Some(command), None) => command.require_script(),
            (Some(_), Some(_)) | (None, _) => Ok(()),
        }
    }

    /// A stop runs none.
    pub(super) fn check(&self) -> Option<&CheckTable> {
        match self.config.policy.purpose {
            Purpose::Start => self.config.check(),
            Purpose::Stop => None,
        }
    }

    /// A stop has none.
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
            host: host::host_name(),
            user: self.user.name.clone(),
            command: command_line(&command.text()).chars().take(MAX_COMMAND).collect(),
            since: clock::WallClock::seconds(),
            profile: self.config.profile.clone(),
            child: None,
            monopoll: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}

pub fn lock_files(config: &Config, instance: &str, user: &User) -> Vec<PathBuf> {
    let lock_dir = &default_lock_folder(user);
    let profile = config.profile.as_deref();
    config.lock_paths(&Placeholders { instance, profile, user: &user.name, lock_dir })
}
