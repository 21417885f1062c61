//! What is logged: a level, or levels by target as tracing's filters write them.
//!
//! The targets are the paths of the modules, such as `monopoll::host`. Filters on spans and fields
//! are not read: nothing here needs them.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::{
    config::problem::Fault,
    text::{closest_name, join_and, quote},
};

/// The levels, from nothing to everything.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What our targets begin with.
const OURS: &str = "monopoll";

/// What to write.
pub(crate) fn help() -> String {
    format!(
        "the levels are {}; or write levels by target, such as \"info,monopoll::host=trace\"",
        join_and(LEVELS)
    )
}

/// Reads a filter: `info`, `monopoll=debug`, `info,monopoll::host=trace`.
///
/// # Errors
/// A part of it is neither a level nor a target with one.
pub(crate) fn parse(text: &str) -> Result<Targets, Fault> {
    let mut filter = Targets::new();
    for part in text.split(',').map(str::trim) {
        filter = match part.split_once('=') {
            Some((target, at)) => filter.with_target(named(target.trim())?, level(at.trim())?),
            // As everywhere with tracing, a target without a level is one that may say everything.
            None if part.starts_with(OURS) => filter.with_target(named(part)?, LevelFilter::TRACE),
            None => filter.with_default(level(part)?),
        };
    }
    Ok(filter)
}

fn level(word: &str) -> Result<LevelFilter, Fault> {
    // What tracing itself reads is more: an empty word is `error` there.
    if word.is_empty() {
        return Err(Fault::new("a level is missing").help(help()));
    }
    word.parse().map_err(|_| {
        let fault = Fault::new(format!("{} is no level", quote(word)));
        match closest_name(word, LEVELS) {
            Some(near) => fault.help(format!("did you mean `{near}`? {}", help())),
            None => fault.help(help()),
        }
    })
}

/// A target is a module's path; whoever writes a span or a field beside it would otherwise wonder
/// why nothing is logged.
fn named(target: &str) -> Result<&str, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':');
    if !target.is_empty() && target.chars().all(plain) {
        return Ok(target);
    }
    Err(Fault::new(format!("{} is no target", quote(target))).help(help()))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_filter_is_a_level_or_levels_by_target() {
        for (text, target, debug, trace) in [
            ("info", "monopoll", false, false),
            ("DEBUG", "monopoll::host", true, false),
            ("5", "anything", true, true),
            ("warn, monopoll::host = trace", "monopoll::host::linux", true, true),
            ("warn,monopoll::host=trace", "monopoll::cli", false, false),
            ("monopoll=debug,info", "monopoll::cli", true, false),
            ("monopoll::guard", "monopoll::guard::settle", true, true),
            ("off", "monopoll", false, false),
        ] {
            let filter = parse(text).unwrap();
            let enabled = |level| filter.would_enable(target, &level);
            assert_eq!((enabled(Level::DEBUG), enabled(Level::TRACE)), (debug, trace), "{text}");
        }
    }

    #[test]
    fn what_would_silently_log_nothing_is_no_filter() {
        for (text, expected) in [
            ("", "a level is missing"),
            ("info,", "a level is missing"),
            ("monopoll=", "a level is missing"),
            ("infoo", "`infoo` is no level"),
            ("verbose", "`verbose` is no level"),
            ("hyper", "`hyper` is no level"),
            ("monopoll=loud", "`loud` is no level"),
            ("=debug", "`` is no target"),
            ("[look]=debug", "`[look]` is no target"),
            ("monopoll[look{pid=1}]=debug", "`monopoll[look{pid` is no target"),
        ] {
            assert_eq!(parse(text).unwrap_err().message, expected, "{text}");
        }
    }
}
