//! The types of string values: their parsing and error messages. Durations, log filters, lock paths
//! and URLs have their own files.

use std::path::PathBuf;

use regex::Regex;

use crate::config::parsed_text::{Choice, NumberHint, TextValue, unknown_word};
use crate::config::problem::Fault;
use crate::engine::action::{Action, AfterWait, OnConflict, OnLost, SameToken};
use crate::engine::evidence_kind::EvidenceKind;
use crate::engine::instance::{BadInstance, Instance};
use crate::engine::pattern::{CmdlinePattern, ContainerLimit, NamePattern, PathPattern, UserLimit};
use crate::engine::process::RunState;
use crate::engine::signal::Signal;
use crate::engine::token::Token;
use crate::text::{join_and, quote, secret_spans};

impl Choice for OnConflict {}
impl Choice for AfterWait {}
impl Choice for SameToken {}
impl Choice for Action {}
impl Choice for ContainerLimit {}
impl Choice for RunState {}
impl Choice for EvidenceKind {}
impl Choice for OnLost {}

impl TextValue for Signal {
    fn hint() -> String {
        format!("allowed are {}", join_and(Signal::ALL.map(Signal::name)))
    }

    fn parse(text: &str) -> Result<Signal, Fault> {
        let upper = text.to_uppercase();
        let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        if name == "SIGKILL" {
            return Err(Fault::of(text, "leaves no time to end gracefully")
                .help("this signal is sent first: write \"SIGTERM\", or leave the key out"));
        }
        let hint = Signal::hint();
        match Signal::ALL.into_iter().find(|signal| signal.name() == name) {
            Some(signal) if signal.name() == text => Ok(signal),
            Some(signal) => {
                Err(Fault::of(text, "is unknown").help(format!("did you mean `{signal}`? {hint}")))
            }
            None => Err(unknown_word(text, &Signal::ALL.map(Signal::name), &hint)),
        }
    }
}

impl TextValue for Instance {
    const PATTERN: Option<&'static str> = Some("^[A-Za-z0-9._-]{1,64}$");
    const NUMBER_HINT: NumberHint = NumberHint::Quoted;
    const HINT: &'static str = "write an id in quotes, such as \"voice-insight\"";

    fn parse(text: &str) -> Result<Instance, Fault> {
        let fault = match text.parse() {
            Ok(instance) => return Ok(instance),
            Err(BadInstance::Empty) => Fault::new("is empty"),
            Err(BadInstance::TooLong(length)) => {
                let most = Instance::MAX_LEN;
                Fault::of(text, format!("has {length} characters; at most {most} are allowed"))
            }
            Err(BadInstance::Character(c)) => {
                let shown = quote(&c.to_string());
                Fault::of(text, format!("has a character that is not allowed: {shown}"))
                    .part_of(text, c)
            }
            Err(BadInstance::Dots) => Fault::of(text, "has only dots, as the name of a folder"),
        };
        Err(fault.help("an instance id is 1 to 64 letters (a-z, A-Z), digits, `.`, `_` or `-`"))
    }
}

impl TextValue for NamePattern {
    const HINT: &'static str = Regex::HINT;

    fn parse(text: &str) -> Result<NamePattern, Fault> {
        if text.is_empty() {
            let help = "no process has an empty name; leave the key out to allow every name";
            return Err(empty(help));
        }
        NamePattern::new(text).map_err(|error| bad_regex(text, &error))
    }
}

impl TextValue for CmdlinePattern {
    const HINT: &'static str = Regex::HINT;

    fn parse(text: &str) -> Result<CmdlinePattern, Fault> {
        some_regex(text, CmdlinePattern::new)
    }
}

impl TextValue for Regex {
    const HINT: &'static str = "write a regular expression in quotes, such as 'main\\.py'";

    fn parse(text: &str) -> Result<Regex, Fault> {
        some_regex(text, Regex::new)
    }
}

fn some_regex<T>(text: &str, new: fn(&str) -> Result<T, regex::Error>) -> Result<T, Fault> {
    if text.is_empty() {
        return Err(Fault::new("is empty, which matches everything")
            .help("write what identifies the bot, or leave the key out"));
    }
    new(text).map_err(|error| bad_regex(text, &error))
}

fn bad_regex(text: &str, error: &regex::Error) -> Fault {
    if let regex::Error::CompiledTooBig(_) = error {
        return Fault::of(text, "is too large a regular expression").help("repeat less in it");
    }
    // The error message is a drawing; its last line has the reason.
    let drawing = error.to_string();
    let last = drawing.lines().last().unwrap_or_default();
    let why = last.trim().trim_start_matches("error: ").to_lowercase();
    Fault::of(text, format!("is not a regular expression: {why}")).help(
        "`.*` matches any text, `\\.` a dot, `\\(` a parenthesis; in single quotes each `\\` stays",
    )
}

impl TextValue for PathPattern {
    const HINT: &'static str = "write a glob in quotes, such as \"/usr/bin/python*\"";

    fn parse(text: &str) -> Result<PathPattern, Fault> {
        if text.is_empty() {
            return Err(empty("no path is empty; leave the key out to allow every path"));
        }
        PathPattern::new(text).map_err(|error| {
            Fault::of(text, format!("is not a glob: {}", error.kind())).help(
                "a glob has `*` within a folder, `**` across folders, `?`, `[abc]` and `{a,b}`",
            )
        })
    }
}

impl TextValue for UserLimit {
    const NUMBER_HINT: NumberHint = NumberHint::Quoted;
    const HINT: &'static str = "write \"same\", \"any\" or a user's name";

    fn parse(text: &str) -> Result<UserLimit, Fault> {
        one_line(text, "a user's name")?;
        Ok(match text {
            "same" => UserLimit::Same,
            "any" => UserLimit::Any,
            name => UserLimit::Named(name.to_owned()),
        })
    }
}

impl TextValue for PathBuf {
    const HINT: &'static str = "write a path in quotes, such as \".env\"";

    fn parse(text: &str) -> Result<PathBuf, Fault> {
        if text.trim().is_empty() {
            return Err(empty("write \"/dev/null\" for an empty file"));
        }
        one_line(text, "a path")?;
        Ok(PathBuf::from(text))
    }
}

impl TextValue for String {
    const NUMBER_HINT: NumberHint = NumberHint::Quoted;
    const HINT: &'static str = "write a string in quotes";

    fn parse(text: &str) -> Result<String, Fault> {
        Ok(text.to_owned())
    }

    fn split(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }
}

#[derive(Debug, Clone)]
pub struct RuleName;

impl TextValue for RuleName {
    const NUMBER_HINT: NumberHint = NumberHint::Quoted;
    const HINT: &'static str = "write a string in quotes";

    fn parse(text: &str) -> Result<RuleName, Fault> {
        one_line(text, "a name").map(|()| RuleName)
    }
}

#[derive(Debug, Clone)]
pub struct VariableName;

impl TextValue for VariableName {
    const HINT: &'static str = "write a variable's name in quotes, such as \"BOT_TOKEN\"";

    fn parse(text: &str) -> Result<VariableName, Fault> {
        if text.is_empty() {
            return Err(empty("write a variable's name, such as \"BOT_TOKEN\""));
        }
        if text.contains('=') {
            return Err(Fault::of(text, "has a `=`, which no variable's name can have")
                .part_of(text, '=')
                .help("write the name alone, never the token"));
        }
        if Token::parse(text).is_some() || !secret_spans(text).is_empty() {
            // Do not quote it: a token too short to be masked is still a secret.
            return Err(Fault::new("is a bot token, not the name of a variable").help(
                "write the name of the variable that holds the token, such as \"BOT_TOKEN\"",
            ));
        }
        one_line(text, "a variable's name").map(|()| VariableName)
    }
}

fn one_line(text: &str, what: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(empty(&format!("write {what}, or leave the key out")));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(Fault::of(text, "has a control character")
            .part_of(text, c)
            .help(format!("write {what} on one line"))),
        None => Ok(()),
    }
}

fn empty(hint: &str) -> Fault {
    Fault::new("is empty").help(hint)
}
