//! `monopoll doctor`: checks everything that a start depends on, and changes nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::output::{paint, print, print_json, print_to_stderr};
use crate::cli::{Common, prepare};
use crate::config::Config;
use crate::doctor::{
    self, DoctorUser, Finding, FolderCheck, Grade, RunningState, ScanReach, TokenSearch,
};
use crate::engine::instance::{Instance, NameSource};
use crate::engine::pattern::UserLimit;
use crate::engine::token::Token;
use crate::error::{Error, ExitStatus};
use crate::guard::lock_set::{ExistingLock, LockSet};
use crate::guard::start_request::lock_files;
use crate::guard::token_lookup;
use crate::report::{doctor_json, doctor_text};
use crate::scan::command::Command;
use crate::scan::{self, machine};
use crate::state::lock_folder::LockFolder;
use crate::sys::{filesystem, users};
use crate::telegram;
use crate::text::count;

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Do not ask Telegram whether the bot has a webhook
    #[arg(long)]
    offline: bool,
    /// The bot's program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(super) fn run(common: &Common, args: DoctorArgs) -> Result<ExitStatus, Error> {
    let findings = examine(common, args)?;
    if common.json {
        print_json(&doctor_json::document(&findings))?;
    } else {
        let lowest = match (common.quiet, common.verbose) {
            (true, _) => Grade::Problem,
            (false, 0) => Grade::Warning,
            (false, _) => Grade::Ok,
        };
        print(&doctor_text::text(&findings, lowest, paint(&std::io::stdout())))?;
    }
    match findings.iter().filter(|finding| finding.grade == Grade::Problem).count() {
        0 => Ok(ExitStatus::Done),
        problems => {
            let problems = count(problems, "problem", "problems");
            Err(Error::new(ExitStatus::Fault, format!("doctor: found {problems}")))
        }
    }
}

fn examine(common: &Common, args: DoctorArgs) -> Result<Vec<Finding>, Error> {
    let sources = prepare::sources(common)?;
    let outcome = Config::load(&sources);
    // With the defaults, the token might be sent to a server other than the configured one.
    let asks_telegram = outcome.is_ok() && !args.offline;
    let mut findings = doctor::config_findings(&outcome);
    let config = match outcome {
        Ok(config) => config,
        // Everything else can still be checked.
        Err(_) => Config::defaults(&sources.cwd),
    };
    let command = Some(args.command).filter(|command| !command.is_empty());
    let command = command.map(|command| Command::find(command, sources.cwd));
    let found = command.as_ref().map(|command| match command {
        // `[check]` may create the script, so it may not exist yet.
        Ok(command) if config.check().is_none() => {
            command.require_script().map(|()| command.found.to_string_lossy().into_owned())
        }
        Ok(command) => Ok(command.found.to_string_lossy().into_owned()),
        Err(error) => Err(error.clone()),
    });
    findings.extend(doctor::command_finding(found.as_ref()));
    let found = command.as_ref().and_then(|command| command.as_ref().ok());
    let lookup = token_lookup::search(&config, found);
    let is_clear = lookup.require_clear(&config);
    findings.extend(lookup.warning.as_deref().map(doctor::env_file_finding));
    let misfits = lookup.misfits.iter().map(|it| it.place.clone()).collect();
    let tokens = lookup.usable();
    let token = tokens.mine.as_ref();
    findings.push(match &is_clear {
        Err(error) => Finding::of_error("token", error),
        Ok(()) => doctor::token_finding(&TokenSearch {
            found: token.map(Token::id),
            others: token.map_or_else(Vec::new, |token| {
                tokens.bots.iter().copied().filter(|bot| *bot != token.id()).collect()
            }),
            variables: config.token_variables().map(str::to_owned).collect(),
            file: config.settings.env_file.to_string_lossy().into_owned(),
            unlisted: match token {
                Some(_) => Vec::new(),
                None => token_lookup::unlisted_tokens(&config),
            },
            misfits,
            same_token: config.policy.same_token,
        }),
    });
    findings.extend(token.filter(|_| asks_telegram).map(|token| {
        let settings = &config.settings.telegram;
        if !common.quiet {
            let (server, bot) = (&settings.api_url.authority, token.id());
            print_to_stderr(format_args!(
                "monopoll: asking {server} whether bot {bot} has a webhook"
            ));
        }
        doctor::telegram_finding(&telegram::ask_for_webhook(settings, token), settings)
    }));
    let is_token_clear = is_clear.is_ok();
    let named = is_clear.and_then(|()| prepare::instance(&config, &tokens, found));
    let by = match (&config.settings.instance, token) {
        (Some(_), _) => NameSource::Given,
        (None, Some(_)) => NameSource::Token,
        (None, None) => NameSource::Command,
    };
    let instance = doctor::instance_finding(named.as_ref().map(|instance| (instance, by)));
    findings.extend(Some(instance).filter(|_| is_token_clear));
    let user = users::current_user();
    // Without a name, there is no lock to look at, but its folder can be checked.
    let instance = named.as_ref().map_or("instance", Instance::as_str);
    let private_folder = match lock_files(&config, instance, &user) {
        Ok(paths) => {
            findings.extend(doctor::lock_findings(&folders(&paths)));
            if named.is_ok()
                && let Some(state) = running(&paths)
            {
                findings.push(doctor::running_finding(&state));
                if state != RunningState::NotRunning {
                    findings.extend(alerts(&paths).iter().map(|why| doctor::alert_finding(why)));
                }
            }
            let folder = paths.first().and_then(|path| path.parent());
            folder.and_then(|folder| machine::private_folder(&resolved(folder)))
        }
        Err(error) => {
            findings.push(Finding::of_error("lock", &error));
            None
        }
    };
    let privileged = users::is_privileged();
    let me = DoctorUser { user, privileged, private_folder, reach: scan_reach(&config) };
    match machine::detect_capabilities() {
        Ok(checkup) => findings.extend(doctor::machine_findings(&me, checkup.as_ref())),
        Err(error) => {
            findings.extend(doctor::machine_findings(&me, None));
            findings.push(Finding::of_error("processes", &scan::cannot_scan(error)));
        }
    }
    Ok(findings)
}

/// Returns the users whose processes a start considers: all, if a `match` entry names other users
/// or the lock is shared, or if this user is privileged.
fn scan_reach(config: &Config) -> ScanReach {
    let reaches = config.policy.matches.iter().any(|entry| !matches!(entry.user, UserLimit::Same));
    let paths = &config.settings.lock.paths;
    let shares = paths
        .iter()
        .any(|path| !["{lock_dir}", "{user}"].iter().any(|mine| path.as_str().contains(mine)));
    if users::is_privileged() || reaches || shares {
        ScanReach::OtherUsers
    } else {
        ScanReach::OwnUser
    }
}

fn folders(paths: &[PathBuf]) -> Vec<FolderCheck> {
    let mut parents: Vec<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
    parents.sort_unstable();
    parents.dedup();
    let mut found: Vec<FolderCheck> = parents.into_iter().map(folder).collect();
    // Also checks existing lock files.
    let place = LockSet::open_existing(paths).ok().flatten();
    found.extend(place.and_then(|place| place.existing_locks().err()).map(FolderCheck::Unsafe));
    found
}

fn folder(path: &Path) -> FolderCheck {
    match LockFolder::open_existing(path) {
        Err(error) => FolderCheck::Unsafe(error),
        Ok(Some(folder)) => {
            FolderCheck::Found(folder.path().to_owned(), filesystem::facts(folder.path()))
        }
        Ok(None) => {
            let above = path.ancestors().find(|folder| folder.is_dir()).unwrap_or(path);
            FolderCheck::Missing(path.to_owned(), above.to_owned(), filesystem::facts(above))
        }
    }
}

/// Resolves the links in the existing part of a path.
fn resolved(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    match existing {
        Some((part, real)) => real.join(path.strip_prefix(part).unwrap_or(path)),
        None => path.to_owned(),
    }
}

/// Returns what the guard with the record next to the lock has reported. The record of a killed
/// guard stays.
fn alerts(paths: &[PathBuf]) -> Vec<String> {
    let Some(locks) = LockSet::open_existing(paths).ok().flatten() else { return Vec::new() };
    let Some(record) = locks.state_dir().record() else { return Vec::new() };
    let history = locks.state_dir().history();
    let own = history.into_iter().filter(|event| event.is_of(&record));
    own.filter_map(|event| event.alert().map(|(why, _)| why.to_owned())).collect()
}

/// Returns the holder of the lock, without taking the lock; `None` if the finding about the folder
/// says more.
fn running(paths: &[PathBuf]) -> Option<RunningState> {
    let Some(place) = LockSet::open_existing(paths).ok()? else {
        return Some(RunningState::NotRunning);
    };
    let locks = place.existing_locks().ok()?;
    let mut holders = Vec::new();
    for lock in &locks {
        match lock {
            ExistingLock::Missing(_) => {}
            ExistingLock::Open(lock) => match machine::visible_holders(lock) {
                Some(pids) => holders.extend(pids),
                None => return Some(RunningState::Unknown),
            },
        }
    }
    let record = place.state_dir().record();
    let guard = record.as_ref().filter(|record| holders.contains(&record.holder.process.pid));
    Some(match (guard, holders.is_empty(), record.as_ref()) {
        (Some(record), ..) => {
            RunningState::Guard(record.holder.process.pid, record.command.clone())
        }
        (None, false, Some(record)) if machine::is_in_other_pid_namespace(&record.holder) => {
            RunningState::Below(record.command.clone())
        }
        (None, false, _) => RunningState::Strangers(holders),
        (None, true, Some(record)) if machine::is_in_other_pid_namespace(&record.holder) => {
            RunningState::Elsewhere(record.command.clone())
        }
        (None, true, _) => RunningState::NotRunning,
    })
}
