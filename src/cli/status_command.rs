//! `monopoll status`: who has the instance, since when, and how it got there. Nothing is touched
//! and no lock is taken.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::output::{self, PlanOutput};
use crate::cli::prepare::{self, UnnamedRequest};
use crate::cli::{Common, dry_run, print};
use crate::config::{Config, Placeholders};
use crate::engine::instance::Instance;
use crate::engine::policy::{Policy, Purpose};
use crate::error::{Error, ExitStatus};
use crate::guard::instance_status::{InstanceState, InstanceStatus};
use crate::guard::lock_set::LockSet;
use crate::guard::start_request::{OwnPrograms, StartRequest};
use crate::report::{Context, history_text, status_json, status_text};
use crate::scan;
use crate::scan::request::ScanRequest;
use crate::state::default_lock_folder::default_lock_folder;
use crate::state::lock_folder::LockFolder;
use crate::state::state_dir::{self, StateDir};
use crate::sys::{clock, host};
use crate::terminate::machine::Machine;
use crate::terminate::process_control::StartHost;
use crate::text::{Paint, printable};

const MOST_LOOKS: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    Now,
    History,
}

pub(super) fn run(
    common: &Common,
    command: Vec<OsString>,
    detail: Detail,
) -> Result<ExitStatus, Error> {
    if common.json && detail == Detail::History {
        return Err(Error::new(ExitStatus::Usage, "`--history` is for people")
            .with_hint("`status --json` has the takeovers"));
    }
    let unnamed = UnnamedRequest::prepare(common, command)?;
    match unnamed.instance() {
        Ok(instance) => one(common, &unnamed.named(instance), detail),
        Err(_) => all(common, &unnamed.config, detail),
    }
}

fn one(common: &Common, start: &StartRequest, detail: Detail) -> Result<ExitStatus, Error> {
    prepare::warn_of_missing_script(start);
    let mut machine = Machine::new(start.scan_request()).map_err(scan::cannot_scan)?;
    let status = look(&mut machine, start.instance.as_str(), &start.locks, &start.config.policy)?;
    let origin = |key: &str| output::origin(start, key);
    let context = output::context(start, &origin);
    if common.json {
        output::print_json(&status_json::one(&status, &context))?;
    } else {
        print(&report(&status, &context, output::paint(&std::io::stdout()), detail))?;
    }
    if status.state == InstanceState::Stopped && output::blind_spot(start).is_some() {
        if !common.json {
            print("")?;
        }
        output::print_blind_spot(common, start, PlanOutput::Plainly)?;
    }
    let (status, what) = match status.state {
        InstanceState::Starting | InstanceState::Running | InstanceState::Stopping => {
            return Ok(ExitStatus::Done);
        }
        InstanceState::Stopped => (ExitStatus::NotRunning, "not running".to_owned()),
        InstanceState::Unknown => {
            (ExitStatus::Unknown, format!("cannot be known: {}", status.doubt.unwrap_or_default()))
        }
    };
    Err(Error::new(status, format!("{}: {what}", start.instance)))
}

fn all(common: &Common, config: &Config, detail: Detail) -> Result<ExitStatus, Error> {
    // What the configuration says of one bot's processes says nothing about the others': only the
    // holders of the locks are looked for.
    let policy = Policy { matches: Vec::new(), ..config.policy.clone() };
    let user = host::current_user();
    let lock_dir = default_lock_folder(&user);
    let profile = config.profile.as_deref();
    let placeholders =
        Placeholders { instance: "", profile, user: &user.name, lock_dir: &lock_dir };
    let OwnPrograms { wrapper, library } = OwnPrograms::of_the_tool();
    let query = ScanRequest {
        policy: policy.clone(),
        token: None,
        token_env: Vec::new(),
        command: None,
        wrapper,
        library,
        user: user.clone(),
        asked: None,
    };
    let mut machine = Machine::new(query).map_err(scan::cannot_scan)?;
    let mut statuses = Vec::new();
    for instance in &names(config, &placeholders)? {
        let locks = config.lock_paths(&Placeholders { instance, ..placeholders });
        statuses.push(look(&mut machine, instance, &locks, &policy)?);
    }
    #[expect(clippy::disallowed_types, reason = "turns times into ages that are printed")]
    let now_wall = clock::WallClock::now();
    let context = Context {
        instance: String::new(),
        profile: config.profile.clone(),
        purpose: Purpose::Start,
        host: host::host_name(),
        now_wall,
        origin: &|_| "default".to_owned(),
    };
    let paint = output::paint(&std::io::stdout());
    if common.json {
        output::print_json(&status_json::all(&statuses, &context))?;
    } else if detail == Detail::History {
        let texts: Vec<String> =
            statuses.iter().map(|status| report(status, &context, paint, detail)).collect();
        print(&texts.join("\n"))?;
    } else if !statuses.is_empty() {
        print(&status_text::list(&statuses, &context, paint))?;
    }
    let any = |is: fn(InstanceState) -> bool| statuses.iter().any(|status| is(status.state));
    if any(InstanceState::is_held) {
        Ok(ExitStatus::Done)
    } else if any(|state| state == InstanceState::Unknown) {
        Err(Error::new(ExitStatus::Unknown, "whether an instance is running cannot be known"))
    } else {
        Err(Error::new(
            ExitStatus::NotRunning,
            format!(
                "no instance is running: nobody has a lock {}",
                searched_path(config, &placeholders)
            ),
        ))
    }
}

fn report(status: &InstanceStatus, context: &Context<'_>, paint: Paint, detail: Detail) -> String {
    let text = status_text::text(status, context, paint);
    match detail {
        Detail::Now => text,
        Detail::History => format!("{text}\n{}", history_text::text(&status.history)),
    }
}

fn look(
    machine: &mut Machine,
    instance: &str,
    locks: &[PathBuf],
    policy: &Policy,
) -> Result<InstanceStatus, Error> {
    let unknown = |error: Error| match error.status() {
        ExitStatus::LockFile => Ok(InstanceStatus::unknown(instance, error.message().to_owned())),
        _ => Err(error),
    };
    for _ in 0..MOST_LOOKS {
        let place = match LockSet::find(locks) {
            Ok(place) => place,
            Err(error) => return unknown(error),
        };
        let plan = match dry_run::plan(machine, place.as_ref(), locks, policy) {
            Ok(plan) => plan,
            Err(error) => return unknown(error),
        };
        let beside: Option<&StateDir> = place.as_ref().map(|place| place.state_dir().as_ref());
        let history = beside.map(StateDir::history).unwrap_or_default();
        if let Some(status) = InstanceStatus::of(
            instance,
            plan,
            beside.and_then(StateDir::record),
            history,
            machine.host_process(),
        ) {
            return Ok(status);
        }
    }
    Ok(InstanceStatus::unknown(instance, "it is just changing hands".to_owned()))
}

fn searched_path(config: &Config, with: &Placeholders<'_>) -> String {
    let Some(path) = config.settings.lock.paths.first() else { return "at all".to_owned() };
    let (word, path) = path
        .folder_of_instances(with)
        .map_or_else(|| ("at", path.fill(with)), |folder| ("in", folder));
    // Without the separator at its end, behind which the instance would stand.
    let path: PathBuf = path.components().collect();
    format!("{word} {}", printable(&path.to_string_lossy()))
}

/// The instances that have a lock, or a record, where the first of `lock.paths` puts them.
fn names(config: &Config, with: &Placeholders<'_>) -> Result<BTreeSet<String>, Error> {
    let Some(path) = config.settings.lock.paths.first() else { return Ok(BTreeSet::new()) };
    let Some(parent) = path.folder_of_instances(with) else { return only_one(&path.fill(with)) };
    let Some(folder) = LockFolder::find(&parent).map_err(unreadable)? else {
        return Ok(BTreeSet::new());
    };
    let names = folder.names_with("");
    let instances: Vec<Instance> = names
        .iter()
        .filter_map(|name| path.instance_of(state_dir::lock_of(name, &names).unwrap_or(name), with))
        .collect();
    // Where each instance has a folder of its own, the folder alone is none.
    let has_lock = |instance: &Instance| {
        let lock = path.fill(&Placeholders { instance: instance.as_str(), ..*with });
        let record = PathBuf::from(format!("{}.record", lock.display()));
        [lock, record].iter().any(|file| file.symlink_metadata().is_ok())
    };
    Ok(instances.iter().filter(|instance| has_lock(instance)).map(Instance::to_string).collect())
}

/// The instance whose record lies beside the lock that all instances share.
fn only_one(lock: &std::path::Path) -> Result<BTreeSet<String>, Error> {
    let Some(place) = LockSet::find(&[lock.to_owned()]).map_err(unreadable)? else {
        return Ok(BTreeSet::new());
    };
    let name = lock.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let recorded =
        place.state_dir().record().and_then(|record| record.instance.parse::<Instance>().ok());
    let exists = lock.symlink_metadata().is_ok() || recorded.is_some();
    Ok(exists.then(|| recorded.map_or(name, |instance| instance.to_string())).into_iter().collect())
}

fn unreadable(error: Error) -> Error {
    let message = format!("which instances there are cannot be known: {}", error.message());
    let unknown = Error::new(ExitStatus::Unknown, message);
    error.hint().into_iter().fold(unknown, Error::with_hint).with_source(error)
}
