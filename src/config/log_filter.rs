//! The log filter: a level, or a level for each target (the path of a module).

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::config::parsed_text::TextValue;
use crate::config::problem::Fault;
use crate::text::{closest_name, join_and};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

const OURS: &str = "monopoll";

impl TextValue for Targets {
    fn hint() -> String {
        format!(
            "the levels are {}; or write levels by target, such as \"info,monopoll::scan=trace\"",
            join_and(LEVELS)
        )
    }

    fn parse(text: &str) -> Result<Targets, Fault> {
        let mut filter = Targets::new();
        for part in text.split(',').map(str::trim) {
            filter = match part.split_once('=') {
                Some((name, at)) => filter.with_target(target(name.trim())?, level(at.trim())?),
                // As always in tracing, a target without a level logs everything.
                None if part.starts_with(OURS) => {
                    filter.with_target(target(part)?, LevelFilter::TRACE)
                }
                None => filter.with_default(level(part)?),
            };
        }
        Ok(filter)
    }
}

fn level(word: &str) -> Result<LevelFilter, Fault> {
    // tracing would read an empty word as `error`.
    if word.is_empty() {
        return Err(Fault::new("a level is missing").help(Targets::hint()));
    }
    word.parse().map_err(|_| {
        let fault = Fault::of(word, "is not a level");
        match closest_name(word, LEVELS) {
            Some(near) => fault.help(format!("did you mean `{near}`? {}", Targets::hint())),
            None => fault.help(Targets::hint()),
        }
    })
}

/// Checks the path of a module. tracing would silently ignore a filter on spans or fields.
fn target(target: &str) -> Result<&str, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':');
    if !target.is_empty() && target.chars().all(plain) {
        return Ok(target);
    }
    Err(Fault::of(target, "is not a target").help(Targets::hint()))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_filter_is_a_level_or_levels_by_target() {
        for (text, target, debug, trace) in [
            ("info", "monopoll", false, false),
            ("DEBUG", "monopoll::scan", true, false),
            ("5", "anything", true, true),
            ("warn, monopoll::scan = trace", "monopoll::scan::linux", true, true),
            ("warn,monopoll::scan=trace", "monopoll::cli", false, false),
            ("monopoll=debug,info", "monopoll::cli", true, false),
            ("monopoll::guard", "monopoll::guard::attempt", true, true),
            ("off", "monopoll", false, false),
        ] {
            let filter = Targets::parse(text).unwrap();
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
            ("hyper", "`hyper` is not a level"),
            ("=debug", "`` is not a target"),
            ("[look]=debug", "`[look]` is not a target"),
            ("monopoll[look{pid=1}]=debug", "`monopoll[look{pid` is not a target"),
        ] {
            assert_eq!(Targets::parse(text).unwrap_err().message, expected, "{text}");
        }
    }
}
