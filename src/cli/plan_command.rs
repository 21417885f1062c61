//! `monopoll plan` and `run --dry-run`: the very plan that would be carried out, printed; nothing
//! is touched.
#![expect(clippy::disallowed_methods, reason = "NO_COLOR is read here")]

use std::{env, ffi::OsString, io::IsTerminal, path::PathBuf};

use serde::Serialize;

use crate::{
    cli::{Common, prepare::PreparedStart, print, say},
    engine::{
        decide::decide,
        plan::Plan,
        policy::Policy,
        reason::{Refusal, Verdict},
        snapshot::Snapshot,
        start_history::History,
    },
    error::{Error, ExitStatus},
    guard::lock_set::{Existing, LockSet},
    report::{Context, plan_json, plan_text, reasons, trace},
    scan::{
        lock_probe::{LockProbe, ScanScope, StartState},
        machine::{self, Machine},
    },
    state::{folder::MissingFolder, history_file},
    sys::clock,
    telegram::{Preflight, PreflightReport},
    text::Paint,
};

/// For whom the plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlanOutput {
    /// `plan`: to standard output.
    Plainly,
    /// `plan --detailed-exitcode`: the exit status tells acting from starting at once.
    InDetail,
    /// `run --dry-run`: what a person reads goes to standard error.
    ByRun,
}

/// Looks, decides and says so.
///
/// # Errors
/// Something is wrong beforehand, as it would be for `run`.
pub(super) fn run(
    common: &Common,
    command: Vec<OsString>,
    said: PlanOutput,
) -> Result<ExitStatus, Error> {
    let start = PreparedStart::prepare(common, command)?;
    start.insist_on_the_script()?;
    let preflight = Preflight::set_out(&start.config.telegram, start.token.as_ref());
    let mut plan = look(&start)?;
    let report = preflight.filter(|_| !plan.is_refusal()).map(|preflight| preflight.report());
    if let Some(PreflightReport::Objection(objection)) = &report {
        plan.refuse(objection.clone());
    }
    show(common, &start, &plan, said)?;
    if let (Verdict::Clear, Some(reservation)) = (plan.verdict(), start.reservation()) {
        aside(common, reservation, said)?;
    }
    if let Some(report) = report {
        remark(common, report, said)?;
    }
    let (status, why) = match plan.verdict() {
        Verdict::Refuse(Refusal::Permission) => (ExitStatus::Permission, "would refuse to start"),
        Verdict::Refuse(Refusal::Policy | Refusal::Storm | Refusal::Superseded) => {
            (ExitStatus::Refused, "would refuse to start")
        }
        Verdict::Act | Verdict::Wait if said == PlanOutput::InDetail => {
            (ExitStatus::WouldAct, "would start after killing or waiting")
        }
        Verdict::Act | Verdict::Wait | Verdict::Clear => return Ok(ExitStatus::Done),
    };
    Err(Error::new(status, verdict(common, &start, why, &plan)))
}

/// The line that an error ends with: beside a document it says why, beside a text that has been
/// said.
pub(super) fn verdict(common: &Common, start: &PreparedStart, what: &str, plan: &Plan) -> String {
    let instance = &start.instance;
    if common.json {
        format!("{instance}: {what}: {}", reasons::plan_reason(&plan.reason))
    } else {
        format!("{instance}: {what}")
    }
}

/// Prints a plan.
pub(super) fn show(
    common: &Common,
    start: &PreparedStart,
    plan: &Plan,
    said: PlanOutput,
) -> Result<(), Error> {
    let origin = |key: &str| origin(start, key);
    let context = context(start, &origin);
    if common.json {
        print(&document(&plan_json::document(plan, &context))?)?;
        return Ok(());
    }
    let plan = &told(common, plan);
    if said == PlanOutput::ByRun {
        say(plan_text::text(plan, &context, paint(&std::io::stderr())).trim_end());
    } else {
        print(&plan_text::text(plan, &context, paint(&std::io::stdout())))?;
    }
    Ok(())
}

/// What a person is told of a plan: whoever has every reason to carry the token only with `-v`.
pub(super) fn told(common: &Common, plan: &Plan) -> Plan {
    let mut told = plan.clone();
    if common.verbose == 0 {
        told.suspects.retain(|suspect| !suspect.is_expected());
    }
    told
}

/// What Telegram said, below the plan. The document has no place for it: there it is an event.
fn remark(common: &Common, report: PreflightReport, said: PlanOutput) -> Result<(), Error> {
    match report {
        // The plan says it.
        PreflightReport::Objection(_) => {}
        PreflightReport::Fine(sentence) if common.json => tracing::debug!("{sentence}"),
        PreflightReport::Odd(sentence) if common.json => tracing::warn!("{sentence}"),
        PreflightReport::Fine(sentence) | PreflightReport::Odd(sentence) => {
            return below(&format!("\nTelegram: {sentence}."), said);
        }
    }
    Ok(())
}

/// A sentence that goes with a plan. The document has no place for it either.
pub(super) fn aside(common: &Common, sentence: &str, said: PlanOutput) -> Result<(), Error> {
    if common.json {
        tracing::warn!("{sentence}");
        return Ok(());
    }
    let mut letters = sentence.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    below(&format!("{first}{}.", letters.as_str()), said)
}

/// A line where the plan was said.
fn below(line: &str, said: PlanOutput) -> Result<(), Error> {
    match said {
        PlanOutput::ByRun => say(line),
        PlanOutput::Plainly | PlanOutput::InDetail => drop(print(line)?),
    }
    Ok(())
}

/// What a report needs to know beside what was seen.
pub(super) fn context<'a>(
    start: &PreparedStart,
    origin: &'a dyn Fn(&str) -> String,
) -> Context<'a> {
    Context {
        instance: start.instance.to_string(),
        profile: start.config.profile.clone(),
        purpose: start.config.policy.purpose,
        host: machine::host_name(),
        now_wall: clock::wall(),
        origin,
    }
}

/// A document as it is printed.
pub(super) fn document(document: &impl Serialize) -> Result<String, Error> {
    plan_json::to_text(document).map_err(|error| {
        Error::from_source(ExitStatus::Fault, "the document cannot be written", error)
    })
}

/// The plan of this moment; nothing is touched.
pub(super) fn look(start: &PreparedStart) -> Result<Plan, Error> {
    let mut machine = Machine::new(start.query()).map_err(machine::blind)?;
    let place = LockSet::find(&start.locks, MissingFolder::Leave)?;
    seen(&mut machine, place.as_ref(), &start.locks, &start.config.policy)
}

/// The plan for the locks that are, or would be, in this place.
pub(super) fn seen(
    machine: &mut Machine,
    place: Option<&LockSet>,
    locks: &[PathBuf],
    policy: &Policy,
) -> Result<Plan, Error> {
    let began = clock::patience();
    let snapshot = snapshot(machine, place, locks)?;
    let plan = decide(policy, &snapshot);
    trace::looked(&snapshot, &plan, clock::patience().saturating_sub(began));
    Ok(plan)
}

/// What a start would see of them; nothing is touched.
pub(super) fn snapshot(
    machine: &mut Machine,
    place: Option<&LockSet>,
    locks: &[PathBuf],
) -> Result<Snapshot, Error> {
    let existing = place.map(LockSet::existing_locks).transpose()?;
    let sights: Vec<LockProbe<'_>> = match &existing {
        Some(existing) => existing.iter().map(Existing::sight).collect(),
        None => locks.iter().map(|path| LockProbe::Missing(path)).collect(),
    };
    let beside = place.map(|place| place.beside().as_ref());
    let tries = beside
        .map(|beside| history_file::of_this_boot(beside, machine.whereabouts()))
        .unwrap_or_default();
    let standing =
        StartState { history: History { tries, ..History::default() }, ..StartState::default() };
    machine.look(&sights, beside, &standing, ScanScope::Everybody).map_err(machine::blind)
}

/// Where a key's value was written; a rule is asked for by its name.
pub(super) fn origin(start: &PreparedStart, key: &str) -> String {
    let rules = &start.config.policy.rules;
    let rule =
        key.strip_prefix("rules.").and_then(|name| rules.iter().position(|rule| rule.name == name));
    match rule {
        Some(index) => start.config.origin(&format!("rules[{index}]")).to_string(),
        None => start.config.origin(key).to_string(),
    }
}

/// Whether there is colour on this stream.
pub(super) fn paint(stream: &impl IsTerminal) -> Paint {
    // no-color.org: present and not empty.
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stream.is_terminal() && !plain { Paint::Color } else { Paint::Plain }
}
