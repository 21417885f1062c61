//! The conditions of entries and rules as written, and the corresponding facts of a process.

use std::time::Duration;

use crate::engine::command_parts::CommandPart;
use crate::engine::condition::Condition;
use crate::engine::explain::Criterion;
use crate::engine::fact::Fact;
use crate::engine::pattern::{ContainerLimit, UserLimit};
use crate::engine::process::Process;
use crate::engine::token::{CarriedTokens, MyToken, TokenPlace};
use crate::report::format::short_duration;
use crate::text::{command_line, mask_secrets};

pub(super) fn key(criterion: &Criterion<'_>) -> &'static str {
    match criterion {
        Criterion::Part(CommandPart::Program(_)) => "program",
        Criterion::Part(CommandPart::Arguments(_)) => "arguments",
        Criterion::Part(CommandPart::Folder(_)) => "folder",
        Criterion::Condition(condition) => condition.key(),
    }
}

/// Returns the condition as written in the configuration, with secrets masked.
pub(super) fn question(criterion: &Criterion<'_>) -> String {
    let (key, wanted) = (key(criterion), wanted(criterion));
    match criterion {
        Criterion::Part(_) => format!("same {key}"),
        Criterion::Condition(
            Condition::HoldsLock(_)
            | Condition::SameToken(_)
            | Condition::Connected(_)
            | Condition::Orphaned(_)
            | Condition::Local(_),
        ) => format!("{key} = {wanted}"),
        // Single quotes need no escapes.
        Criterion::Condition(_) if wanted.contains(['\\', '"']) => format!("{key} = '{wanted}'"),
        Criterion::Condition(_) => format!("{key} = \"{wanted}\""),
    }
}

/// Returns the wanted value, with secrets masked.
pub(super) fn wanted(criterion: &Criterion<'_>) -> String {
    match criterion {
        Criterion::Part(CommandPart::Program(path) | CommandPart::Folder(path)) => {
            mask_secrets(&path.to_string_lossy())
        }
        Criterion::Part(CommandPart::Arguments(args)) => command_line(args),
        Criterion::Condition(condition) => match condition {
            Condition::Name(name) => mask_secrets(name.source()),
            Condition::Cmdline(cmdline) => mask_secrets(cmdline.source()),
            Condition::Exe(path) | Condition::Cwd(path) => mask_secrets(path.source()),
            Condition::User(UserLimit::Same) | Condition::Container(ContainerLimit::Same) => {
                "same".to_owned()
            }
            Condition::User(UserLimit::Any) | Condition::Container(ContainerLimit::Any) => {
                "any".to_owned()
            }
            Condition::User(UserLimit::Named(name)) => mask_secrets(name),
            Condition::HoldsLock(is)
            | Condition::SameToken(is)
            | Condition::Connected(is)
            | Condition::Orphaned(is)
            | Condition::Local(is) => is.to_string(),
            Condition::FoundBy(kind) => kind.to_string(),
            Condition::State(state) => state.to_string(),
            Condition::OlderThan(age) | Condition::YoungerThan(age) => exact(*age),
            Condition::ManagedBy(by) => mask_secrets(by.as_str()),
        },
    }
}

/// Formats an age as short as possible without loss.
fn exact(age: Duration) -> String {
    let short = short_duration(age);
    if humantime::parse_duration(&short) == Ok(age) {
        short
    } else {
        humantime::format_duration(age).to_string()
    }
}

/// Returns the process's value, with secrets masked; `None` if it cannot be read.
pub(super) fn fact(criterion: &Criterion<'_>, process: &Process) -> Option<String> {
    match criterion {
        Criterion::Part(CommandPart::Program(_)) => match &process.compared {
            Fact::Known(it) => Some(mask_secrets(&it.program)),
            Fact::Unknown => path(&process.exe),
        },
        Criterion::Part(CommandPart::Arguments(_)) => match &process.compared {
            Fact::Known(it) => Some(command_line(&it.args)),
            Fact::Unknown => Some(command_line(process.args.known()?.get(1..).unwrap_or_default())),
        },
        Criterion::Part(CommandPart::Folder(_)) => path(&process.cwd),
        Criterion::Condition(condition) => condition_fact(*condition, process),
    }
}

fn condition_fact(condition: Condition<'_>, process: &Process) -> Option<String> {
    match condition {
        Condition::Name(_) => process.name.known().map(|name| mask_secrets(name)),
        Condition::Cmdline(_) => process.args.known().map(|args| command_line(args)),
        Condition::Exe(_) => path(&process.exe),
        Condition::Cwd(_) => path(&process.cwd),
        Condition::User(_) => process.user.known().map(|user| mask_secrets(&user.name)),
        Condition::Container(_) => process
            .container
            .known()
            .map(|id| id.as_deref().map_or_else(|| "this one".to_owned(), mask_secrets)),
        Condition::HoldsLock(_) => {
            yes(process.holds_lock, "holds the lock", "does not hold the lock")
        }
        Condition::FoundBy(_) => {
            Some(process.found_by.map_or_else(|| "nothing".to_owned(), |kind| kind.to_string()))
        }
        Condition::SameToken(_) => token(&process.tokens),
        Condition::Connected(_) => connected(process.connected),
        Condition::Orphaned(_) => yes(process.orphaned, "orphaned", "not orphaned"),
        Condition::State(_) => process.state.known().map(ToString::to_string),
        Condition::OlderThan(_) | Condition::YoungerThan(_) => {
            process.age.known().map(|age| format!("{} old", short_duration(*age)))
        }
        Condition::ManagedBy(_) => {
            let manager = process.managed_by.known()?.as_ref();
            Some(manager.map_or_else(
                || "not managed".to_owned(),
                |manager| mask_secrets(&manager.to_string()),
            ))
        }
        Condition::Local(_) => Some("on this host".to_owned()),
    }
}

/// Describes the tokens; `None` if they cannot be read.
pub(super) fn token(tokens: &CarriedTokens) -> Option<String> {
    let mine = match tokens.mine.known()? {
        MyToken::NotLookedFor => "not compared: this start knows no bot token",
        MyToken::NotSeen => {
            "carries no visible token; a token that the bot reads from a file is not visible"
        }
        MyToken::Seen(TokenPlace::CommandLine) => "carries this bot's token on its command line",
        MyToken::Seen(TokenPlace::Environment) => "carries this bot's token in its environment",
    };
    Some(match (tokens.mine, tokens.other) {
        (Fact::Known(MyToken::Seen(_)), Fact::Known(Some(bot))) => {
            format!("{mine}, and that of bot {bot}")
        }
        (Fact::Known(MyToken::NotLookedFor), Fact::Known(Some(bot))) => {
            format!("not compared: this start knows no bot token; it carries that of bot {bot}")
        }
        (_, Fact::Known(Some(bot))) => format!("carries the token of bot {bot}"),
        (_, Fact::Known(None) | Fact::Unknown) => mine.to_owned(),
    })
}

pub(super) fn connected(connected: Fact<bool>) -> Option<String> {
    yes(connected, "connected to the Bot API", "not connected to the Bot API")
}

fn path(path: &Fact<std::path::PathBuf>) -> Option<String> {
    path.known().map(|path| mask_secrets(&path.to_string_lossy()))
}

fn yes(is: Fact<bool>, yes: &str, no: &str) -> Option<String> {
    is.known().map(|is| if *is { yes } else { no }.to_owned())
}
