//! `monopoll plan` and `run --dry-run`: the very plan that would be carried out, printed; nothing
//! is touched.

use std::ffi::OsString;

use crate::cli::output::{self, PlanOutput};
use crate::cli::{Common, dry_run, prepare};
use crate::engine::plan::Plan;
use crate::engine::reason::Verdict;
use crate::error::{Error, ExitStatus};
use crate::guard::start_request::StartRequest;
use crate::report::{plan_json, plan_text, reasons};
use crate::telegram::{Preflight, PreflightReport};

pub(super) fn run(
    common: &Common,
    command: Vec<OsString>,
    target: PlanOutput,
) -> Result<ExitStatus, Error> {
    let start = prepare::request(common, command)?;
    start.require_script()?;
    let preflight = Preflight::begin(&start.config.settings.telegram, start.tokens.mine.as_ref());
    let mut plan = dry_run::plan_of(&start)?;
    let report = preflight.filter(|_| plan.refusal.is_none()).map(|preflight| preflight.report());
    if let Some(PreflightReport::Refusal(objection)) = &report {
        plan.refuse(objection.clone());
    }
    show(common, &start, &plan, target)?;
    if plan.verdict() == Verdict::Clear {
        output::print_blind_spot(common, &start, target)?;
    }
    let starts = plan.refusal.is_none();
    if starts && !common.json && start.command.is_some() && start.knows_only_the_command() {
        output::below(
            "\nNo bot token is known, so only this exact command is recognized.",
            target,
        )?;
    }
    if let Some(report) = report {
        remark(common, report, target)?;
    }
    let (status, why) = match plan.verdict() {
        Verdict::Refuse(refusal) => (refusal.exit_status_without_start(), "would refuse to start"),
        Verdict::Act | Verdict::Wait if target == PlanOutput::DetailedExitCode => {
            (ExitStatus::WouldAct, "would start after ending or waiting for conflicts")
        }
        Verdict::Act | Verdict::Wait | Verdict::Clear => return Ok(ExitStatus::Done),
    };
    Err(Error::new(status, verdict(common, &start, why, &plan)))
}

/// The last line of an error: with the reason where standard output is a document.
pub(super) fn verdict(common: &Common, start: &StartRequest, what: &str, plan: &Plan) -> String {
    let instance = &start.instance;
    if common.json {
        format!("{instance}: {what}: {}", reasons::plan_reason(plan))
    } else {
        format!("{instance}: {what}")
    }
}

pub(super) fn show(
    common: &Common,
    start: &StartRequest,
    plan: &Plan,
    target: PlanOutput,
) -> Result<(), Error> {
    let origin = |key: &str| output::origin(start, key);
    let context = output::context(start, &origin);
    if common.json {
        return output::print_json(&plan_json::document(plan, &context)).map(drop);
    }
    let paint = match target {
        PlanOutput::DryRun => output::paint(&std::io::stderr()),
        PlanOutput::Plan | PlanOutput::DetailedExitCode => output::paint(&std::io::stdout()),
    };
    output::below(plan_text::text(plan, &context, paint).trim_end(), target)
}

/// Prints Telegram's answer below the plan. A JSON document has no place for it: there it is an
/// event.
fn remark(common: &Common, report: PreflightReport, target: PlanOutput) -> Result<(), Error> {
    match report {
        // The plan says it.
        PreflightReport::Refusal(_) => {}
        PreflightReport::Fine(sentence) if common.json => tracing::debug!("{sentence}"),
        PreflightReport::Warning(sentence) if common.json => tracing::warn!("{sentence}"),
        PreflightReport::Fine(sentence) | PreflightReport::Warning(sentence) => {
            return output::below(&format!("\nTelegram: {sentence}."), target);
        }
    }
    Ok(())
}
