//! Runs a child under a guard, like `monopoll run`.
#![expect(clippy::disallowed_methods, reason = "the executable and the folder are read here, once")]

use std::env;
use std::ffi::OsString;

use tracing::{info, warn};

use crate::config::Config;
use crate::error::{Error, ExitStatus};
use crate::guard::instance_name;
use crate::guard::start;
use crate::guard::start_request::{Cancellation, OwnPrograms, StartRequest};
use crate::guard::token_lookup;
use crate::library::event_observer::{EventObserver, on_follow_up, warn_of_lock_event};
use crate::report::hints::OptionsIn;
use crate::report::{reasons, start_errors};
use crate::scan::command::Command;
use crate::supervise::{GuardEvent, run_child};
use crate::text::count;

/// Runs `command` like `monopoll run`: resolves conflicts by policy, holds the instance, forwards
/// signals, and returns the exit status of the command after its whole process tree has ended.
///
/// Takes over the signals of this process. Must be called on the main thread, because the child is
/// tied to the life of the calling thread, and before other threads are started.
///
/// # Errors
/// Fails if the command was not started, or if a newer start took over the instance.
/// [`Error::status`] is the status to exit with.
pub fn run(config: &Config, command: Vec<OsString>) -> Result<ExitStatus, Error> {
    let cwd = env::current_dir().map_err(|error| {
        Error::from_io(ExitStatus::Usage, "cannot read the working directory", error)
    })?;
    let command = Command::find(command, cwd)?;
    let tokens = token_lookup::own_tokens(config, Some(&command))?;
    let instance = instance_name::instance(config, &tokens, Some(&command))
        .ok_or_else(|| instance_name::not_named(config, Some(&command), ""))?;
    let request = StartRequest::new(
        config.clone(),
        instance,
        Some(command.clone()),
        tokens,
        OwnPrograms::of_the_tool(),
        start_errors::give_up,
    )?;
    request.require_script()?;
    let instance = &request.instance;
    let acquired = start::start(&request, Cancellation::Signals, &mut EventObserver { instance })
        .map_err(|not_started| {
        start_errors::error(instance, not_started, OptionsIn::EnsureCall)
    })?;
    let mut on_event = |event| match event {
        GuardEvent::LeftBehind(number) => {
            let processes = count(number, "process", "processes");
            info!(
                count = number,
                "{instance}: ending the {processes} that the command left running"
            );
        }
        GuardEvent::Stuck(gave_up) => warn!("{instance}: {}", reasons::gave_up(gave_up, None)),
        GuardEvent::Lock(event) => warn_of_lock_event(instance, &event),
    };
    run_child(acquired, &request, &command, &mut on_event, on_follow_up(instance))
}
