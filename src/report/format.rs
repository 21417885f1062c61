//! Formats times and processes for people.

#![expect(clippy::disallowed_types, reason = "prints times")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::engine::fact::Fact;
use crate::engine::process::Process;
use crate::report::Context;
use crate::sys::clock;
use crate::text::{
    Paint, Style, command_line, mask_secrets, sanitize, short_command_line, truncate,
};

/// The last second that RFC 3339 can represent: 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

/// Returns the command line of a process, masked and printable. Without arguments, returns its name
/// in brackets, like `ps`.
pub(super) fn full_command(process: &Process) -> Option<String> {
    match (&process.args, &process.name) {
        (Fact::Known(args), _) if !args.is_empty() => Some(command_line(args)),
        (_, Fact::Known(name)) => Some(format!("[{}]", mask_secrets(name))),
        (_, Fact::Unknown) => None,
    }
}

const WIDEST: usize = 80;

pub(super) fn short_command(process: &Process) -> String {
    match &process.args {
        Fact::Known(args) if !args.is_empty() => short_command_line(args, WIDEST),
        Fact::Known(_) | Fact::Unknown => full_command(process)
            .map_or_else(|| "(command unknown)".to_owned(), |name| shorten(&sanitize(&name))),
    }
}

/// Returns the command line, else the name; `None` if neither can be read.
pub(super) fn known_command(process: &Process) -> Option<String> {
    match (&process.args, &process.name) {
        (Fact::Known(args), _) if !args.is_empty() => Some(short_command_line(args, WIDEST)),
        (_, Fact::Known(name)) => Some(shorten(&sanitize(name))),
        (_, Fact::Unknown) => None,
    }
}

pub(super) fn shorten(text: &str) -> String {
    truncate(text, WIDEST)
}

/// Returns the place where `key` is written, in parentheses; empty if it is not written anywhere.
pub(super) fn written_at(context: &Context<'_>, key: &str) -> String {
    match (context.origin)(key).as_str() {
        "default" if key.contains(['.', '[']) => String::new(),
        place => format!("({})", sanitize(place)),
    }
}

/// Formats a line of a report with its label.
pub(super) fn labeled(label: &str, text: &str, paint: Paint) -> String {
    format!("   {} {text}", paint.style(Style::Dim, &format!("{label:<8}")))
}

pub(super) fn instance(context: &Context<'_>, paint: Paint) -> String {
    let profile = context
        .profile
        .as_ref()
        .map_or_else(String::new, |name| format!(" (profile {})", sanitize(name)));
    format!("{}{profile}", paint.style(Style::Bold, &sanitize(&context.instance)))
}

/// Formats `seconds` since 1970 as RFC 3339; `None` if it cannot represent them.
pub(super) fn unix_rfc3339(seconds: u64) -> Option<String> {
    rfc3339(UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?)
}

/// Returns the time since a Unix time; `None` if it is in the future.
pub(super) fn age(seconds: u64, context: &Context<'_>) -> Option<String> {
    let moment = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    let age = context.now_wall.duration_since(moment).ok()?;
    Some(short_duration(Duration::from_secs(age.as_secs())))
}

/// Formats a time to the second; `None` if RFC 3339 cannot represent it.
pub(super) fn rfc3339(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds <= LAST_SECOND).then(|| humantime::format_rfc3339_seconds(time).to_string())
}

/// Formats a duration in at most two adjacent units: `3m 12s`, `2d`, `250ms`.
pub(super) fn short_duration(time: Duration) -> String {
    const UNITS: [(u64, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let millis = clock::millis(time);
    let Some(first) = UNITS.iter().position(|(unit, _)| millis >= *unit) else {
        return "0s".to_owned();
    };
    let (unit, name) = UNITS[first];
    let head = format!("{}{name}", millis / unit);
    match UNITS.get(first + 1) {
        // Milliseconds only matter below ten seconds.
        Some((smaller, name)) if millis % unit >= *smaller && (*smaller > 1 || millis < 10_000) => {
            format!("{head} {}{name}", millis % unit / smaller)
        }
        Some(_) | None => head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_two_units_at_most() {
        for (millis, expected) in [
            (0, "0s"),
            (250, "250ms"),
            (1_000, "1s"),
            (1_500, "1s 500ms"),
            (59_999, "59s"),
            (60_000, "1m"),
            (192_000, "3m 12s"),
            (3_600_000, "1h"),
            (3_605_000, "1h"),
            (90_061_000, "1d 1h"),
            (86_400_000 * 400, "400d"),
        ] {
            assert_eq!(short_duration(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn a_time_outside_the_calendar_has_no_text() {
        assert_eq!(unix_rfc3339(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(unix_rfc3339(LAST_SECOND).as_deref(), Some("9999-12-31T23:59:59Z"));
        assert_eq!(unix_rfc3339(LAST_SECOND + 1), None);
        assert_eq!(unix_rfc3339(u64::MAX), None);
        assert_eq!(UNIX_EPOCH.checked_sub(Duration::from_secs(1)).and_then(rfc3339), None);
    }
}
