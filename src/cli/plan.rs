//! `monopoll plan` and `run --dry-run`: the very plan that would be carried out, printed; nothing is touched.

use std::ffi::OsString;

use super::{Common, paint, print, say, start::Start};
use crate::{
    engine::{
        decide::decide,
        plan::{Plan, Refusal, Verdict},
    },
    error::{Error, ExitStatus},
    guard::place::{Existing, Place},
    host::{
        clock,
        folder::Missing,
        look::{Sight, Standing},
        machine::{self, Machine},
    },
    report::{Context, plan_json, plan_text},
};

/// For whom the plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
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
pub(super) fn run(common: &Common, command: Vec<OsString>, said: Said) -> Result<ExitStatus, Error> {
    let start = Start::prepare(common, command)?;
    let plan = look(&start)?;
    let origin = |key: &str| origin(&start, key);
    let context = Context {
        instance: start.instance.to_string(),
        profile: start.config.profile.clone(),
        host: machine::host_name(),
        now_wall: clock::wall(),
        origin: &origin,
    };
    if common.json {
        let document = plan_json::to_text(&plan_json::document(&plan, &context))
            .map_err(|error| Error::new(ExitStatus::Fault, format!("the plan cannot be written: {error}")))?;
        print(&document)?;
    } else if said == Said::ByRun {
        say(plan_text::text(&plan, &context, paint(&std::io::stderr())).trim_end());
    } else {
        print(&plan_text::text(&plan, &context, paint(&std::io::stdout())))?;
    }
    let (status, why) = match plan.verdict {
        Verdict::Refuse(Refusal::Permission) => (ExitStatus::Permission, "would refuse to start"),
        Verdict::Refuse(Refusal::Policy | Refusal::Superseded) => (ExitStatus::Refused, "would refuse to start"),
        Verdict::Act | Verdict::Wait if said == Said::InDetail => (ExitStatus::WouldAct, "would start after killing or waiting"),
        Verdict::Act | Verdict::Wait | Verdict::Clear => return Ok(ExitStatus::Done),
    };
    Err(Error::new(status, format!("{}: {why}: {}", start.instance, plan.reason)))
}

fn look(start: &Start) -> Result<Plan, Error> {
    let mut machine = Machine::new(start.query()).map_err(|error| machine::blind(&error))?;
    let place = Place::find(&start.locks, Missing::Leave)?;
    let existing = place.as_ref().map(Place::existing_locks).transpose()?;
    let sights: Vec<Sight<'_>> = match &existing {
        Some(existing) => existing.iter().map(Existing::sight).collect(),
        None => start.locks.iter().map(|path| Sight::Missing(path)).collect(),
    };
    let beside = place.as_ref().map(|place| place.beside().as_ref());
    let snapshot = machine.look(&sights, beside, &Standing::default()).map_err(|error| machine::blind(&error))?;
    Ok(decide(&start.config.policy, &snapshot))
}

/// Where a key's value was written; a rule is asked for by its name.
fn origin(start: &Start, key: &str) -> String {
    let rules = &start.config.policy.rules;
    let rule = key.strip_prefix("rules.").and_then(|name| rules.iter().position(|rule| rule.name == name));
    match rule {
        Some(index) => start.config.origin(&format!("rules[{index}]")).to_string(),
        None => start.config.origin(key).to_string(),
    }
}
