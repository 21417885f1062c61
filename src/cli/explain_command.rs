//! `monopoll explain`: shows why a process is or is not a candidate, and changes nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::Args;

use crate::cli::output::{self, PlanOutput, print};
use crate::cli::prepare::{self, UnnamedRequest};
use crate::cli::{Common, dry_run, instances, log};
use crate::engine::command_parts::CommandMatch;
use crate::engine::decide::decide;
use crate::engine::explain;
use crate::engine::plan::Plan;
use crate::engine::reason::Verdict;
use crate::error::{Error, ExitStatus};
use crate::guard::lock_set::LockSet;
use crate::guard::start_request::StartRequest;
use crate::report::{explain_json, explain_text};
use crate::scan::command::Command;
use crate::scan::scan_request::ScanRequest;
use crate::scan::{self, machine};
use crate::terminate::real_host::RealHost;
use crate::text::{printable, quote};

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The process ID; without one, one line for each process of the plan
    pid: Option<String>,
    /// The bot's program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(super) fn run(common: &Common, args: ExplainArgs) -> Result<ExitStatus, Error> {
    let asked = args.pid.as_deref().map(number).transpose()?;
    let request = request(common, args.command, asked)?;
    prepare::require_script(&request)?;
    let mut machine = RealHost::new(ScanRequest { asked, ..request.scan_request() })
        .map_err(scan::cannot_scan)?;
    let place = LockSet::open_existing(&request.locks)?;
    let snapshot = dry_run::snapshot(&mut machine, place.as_ref(), &request.locks)?;
    let policy = &request.config.policy;
    let plan = decide(policy, &snapshot);
    let origin = |key: &str| output::origin(&request, key);
    let context = output::context(&request, &origin);
    let command_match = request.command.as_ref().map(command_match);
    let explain =
        |pid: u32| explain::explain(policy, &snapshot, &plan, pid, command_match.as_ref());
    let paint = output::paint(&std::io::stdout());
    if let Some(pid) = asked {
        let explanation = explain(pid).ok_or_else(|| not_found(pid))?;
        let guarded = instances::record_of_tree(&request.config, pid);
        let guarded = guarded.map(|record| {
            let (instance, guard) = (quote(&record.instance), record.holder.process.pid);
            format!("pid {pid} belongs to the guard of instance {instance} (pid {guard})")
        });
        if common.json {
            if let Some(sentence) = guarded {
                tracing::info!("{sentence}");
            }
            return output::print_json(&explain_json::one(&explanation, &context));
        }
        print(&explain_text::one(&explanation, &context, paint))?;
        guarded.map_or(Ok(ExitStatus::Done), |sentence| print(&format!("\n{sentence}.")))
    } else {
        let all: Vec<_> = concerned(&plan).into_iter().filter_map(explain).collect();
        if common.json {
            output::print_json(&explain_json::whole(&all, &plan, &context))?;
        } else {
            print(&explain_text::whole(&all, &context, paint))?;
        }
        if plan.verdict() == Verdict::Clear {
            output::print_blind_spot(common, &request, PlanOutput::Plan)?;
        }
        Ok(ExitStatus::Done)
    }
}

/// Prepares the request. If no instance is named, `pid` may lead to one, as a guard or by a token
/// on its command line.
fn request(
    common: &Common,
    command: Vec<OsString>,
    pid: Option<u32>,
) -> Result<StartRequest, Error> {
    let mut unnamed = UnnamedRequest::prepare(common, command)?;
    let instance = match unnamed.instance() {
        Ok(instance) => instance,
        Err(error) => {
            let named = pid.map(|pid| instances::of_process(&unnamed.config, pid));
            let Some(bot) = named.transpose()?.flatten() else {
                let ended = pid.filter(|pid| machine::process_id(*pid).is_none());
                return Err(ended.map_or(error, not_found));
            };
            unnamed.tokens.mine = bot.token;
            bot.instance
        }
    };
    log::name_instance(instance.as_str());
    unnamed.into_request(instance)
}

fn number(pid: &str) -> Result<u32, Error> {
    pid.parse().map_err(|_| {
        Error::new(ExitStatus::Usage, format!("`{}` is not a process id", printable(pid)))
            .with_hint("`ps` and `monopoll plan` show process ids; COMMAND goes after `--`")
    })
}

fn not_found(pid: u32) -> Error {
    let what = match machine::process_id(pid) {
        None => format!("no process with pid {pid} is visible from here"),
        Some(_) => {
            format!("cannot read pid {pid}: it has ended, or it is blocked in the kernel")
        }
    };
    Error::new(ExitStatus::Usage, what)
        .with_hint("`monopoll plan` lists the conflicts, `ps` all processes")
}

/// Returns each process to explain once: the roots of conflicts, and the processes not touched.
fn concerned(plan: &Plan) -> Vec<u32> {
    let roots = plan.conflicts.iter().filter_map(|conflict| conflict.root.as_ref());
    let shielded = plan.shielded.iter().map(|it| &it.process);
    let mut seen = BTreeSet::new();
    roots
        .chain(shielded)
        .chain(&plan.suspects)
        .chain(plan.near_misses.iter().map(|it| &it.process))
        .map(|process| process.id.pid)
        .filter(|pid| seen.insert(*pid))
        .collect()
}

fn command_match(command: &Command) -> CommandMatch {
    CommandMatch {
        program: match (&command.file, command.runs.target.without_file()) {
            (Some(file), _) => file.clone(),
            (None, Some(target)) => target.into(),
            (None, None) => command.target_name().into(),
        },
        args: command.runs.args.iter().map(|it| it.to_string_lossy().into_owned()).collect(),
        cwd: command.runs_in.clone(),
    }
}
