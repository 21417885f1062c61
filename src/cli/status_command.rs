//! `monopoll status`: shows whether the instance runs, since when, and how it was acquired. Changes
//! nothing and takes no lock.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use clap::Args;

use crate::cli::output::{self, PlanOutput, print};
use crate::cli::prepare::{self, UnnamedRequest};
use crate::cli::{Common, dry_run, instances};
use crate::config::{Config, Placeholders};
use crate::engine::policy::{Policy, Purpose};
use crate::error::{Error, ExitStatus};
use crate::guard::instance_status::{self, InstanceState, InstanceStatus};
use crate::guard::lock_set::LockSet;
use crate::guard::start_request::{StartRequest, lock_dir};
use crate::report::{Context, history_text, status_json, status_text};
use crate::scan;
use crate::state::state_dir::StateDir;
use crate::sys::{clock, host_names, users};
use crate::terminate::process_control::StartHost;
use crate::terminate::real_host::RealHost;
use crate::text::Paint;

const MAX_SCANS: u32 = 5;

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print the history of the instance, too
    #[arg(long)]
    history: bool,
    /// List every instance, also those that ended over 24 hours ago
    #[arg(long, conflicts_with = "command")]
    all: bool,
    /// The bot's program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Now,
    History,
}

pub(super) fn run(common: &Common, args: StatusArgs) -> Result<ExitStatus, Error> {
    let detail = if args.history { Detail::History } else { Detail::Now };
    let listed = if args.all { Listed::All } else { Listed::Recent };
    if common.json && detail == Detail::History {
        return Err(Error::new(ExitStatus::Usage, "`--history` has no JSON form")
            .with_hint("`status --json` lists the takeovers"));
    }
    if common.instance.is_some() && listed == Listed::All {
        return Err(Error::new(ExitStatus::Usage, "`--all` lists every instance, not one")
            .with_hint("leave out `--all` or `--instance`"));
    }
    let has_command = !args.command.is_empty();
    let unnamed = UnnamedRequest::prepare(common, args.command)?;
    match (listed, unnamed.instance()) {
        (Listed::Recent, Ok(instance)) => one(common, &unnamed.into_request(instance)?, detail),
        (Listed::Recent, Err(error)) if has_command || error.status() == ExitStatus::Config => {
            Err(error)
        }
        (Listed::Recent, Err(_)) | (Listed::All, _) => all(common, &unnamed.config, detail, listed),
    }
}

fn one(common: &Common, request: &StartRequest, detail: Detail) -> Result<ExitStatus, Error> {
    prepare::require_script(request)?;
    let mut machine = RealHost::new(request.scan_request()).map_err(scan::cannot_scan)?;
    let (config, policy) = (&request.config, &request.config.policy);
    let status = inspect(&mut machine, config, request.instance.as_str(), &request.locks, policy)?;
    let origin = |key: &str| output::origin(request, key);
    let context = output::context(request, &origin);
    if common.json {
        output::print_json(&status_json::one(&status, &context))?;
    } else {
        print(&report(&status, &context, output::paint(&std::io::stdout()), detail))?;
    }
    if status.state == InstanceState::Stopped && output::blind_spot(request).is_some() {
        if !common.json {
            print("")?;
        }
        output::print_blind_spot(common, request, PlanOutput::Plan)?;
    }
    let (exit_status, what) = match status.state {
        InstanceState::Starting | InstanceState::Running | InstanceState::Stopping => {
            return Ok(ExitStatus::Done);
        }
        InstanceState::Stopped => (ExitStatus::NotRunning, "not running".to_owned()),
        InstanceState::Unguarded => (ExitStatus::Unguarded, "runs without a guard".to_owned()),
        InstanceState::Unknown => {
            let why = status.doubt.unwrap_or_default();
            (ExitStatus::Unknown, format!("cannot tell whether it is running: {why}"))
        }
    };
    if common.json {
        return Err(Error::new(exit_status, format!("{}: {what}", request.instance)));
    }
    // The first line of the report already has the error.
    Ok(exit_status)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    /// Instances that run or ended within a day.
    Recent,
    All,
}

/// Instances that ended longer ago are listed only with `--all`.
const RECENT: Duration = Duration::from_hours(24);

/// Takes `now` as the time since 1970.
fn ended_long_ago(status: &InstanceStatus, now: Duration) -> bool {
    let ended = status.last_end().map(|event| Duration::from_secs(event.at));
    status.state == InstanceState::Stopped
        && ended.is_some_and(|ended| now.saturating_sub(ended) > RECENT)
}

fn all(
    common: &Common,
    config: &Config,
    detail: Detail,
    listed: Listed,
) -> Result<ExitStatus, Error> {
    let user = users::current_user();
    let lock_dir = lock_dir(config, &user)?;
    let profile = config.profile.as_deref();
    let placeholders =
        Placeholders { instance: "", profile, user: &user.name, lock_dir: &lock_dir };
    let query = instances::scan_request(config);
    let policy = query.policy.clone();
    let mut machine = RealHost::new(query).map_err(scan::cannot_scan)?;
    let mut statuses = Vec::new();
    for instance in &instances::names(config, &placeholders)? {
        let locks = config.lock_paths(&Placeholders { instance, ..placeholders });
        statuses.push(inspect(&mut machine, config, instance, &locks, &policy)?);
    }
    #[expect(clippy::disallowed_types, reason = "turns times into ages that are printed")]
    let now_wall = clock::WallClock::now();
    let before = statuses.len();
    if listed == Listed::Recent {
        let now = now_wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        statuses.retain(|status| !ended_long_ago(status, now));
    }
    // List running instances first. If there are any, stopped ones are omitted.
    let is_stopped = |status: &&InstanceStatus| status.state == InstanceState::Stopped;
    let (stopped, mut shown): (Vec<_>, Vec<_>) = statuses.iter().partition(is_stopped);
    shown.sort_by_key(|status| !status.state.is_held());
    let any_held = shown.iter().any(|status| status.state.is_held());
    if detail == Detail::History || listed == Listed::All || !any_held {
        shown.extend(stopped);
    }
    let hidden = before - shown.len();
    let context = Context {
        instance: String::new(),
        command: None,
        profile: config.profile.clone(),
        purpose: Purpose::Start,
        host: host_names::host_name(),
        now_wall,
        origin: &|_| "default".to_owned(),
    };
    let paint = output::paint(&std::io::stdout());
    if common.json {
        output::print_json(&status_json::all(&statuses, &context))?;
    } else if detail == Detail::History {
        let texts: Vec<String> =
            shown.iter().map(|status| report(status, &context, paint, detail)).collect();
        print(&texts.join("\n"))?;
    } else if !statuses.is_empty() {
        print(&status_text::list(&shown, &context, paint))?;
    }
    if !common.json && detail == Detail::Now {
        print("Bots that run without a guard are not listed: see `monopoll status -- COMMAND`.")?;
    }
    if hidden > 0 && !common.json {
        print(&format!("{hidden} stopped: see `monopoll status --all`"))?;
    }
    let any = |is: fn(InstanceState) -> bool| statuses.iter().any(|status| is(status.state));
    if any(InstanceState::is_held) {
        Ok(ExitStatus::Done)
    } else if any(|state| state == InstanceState::Unknown) {
        Err(Error::new(ExitStatus::Unknown, "cannot tell whether an instance is running"))
    } else {
        Err(Error::new(
            ExitStatus::NotRunning,
            format!(
                "no instance is running: no lock is held {}",
                instances::searched_path(config, &placeholders)
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

fn inspect(
    machine: &mut RealHost,
    config: &Config,
    instance: &str,
    locks: &[PathBuf],
    policy: &Policy,
) -> Result<InstanceStatus, Error> {
    let unknown = |error: Error| match error.status() {
        ExitStatus::LockFile | ExitStatus::Refused => {
            Ok(InstanceStatus::unknown(instance, error.message().to_owned()))
        }
        _ => Err(error),
    };
    let mut earlier = None;
    for _ in 0..MAX_SCANS {
        let place = match LockSet::open_existing(locks) {
            Ok(place) => place,
            Err(error) => return unknown(error),
        };
        earlier = place.as_ref().and_then(|place| place.state_dir().record()).or(earlier);
        let plan = match dry_run::plan(machine, place.as_ref(), locks, policy) {
            Ok(plan) => plan,
            Err(error) => return unknown(error),
        };
        // A guard that also has other locks may keep its files next to one of those.
        let other_lock = plan.guards.first().and_then(|guard| guard.other_lock.as_deref());
        let other = other_lock.and_then(StateDir::of_lock);
        let state_dir =
            other.as_ref().or_else(|| place.as_ref().map(|place| place.state_dir().as_ref()));
        let history = state_dir.map(StateDir::history).unwrap_or_default();
        let record = state_dir.and_then(StateDir::record);
        let me = machine.host_process();
        if let Some(mut status) =
            InstanceStatus::of(instance, plan, earlier.as_ref(), record, history, me)
        {
            if let Some(guard) = status.unrecorded_guard()
                && let Some(record) = instances::record_of_guard(config, guard)
                && record.instance != instance
            {
                status.doubt = Some(instance_status::held_by(&record));
            }
            return Ok(status);
        }
    }
    Ok(InstanceStatus::unknown(instance, "a takeover is in progress".to_owned()))
}
