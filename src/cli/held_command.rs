//! `monopoll held`: the question of the Python package's `ensure()`, whether the process that
//! calls it already runs under a guard.

use crate::cli::output::print;
use crate::error::{Error, ExitStatus};
use crate::guard::guard_above::guard_of_this_program;

/// Prints the instance that a guard above this process holds.
pub(super) fn run() -> Result<ExitStatus, Error> {
    let Some((instance, ..)) = guard_of_this_program(None) else {
        return Err(Error::new(ExitStatus::NotRunning, "no guard above this process"));
    };
    print(instance.as_str())?;
    Ok(ExitStatus::Done)
}
