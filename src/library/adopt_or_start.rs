//! Acquires an instance for the program that uses the library, or adopts the guard above it.
#![expect(
    clippy::disallowed_methods,
    reason = "this program and the guard above it are read here, once"
)]

use std::env;

use tracing::info;

use crate::config::Config;
use crate::error::{Error, ExitStatus};
use crate::guard::instance_name;
use crate::guard::parent_guard::guard_of_this_program;
use crate::guard::start::{self, Acquired, StartingGuard};
use crate::guard::start_request::{Cancellation, OwnPrograms, StartRequest};
use crate::guard::token_lookup;
use crate::library::event_observer::{EventObserver, on_follow_up};
use crate::library::guard_thread::{AdoptedGuard, OwnGuard, ThreadGuard};
use crate::library::in_process_claim::InProcessClaim;
use crate::report::hints::OptionsIn;
use crate::report::start_errors;
use crate::scan::command::Command;
use crate::sys::machine::poll::Poller;

pub(super) fn adopt_or_start(
    config: &Config,
    poller: Poller,
) -> Result<(ThreadGuard, Poller), Error> {
    for note in &config.notes {
        info!("{note}");
    }
    let tokens = token_lookup::own_tokens(config, None);
    let named =
        tokens.as_ref().ok().and_then(|tokens| instance_name::instance(config, tokens, None));
    if let Some((instance, guard, lock)) = guard_of_this_program(named.as_ref()) {
        info!(
            "{instance}: held by the `monopoll run` that started this program (pid {})",
            guard.id.pid
        );
        let claim = InProcessClaim::new(instance)?;
        return Ok((ThreadGuard::Adopted(AdoptedGuard { claim, guard, lock }), poller));
    }
    let tokens = tokens?;
    let instance = named.ok_or_else(|| instance_name::not_named(config, None, ""))?;
    let claim = InProcessClaim::new(instance.clone())?;
    let command = this_program()?;
    let programs = OwnPrograms {
        tool_name: Some(format!("monopoll{}", env::consts::EXE_SUFFIX).into()),
        library_exe: Some(command.program.clone()),
    };
    let (config, command, give_up) = (config.clone(), Some(command), start_errors::give_up);
    let request = StartRequest::new(config, instance, command, tokens, programs, give_up)?;
    let mut observer = EventObserver { instance: &request.instance };
    let mut acquired = start::start(&request, Cancellation::Program(poller), &mut observer)
        .map_err(|error| start_errors::error(&request.instance, error, OptionsIn::EnsureCall))?;
    acquired.guard.record_running(None);
    let scans = acquired.guard.follow_up(&request, None, on_follow_up(&request.instance));
    let Acquired { guard: StartingGuard { monitor, .. }, poller, .. } = acquired;
    Ok((ThreadGuard::Own(Box::new(OwnGuard::new(claim, monitor, scans))), poller))
}

fn this_program() -> Result<Command, Error> {
    let unknown = |what: &str, error: std::io::Error| {
        Error::from_io(ExitStatus::Fault, format!("cannot determine {what}"), error)
    };
    let program =
        env::current_exe().map_err(|error| unknown("this program's executable", error))?;
    let cwd = env::current_dir().map_err(|error| unknown("the working directory", error))?;
    Ok(Command::of_this_process(env::args_os().collect(), program, cwd))
}
