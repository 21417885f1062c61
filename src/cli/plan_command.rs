//! `monopoll plan` and `run --dry-run`: print the plan that a start would carry out, and change
//! nothing.

use std::ffi::OsString;

use clap::Args;

use crate::cli::output::{self, PlanOutput};
use crate::cli::{Common, dry_run, prepare};
use crate::engine::plan::Plan;
use crate::engine::reason::Verdict;
use crate::error::{Error, ExitStatus};
use crate::guard::start_request::StartRequest;
use crate::report::{plan_json, plan_text, reasons};
use crate::telegram::{Preflight, PreflightReport};

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Exit with 2 if `run` would first end a process or wait
    #[arg(long)]
    detailed_exitcode: bool,
    /// The bot's program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(super) fn run(common: &Common, args: PlanArgs) -> Result<ExitStatus, Error> {
    let target =
        if args.detailed_exitcode { PlanOutput::DetailedExitCode } else { PlanOutput::Plan };
    print_plan(common, args.command, target)
}

pub(super) fn print_plan(
    common: &Common,
    command: Vec<OsString>,
    target: PlanOutput,
) -> Result<ExitStatus, Error> {
    let request = prepare::request(common, command)?;
    request.require_script()?;
    let preflight =
        Preflight::begin(&request.config.settings.telegram, request.tokens.mine.as_ref());
    let mut plan = dry_run::plan_of(&request)?;
    let report = preflight.filter(|_| plan.refusal.is_none()).map(|preflight| preflight.report());
    if let Some(PreflightReport::Refusal(objection)) = &report {
        plan.refuse(objection.clone());
    }
    show(common, &request, &plan, target)?;
    if plan.verdict() == Verdict::Clear {
        output::print_blind_spot(common, &request, target)?;
    }
    let starts = plan.refusal.is_none();
    if starts && !common.json && request.command.is_some() && request.knows_only_the_command() {
        let variable = request.config.suggested_token_variable();
        output::print_line(
            &format!(
                "\nNo bot token found, so only this exact command is recognized: set {variable}."
            ),
            target,
        )?;
    }
    if let Some(report) = report {
        print_preflight(common, report, target)?;
    }
    let (status, why) = match plan.verdict() {
        Verdict::Refuse(refusal) => (refusal.exit_status_without_start(), "would refuse to start"),
        Verdict::Act | Verdict::Wait if target == PlanOutput::DetailedExitCode => {
            (ExitStatus::WouldAct, "would start after ending or waiting for conflicts")
        }
        Verdict::Act | Verdict::Wait | Verdict::Clear => return Ok(ExitStatus::Done),
    };
    Err(Error::new(status, verdict(common, &request, why, &plan)))
}

/// Returns the last line of an error. Includes the reason if standard output is a document.
pub(super) fn verdict(common: &Common, request: &StartRequest, what: &str, plan: &Plan) -> String {
    let instance = &request.instance;
    if common.json {
        format!("{instance}: {what}: {}", reasons::plan_reason(plan, request.config.policy.purpose))
    } else {
        format!("{instance}: {what}")
    }
}

pub(super) fn show(
    common: &Common,
    request: &StartRequest,
    plan: &Plan,
    target: PlanOutput,
) -> Result<(), Error> {
    let origin = |key: &str| output::origin(request, key);
    let context = output::context(request, &origin);
    if common.json {
        return output::print_json(&plan_json::document(plan, &context)).map(drop);
    }
    let paint = match target {
        PlanOutput::DryRun => output::paint(&std::io::stderr()),
        PlanOutput::Plan | PlanOutput::DetailedExitCode => output::paint(&std::io::stdout()),
    };
    output::print_line(plan_text::text(plan, &context, paint).trim_end(), target)
}

/// Prints Telegram's answer below the plan. With `--json` it is logged instead, because the
/// document has no place for it.
fn print_preflight(
    common: &Common,
    report: PreflightReport,
    target: PlanOutput,
) -> Result<(), Error> {
    match report {
        // The plan already includes the refusal.
        PreflightReport::Refusal(_) => {}
        PreflightReport::Fine(sentence) if common.json => tracing::debug!("{sentence}"),
        PreflightReport::Warning(sentence) if common.json => tracing::warn!("{sentence}"),
        PreflightReport::Fine(sentence) | PreflightReport::Warning(sentence) => {
            return output::print_line(&format!("\nTelegram: {sentence}."), target);
        }
    }
    Ok(())
}
