//! The message about a command line that clap rejects: the error, a tip, the usage, and the final
//! line of every error.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};

use crate::text::command_line;

/// Returns the message about a rejected command line. `arguments` start with the program.
pub fn usage_error(error: &clap::Error, arguments: &[OsString]) -> String {
    let arguments: Vec<String> =
        arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let meant = meant(error, &arguments);
    let whole = error.render().to_string();
    let (mut lines, mut see) = (Vec::new(), "`monopoll --help`".to_owned());
    for line in whole.trim_end().lines() {
        // Everything after `--` is COMMAND, so clap's tip to pass a value that way is wrong.
        let is_wrong_tip = line.starts_with("  tip: to pass ");
        let is_other_tip = meant.is_some() && line.starts_with("  tip: ");
        if line.starts_with("For more information, try ") || is_wrong_tip || is_other_tip {
            continue;
        }
        // The name of the program varies: on Windows it ends in `.exe`.
        if let Some((_, usage)) =
            line.strip_prefix("Usage: ").and_then(|usage| usage.split_once(' '))
        {
            if let Some(meant) = &meant {
                lines.push(format!("  tip: {meant}"));
                lines.push(String::new());
            }
            let command = usage
                .split([' ', '\n'])
                .next()
                .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
            see = command.map_or(see, |command| format!("`monopoll help {command}`"));
        }
        lines.push(line.strip_prefix("error: ").unwrap_or(line).to_owned());
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    // The error has no usage, so the tip goes to the end.
    if let Some(meant) = meant.map(|meant| format!("  tip: {meant}"))
        && !lines.contains(&meant)
    {
        lines.extend([String::new(), meant]);
    }
    lines.dedup_by(|line, before| line.is_empty() && before.is_empty());
    lines.push(String::new());
    let after = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) if word == "-c" => {
            "; COMMAND goes after `--`, without quotes: `monopoll run -- python3 main.py`"
        }
        Some(ContextValue::String(word))
            if !word.starts_with('-') && whole.contains("[-- <COMMAND>...]") =>
        {
            "; COMMAND goes after `--`"
        }
        _ => "",
    };
    format!("{}monopoll: the command line is wrong{after}; see {see}", lines.join("\n"))
}

/// Returns a better guess at what was meant than clap's guess by spelling.
fn meant(error: &clap::Error, arguments: &[String]) -> Option<String> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        Some(_) | None => None,
    };
    if let Some(word) = context(ContextKind::InvalidSubcommand) {
        let is_misspelled = error.get(ContextKind::SuggestedSubcommand).is_some();
        return meant_subcommand(word, arguments, is_misspelled);
    }
    let argument = context(ContextKind::InvalidArg)?;
    match (argument.split(['=', ' ']).next()?, context(ContextKind::InvalidValue)) {
        ("--on-conflict", Some("ignore")) => {
            Some("`ignore` works only in `[[rules]]` of the configuration".to_owned())
        }
        (flag @ ("--graceful" | "--force" | "--wait" | "--refuse"), None) => {
            Some(format!("did you mean `--on-conflict {}`?", flag.trim_start_matches('-')))
        }
        _ => None,
    }
}

/// Suggests the command for another tool's subcommand, or for COMMAND without `run`.
fn meant_subcommand(word: &str, arguments: &[String], is_misspelled: bool) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == word)?;
    let (before, rest) = (arguments.get(1..at)?, arguments.get(at + 1..)?);
    let without_dashes = |words: &[String]| -> Vec<String> {
        words.iter().filter(|word| *word != "--").cloned().collect()
    };
    let (subcommand, command) = match word {
        "start" | "exec" => ("run", without_dashes(rest)),
        "restart" | "reload" => ("run --on-conflict graceful", without_dashes(rest)),
        "kill" | "end" | "terminate" => ("stop", without_dashes(rest)),
        "list" | "ls" | "ps" => ("status", without_dashes(rest)),
        _ if is_misspelled => return None,
        // The word is COMMAND itself.
        _ if before.iter().any(|word| word == "--") || !rest.is_empty() => {
            ("run", [&[word.to_owned()], rest].concat())
        }
        _ => return None,
    };
    let options = without_dashes(before);
    let options =
        if options.is_empty() { String::new() } else { format!(" {}", command_line(&options)) };
    let command =
        if command.is_empty() { String::new() } else { format!(" -- {}", command_line(&command)) };
    Some(format!("did you mean `monopoll {subcommand}{options}{command}`?"))
}
