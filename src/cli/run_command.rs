//! `monopoll run`: resolves conflicts, then runs COMMAND while holding the lock.

use std::ffi::OsString;

use crate::cli::{Common, prepare, start_messages};
use crate::error::{Error, ExitStatus};
use crate::guard::start;
use crate::guard::start_request::Cancellation;
use crate::report;
use crate::supervise::run_child;

pub(super) fn run(common: &Common, command: Vec<OsString>) -> Result<ExitStatus, Error> {
    let request = prepare::request(common, command)?;
    let Some(command) = &request.command else {
        return Err(Error::new(ExitStatus::Usage, "COMMAND is missing")
            .with_hint("write it after `--`: `monopoll run -- python3 main.py`"));
    };
    request.require_script()?;
    let mut printer = start_messages::ProgressPrinter::new(request.config.settings.log.format);
    let acquired =
        start::start(&request, Cancellation::Signals, &mut printer).map_err(|not_started| {
            let hint = not_started.plan().and_then(report::hints::hint);
            hint.into_iter()
                .fold(report::start_errors::error(&request.instance, not_started), Error::with_hint)
        })?;
    drop(printer);
    start_messages::acquired(acquired.monitor.locks.first_path(), &request);
    run_child(acquired, &request, command, &mut start_messages::guard_event)
}
