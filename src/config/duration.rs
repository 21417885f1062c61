//! Durations as people write them: `10s`, `1m 30s`, `forever`.

use std::ops::Deref;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::parsed_text::{NumberHint, TextValue};
use crate::config::problem::Fault;
use crate::config::spanned_value::Value;
use crate::engine::ladder::WaitLimit;
use crate::text::{closest_name, quote};

/// A longer duration must be a typo. The limit also keeps sums from overflowing.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct HumanDuration(
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    Duration,
);

impl HumanDuration {
    pub(super) const fn from_secs(seconds: u64) -> HumanDuration {
        HumanDuration(Duration::from_secs(seconds))
    }
}

impl Deref for HumanDuration {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl TextValue for HumanDuration {
    const NUMBER_HINT: NumberHint = NumberHint::Seconds;

    const HINT: &'static str = "write a duration such as \"10s\", \"1m 30s\" or \"250ms\"";

    fn parse(text: &str) -> Result<HumanDuration, Fault> {
        use humantime::DurationError as E;
        let fault = match humantime::parse_duration(text) {
            Ok(duration) if duration <= LONGEST => return Ok(HumanDuration(duration)),
            Ok(_) => Fault::of(text, "is longer than ten years"),
            Err(E::NumberOverflow) => Fault::of(text, "is out of range"),
            Err(E::Empty) => Fault::new("is empty"),
            Err(E::UnknownUnit { unit, value, .. }) if unit.is_empty() => {
                return Err(Fault::of(text, "has no unit").help(format!(
                    "write \"{value}s\" for seconds, \"{value}ms\" for milliseconds"
                )));
            }
            Err(E::UnknownUnit { unit, start, end, .. }) => {
                let fault = Fault::of(text, format_args!("has an unknown unit {}", quote(&unit)));
                return Err(fault.part(start..end).help("the units are ms, s, m, h and d"));
            }
            Err(E::InvalidCharacter(_) | E::NumberExpected(_)) => {
                Fault::of(text, "is not a duration")
            }
        };
        Err(fault.help(Self::HINT))
    }
}

pub(super) fn is_not_zero(duration: &Value) -> Option<Fault> {
    let Value::Text(text) = duration else { return None };
    if HumanDuration::parse(text).ok()? != HumanDuration(Duration::ZERO) {
        return None;
    }
    Some(Fault::of(text, "is zero").help("write more than zero, such as \"30s\""))
}

impl TextValue for WaitLimit {
    const NUMBER_HINT: NumberHint = NumberHint::Seconds;

    fn hint() -> String {
        format!("{}, or \"forever\"", HumanDuration::HINT)
    }

    fn parse(text: &str) -> Result<WaitLimit, Fault> {
        if text == "forever" {
            return Ok(WaitLimit::Forever);
        }
        if closest_name(text, ["forever"]).is_some() {
            return Err(Fault::of(text, "is unknown").help("did you mean `forever`?"));
        }
        HumanDuration::parse(text).map(|duration| WaitLimit::For(*duration)).map_err(|fault| {
            let help = fault.help.as_ref().map(|help| format!("{help}, or \"forever\""));
            Fault { help, ..fault }
        })
    }
}
