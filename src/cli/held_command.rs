//! `monopoll held`: prints the instance of the guard above this process, for `ensure()` of the
//! Python package.

use crate::cli::output::print;
use crate::cli::{Common, prepare};
use crate::engine::instance::{Instance, NameSource};
use crate::error::{Error, ExitStatus};
use crate::guard::parent_guard::guard_of_this_program;
use crate::guard::token_lookup;

/// Fails with "not running" if there is no guard, and with "unguarded" if it is another bot's.
pub(super) fn run(common: &Common) -> Result<ExitStatus, Error> {
    let config = prepare::configuration(common)?;
    let Some((instance, ..)) = guard_of_this_program(None) else {
        return Err(Error::new(ExitStatus::NotRunning, "no guard above this process"));
    };
    let mine = token_lookup::own_tokens(&config, None)?.mine;
    let by_token = mine.map(|token| Instance::of_bot(token.id()));
    // A bot may start another bot, which inherits the marker. A name that somebody has chosen does
    // not tell which bot it is.
    let is_by_token = NameSource::by_form(instance.as_str()) == NameSource::Token;
    if is_by_token && by_token.is_some_and(|mine| mine != instance) {
        return Err(Error::new(
            ExitStatus::Unguarded,
            format!("the guard above this process is that of {instance}"),
        ));
    }
    print(instance.as_str())?;
    Ok(ExitStatus::Done)
}
