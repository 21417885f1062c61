//! Standard output and standard error. Secrets are masked, and color is used only on a terminal.
#![expect(clippy::disallowed_methods, reason = "NO_COLOR is read here")]

use std::env;
use std::io::IsTerminal;

use serde::Serialize;

use crate::cli::{Common, terminal_line};
use crate::engine::action::SameToken;
use crate::error::{Error, ExitStatus};
use crate::guard::start_request::StartRequest;
use crate::report::{Context, plan_json};
use crate::sys::{clock, host_names};
use crate::text::{Paint, mask_secrets, short_command_line};

/// The stream for a plan, and the meaning of its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlanOutput {
    /// `plan`: write to standard output.
    Plan,
    /// `plan --detailed-exitcode`: the exit status tells whether a start would act or start at
    /// once.
    DetailedExitCode,
    /// `run --dry-run`: write text for people to standard error.
    DryRun,
}

/// Writes lines to standard error, with secrets masked. Ignores errors: if standard error is full
/// or closed, neither a start nor a guard may fail halfway.
pub fn print_to_stderr(text: impl std::fmt::Display) {
    terminal_line::write(&format!("{}\n", mask_secrets(&text.to_string())));
}

/// Writes to standard output, with secrets masked. A closed pipe is not an error.
pub(super) fn print(text: &str) -> Result<ExitStatus, Error> {
    use std::io::Write;
    match writeln!(std::io::stdout(), "{}", mask_secrets(text.trim_end_matches('\n'))) {
        Ok(()) => Ok(ExitStatus::Done),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitStatus::Done),
        Err(error) => {
            Err(Error::from_source(ExitStatus::Fault, "cannot write standard output", error))
        }
    }
}

/// Returns what "no conflicts" does not cover: without COMMAND, no process is compared with it.
pub(super) fn blind_spot(request: &StartRequest) -> Option<&'static str> {
    if request.command.is_some() || !request.config.policy.matches.is_empty() {
        return None;
    }
    Some(match (&request.tokens.mine, request.config.policy.same_token) {
        (None, _) | (Some(_), SameToken::Off) => {
            "without COMMAND no running bot can be recognized: only the lock was checked"
        }
        (Some(_), SameToken::Refuse | SameToken::Act | SameToken::Warn) => {
            "without COMMAND no running bot can be recognized by it: only the lock and the tokens \
             on command lines were checked"
        }
    })
}

/// Prints the blind spot, if any, below a plan. With `--json` it is logged instead, because the
/// document has no place for it.
pub(super) fn print_blind_spot(
    common: &Common,
    request: &StartRequest,
    target: PlanOutput,
) -> Result<(), Error> {
    let Some(sentence) = blind_spot(request) else { return Ok(()) };
    if common.json {
        tracing::warn!("{sentence}");
        return Ok(());
    }
    let mut letters = sentence.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    print_line(&format!("{first}{}.", letters.as_str()), target)
}

pub(super) fn print_line(line: &str, target: PlanOutput) -> Result<(), Error> {
    match target {
        PlanOutput::DryRun => print_to_stderr(line),
        PlanOutput::Plan | PlanOutput::DetailedExitCode => drop(print(line)?),
    }
    Ok(())
}

#[expect(clippy::disallowed_types, reason = "turns ages into times that are printed")]
pub(super) fn context<'a>(
    request: &StartRequest,
    origin: &'a dyn Fn(&str) -> String,
) -> Context<'a> {
    Context {
        instance: request.instance.to_string(),
        command: typed_command(request),
        profile: request.config.profile.clone(),
        purpose: request.config.policy.purpose,
        host: host_names::host_name(),
        now_wall: clock::WallClock::now(),
        origin,
    }
}

/// Returns COMMAND as typed, shortened.
pub(super) fn typed_command(request: &StartRequest) -> Option<String> {
    const WIDTH: usize = 80;
    request.command.as_ref().map(|command| short_command_line(&command.text(), WIDTH))
}

pub(super) fn print_json(document: &impl Serialize) -> Result<ExitStatus, Error> {
    let text = plan_json::to_text(document).map_err(|error| {
        Error::from_source(ExitStatus::Fault, "cannot write the JSON document", error)
    })?;
    print(&text)
}

/// Returns the place where a key's value is written. Rules are given as `rules.NAME`.
pub(super) fn origin(request: &StartRequest, key: &str) -> String {
    let rules = &request.config.policy.rules;
    let rule =
        key.strip_prefix("rules.").and_then(|name| rules.iter().position(|rule| rule.name == name));
    match rule {
        Some(index) => request.config.origin(&format!("rules[{index}]")).to_string(),
        None => request.config.origin(key).to_string(),
    }
}

pub(super) fn paint(stream: &impl IsTerminal) -> Paint {
    // See no-color.org: it applies if set and not empty.
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stream.is_terminal() && !plain { Paint::Color } else { Paint::Plain }
}
