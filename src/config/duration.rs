//! Durations as people write them.

use std::time::Duration;

use crate::{
    config::problem::Fault,
    engine::policy::Patience,
    text::{closest_name, quote},
};

/// What to write.
pub(crate) const HELP: &str = "write a duration such as \"10s\", \"1m 30s\" or \"250ms\"";
/// A deadline that lies further ahead is a slip, and sums of a few of these never overflow a clock.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// Reads a duration.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Duration, Fault> {
    use humantime::DurationError as E;
    let shown = quote(text);
    let fault = match humantime::parse_duration(text) {
        Ok(duration) if duration <= LONGEST => return Ok(duration),
        Ok(_) => Fault::new(format!("{shown} is longer than ten years")),
        Err(E::NumberOverflow) => {
            Fault::new(format!("{shown} is too long or too fine to be counted"))
        }
        Err(E::Empty) => Fault::new("is empty"),
        Err(E::UnknownUnit { unit, value, .. }) if unit.is_empty() => {
            return Err(Fault::new(format!("{shown} has no unit"))
                .help(format!("write \"{value}s\" for seconds, \"{value}ms\" for milliseconds")));
        }
        Err(E::UnknownUnit { unit, start, end, .. }) => {
            let fault = Fault::new(format!("{shown} has an unknown unit {}", quote(&unit)))
                .part(start..end);
            return Err(fault.help("the units are ms, s, m, h and d"));
        }
        Err(E::InvalidCharacter(_) | E::NumberExpected(_)) => {
            Fault::new(format!("{shown} is not a duration"))
        }
    };
    Err(fault.help(HELP))
}

/// Reads a duration or `forever`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn patience(text: &str) -> Result<Patience, Fault> {
    match text {
        "forever" => Ok(Patience::Forever),
        _ if closest_name(text, ["forever"]).is_some() => {
            Err(Fault::new(format!("{} is unknown", quote(text))).help("did you mean `forever`?"))
        }
        _ => parse(text).map(Patience::For).map_err(|fault| match &fault.help {
            Some(help) => Fault { help: Some(format!("{help}, or \"forever\"")), ..fault },
            None => fault,
        }),
    }
}
