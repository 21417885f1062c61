//! Finds instances by this user's locks or by a process.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::dry_run;
use crate::config::{Config, LockPath, Placeholders};
use crate::engine::choosing_variables::OwnVariables;
use crate::engine::instance::{Instance, NameSource};
use crate::engine::policy::Policy;
use crate::engine::process::ProcessId;
use crate::engine::token::{OwnTokens, Token};
use crate::error::{Error, ExitStatus};
use crate::guard::lock_set::LockSet;
use crate::guard::start_request::{OwnPrograms, lock_dir};
use crate::scan::bot_api_peers::BotApiPeers;
use crate::scan::machine::is_in_guard_tree;
use crate::scan::scan_request::ScanRequest;
use crate::scan::{self, machine};
use crate::state::lock_folder::LockFolder;
use crate::state::record::Record;
use crate::state::state_dir;
use crate::sys::users;
use crate::terminate::real_host::RealHost;
use crate::text::{printable, secret_spans};

pub(super) struct BotIdentity {
    pub(super) instance: Instance,
    pub(super) token: Option<Token>,
}

/// Finds the instance that a process identifies: as its guard, as a member of its guard's tree, or
/// by a token on the command line.
pub(super) fn of_process(config: &Config, pid: u32) -> Result<Option<BotIdentity>, Error> {
    let Some(id) = machine::process_id(pid) else { return Ok(None) };
    // Several instances may share a lock file. The record says which one holds it.
    if let Some(record) = record_of_guard(config, id).or_else(|| record_of_tree(config, pid))
        && let Ok(instance) = record.instance.parse()
    {
        return Ok(Some(BotIdentity { instance, token: None }));
    }
    let request = ScanRequest { asked: Some(pid), ..scan_request(config) };
    let mut machine = RealHost::new(request).map_err(scan::cannot_scan)?;
    let snapshot = dry_run::snapshot(&mut machine, None, &[])?;
    let process = snapshot.processes.iter().find(|process| process.id == id);
    let args = process.and_then(|process| process.args.known());
    let token = args.and_then(|args| args.iter().find_map(|arg| token_in(arg)));
    Ok(token
        .map(|token| BotIdentity { instance: Instance::of_bot(token.id()), token: Some(token) }))
}

/// Returns the record that this guard keeps next to its lock.
pub(super) fn record_of_guard(config: &Config, guard: ProcessId) -> Option<Record> {
    records(config).into_iter().find(|record| record.holder.process == guard)
}

/// Returns the record of the guard that started a process; the innermost, if there are several.
pub(super) fn record_of_tree(config: &Config, pid: u32) -> Option<Record> {
    let guard = |record: &Record| record.holder.process;
    let above = records(config).into_iter().filter(|it| is_in_guard_tree(pid, guard(it)));
    above.reduce(
        |one, other| {
            if is_in_guard_tree(guard(&other).pid, guard(&one)) { other } else { one }
        },
    )
}

fn records(config: &Config) -> Vec<Record> {
    let user = users::current_user();
    // Only names a process. Whatever is then done reports the error.
    let Ok(lock_dir) = lock_dir(config, &user) else { return Vec::new() };
    let profile = config.profile.as_deref();
    let with = Placeholders { instance: "", profile, user: &user.name, lock_dir: &lock_dir };
    let record = |name: &String| {
        let locks = config.lock_paths(&Placeholders { instance: name, ..with });
        LockSet::open_existing(&locks).ok()??.state_dir().record()
    };
    names(config, &with).unwrap_or_default().iter().filter_map(record).collect()
}

/// Returns a request that finds only the holders of locks, because the configuration describes the
/// processes of one bot and not of the others.
pub(super) fn scan_request(config: &Config) -> ScanRequest {
    let OwnPrograms { tool_name, library_exe } = OwnPrograms::of_the_tool();
    ScanRequest {
        policy: Policy { matches: Vec::new(), ..config.policy.clone() },
        tokens: OwnTokens::default(),
        token_variables: Vec::new(),
        changed_settings: None,
        instance: String::new(),
        name_source: NameSource::Given,
        naming_file: None,
        locks: Vec::new(),
        cwd: None,
        variables: OwnVariables::default(),
        command: None,
        tool_name,
        library_exe,
        user: users::current_user(),
        bot_api: BotApiPeers::new(&config.settings.telegram.api_url),
        asked: None,
    }
}

/// Returns the token in an argument such as `--token=123456:AA…`.
fn token_in(arg: &str) -> Option<Token> {
    secret_spans(arg).into_iter().find_map(|secret| {
        let id = arg.get(..secret.start)?.strip_suffix(':')?;
        let digits = id.len() - id.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        Token::parse(arg.get(secret.start - 1 - digits..secret.end)?)
    })
}

/// Describes where locks are searched, to follow "no lock is held".
pub(super) fn searched_path(config: &Config, with: &Placeholders<'_>) -> String {
    let Some(path) = listed_path(config, with) else { return "at all".to_owned() };
    let (word, path) = path
        .folder_of_instances(with)
        .map_or_else(|| ("at", path.fill(with)), |folder| ("in", folder));
    // Drops the trailing separator that precedes the instance.
    let path: PathBuf = path.components().collect();
    format!("{word} {}", printable(&path.to_string_lossy()))
}

/// Returns the path by which instances are listed: the first that differs between instances, else
/// the first.
fn listed_path<'a>(config: &'a Config, with: &Placeholders<'_>) -> Option<&'a LockPath> {
    let paths = || config.settings.lock.paths.iter().map(|path| &**path);
    paths().find(|path| path.folder_of_instances(with).is_some()).or_else(|| paths().next())
}

/// Returns the instances with a lock or record at the places in `lock.paths`.
pub(super) fn names(config: &Config, with: &Placeholders<'_>) -> Result<BTreeSet<String>, Error> {
    let Some(path) = listed_path(config, with) else { return Ok(BTreeSet::new()) };
    let Some(parent) = path.folder_of_instances(with) else { return only_one(&path.fill(with)) };
    let Some(folder) = LockFolder::open_existing(&parent).map_err(unreadable)? else {
        return Ok(BTreeSet::new());
    };
    let names = folder.names_with("");
    let instances: Vec<Instance> = names
        .iter()
        .filter_map(|name| path.instance_of(state_dir::lock_of(name, &names).unwrap_or(name), with))
        .collect();
    // If each instance has its own folder, the folder alone does not make an instance.
    let has_lock = |instance: &Instance| {
        let lock = path.fill(&Placeholders { instance: instance.as_str(), ..*with });
        let record = PathBuf::from(format!("{}.record", lock.display()));
        [lock, record].iter().any(|file| file.symlink_metadata().is_ok())
    };
    // A lock file shared by all instances may be in the same folder.
    let shared: Vec<PathBuf> = config
        .settings
        .lock
        .paths
        .iter()
        .filter(|path| path.folder_of_instances(with).is_none())
        .map(|path| path.fill(with))
        .collect();
    let is_shared = |instance: &Instance| {
        let lock = path.fill(&Placeholders { instance: instance.as_str(), ..*with });
        shared.contains(&lock)
    };
    let listed = instances.iter().filter(|it| has_lock(it) && !is_shared(it));
    Ok(listed.map(Instance::to_string).collect())
}

/// Returns the instance whose record is next to the lock that all instances share.
fn only_one(lock: &Path) -> Result<BTreeSet<String>, Error> {
    let Some(place) = LockSet::open_existing(&[lock.to_owned()]).map_err(unreadable)? else {
        return Ok(BTreeSet::new());
    };
    let name = lock.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let recorded =
        place.state_dir().record().and_then(|record| record.instance.parse::<Instance>().ok());
    let exists = lock.symlink_metadata().is_ok() || recorded.is_some();
    Ok(exists.then(|| recorded.map_or(name, |instance| instance.to_string())).into_iter().collect())
}

fn unreadable(error: Error) -> Error {
    let message = format!("cannot list the instances: {}", error.message());
    let unknown = Error::new(ExitStatus::Unknown, message);
    error.hint().into_iter().fold(unknown, Error::with_hint).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_within_an_argument() {
        let token = format!("123456:{}", "a".repeat(35));
        for arg in [token.clone(), format!("--token={token}"), format!("-t{token},x")] {
            assert_eq!(token_in(&arg).as_ref().map(Token::expose), Some(token.as_str()), "{arg}");
        }
        for arg in ["main.py", "https://me:hunter2@host/", "123456:short"] {
            assert_eq!(token_in(arg), None, "{arg}");
        }
    }
}
