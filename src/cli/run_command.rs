//! `monopoll run`: resolves conflicts, then runs COMMAND while holding the lock.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::cli::output::{self, PlanOutput};
use crate::cli::{Common, plan_command, prepare, start_messages};
use crate::engine::policy::Purpose;
use crate::error::{Error, ExitStatus};
use crate::guard::start;
use crate::guard::start_request::{Cancellation, OnYoungProcess};
use crate::report::hints::{self, OptionsIn};
use crate::report::start_errors;
use crate::supervise::run_child;

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Given by `ensure()` of the Python package, which becomes this program: other processes that
    /// run COMMAND may become it, too, and hints name the call's arguments.
    #[arg(long, hide = true)]
    from_ensure: bool,
    /// The bot's program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    #[arg(value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

pub(super) fn run(common: &Common, args: RunArgs) -> Result<ExitStatus, Error> {
    if args.dry_run {
        return plan_command::print_plan(common, args.command, PlanOutput::DryRun);
    }
    if common.json {
        return Err(Error::new(
            ExitStatus::Usage,
            "`run` prints JSON only with `--dry-run`: its standard output belongs to COMMAND",
        )
        .with_hint("add `--dry-run`, or use `monopoll plan --json`"));
    }
    let mut request = prepare::request(common, args.command)?;
    let options_in = if args.from_ensure { OptionsIn::EnsureCall } else { OptionsIn::CommandLine };
    request.on_young_process = match options_in {
        OptionsIn::CommandLine => OnYoungProcess::Decide,
        OptionsIn::EnsureCall => OnYoungProcess::Rescan,
    };
    let command = request.required_command()?;
    request.require_script()?;
    let mut printer = start_messages::ProgressPrinter::new(&request);
    let acquired =
        start::start(&request, Cancellation::Signals, &mut printer).map_err(|not_started| {
            let command = output::typed_command(&request);
            let hint = not_started
                .plan()
                .and_then(|plan| hints::hint(plan, Purpose::Start, options_in, command.as_deref()));
            let error = start_errors::error(&request.instance, not_started, options_in);
            hint.into_iter().fold(error, Error::with_hint)
        })?;
    drop(printer);
    start_messages::acquired(acquired.guard.monitor.locks.first_path(), &request);
    let on_follow_up = Box::new(start_messages::follow_up);
    run_child(acquired, &request, command, &mut start_messages::guard_event, on_follow_up)
}
