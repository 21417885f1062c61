//! The types of strings that a key may have: what is parsed, and what errors say. Durations, log
//! filters, lock paths and URLs have files of their own.

use std::path::PathBuf;

use regex::Regex;

use crate::{
    config::{
        parsed_text::{Choice, NumberHint, TextValue, unknown_word},
        problem::Fault,
    },
    engine::{
        action::{Action, AfterWait, OnConflict, OnLost, SameToken},
        instance::{BadInstance, Instance},
        pattern::{CmdlinePattern, ContainerLimit, NamePattern, PathPattern, UserLimit},
        process::RunState,
        signal::Signal,
        token::Token,
    },
    text::{join_and, quote, secret_spans},
};

impl Choice for OnConflict {}
impl Choice for AfterWait {}
impl Choice for SameToken {}
impl Choice for Action {}
impl Choice for ContainerLimit {}
impl Choice for RunState {}
impl Choice for OnLost {}

impl TextValue for Signal {
    fn hint() -> String {
        format!("allowed are {}", join_and(Signal::ALL.map(Signal::name)))
    }

    fn parse(text: &str) -> Result<Signal, Fault> {
        let upper = text.to_uppercase();
        let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        if name == "SIGKILL" {
            return Err(Fault::new(format!("{} leaves no time to end gracefully", quote(text)))
                .help(
                    "`on_conflict = \"force\"` sends SIGKILL at once, `kill.escalate = true` \
                     sends it when `timeouts.graceful` is over",
                ));
        }
        let hint = Signal::hint();
        match name.parse::<Signal>() {
            Ok(signal) if signal.name() == text => Ok(signal),
            Ok(signal) => Err(Fault::new(format!("{} is unknown", quote(text)))
                .help(format!("did you mean `{signal}`? {hint}"))),
            Err(_) => Err(unknown_word(text, &Signal::ALL.map(Signal::name), &hint)),
        }
    }
}

impl TextValue for Instance {
    const PATTERN: Option<&'static str> = Some("^[A-Za-z0-9._-]{1,64}$");
    const NUMBER_HINT: NumberHint = NumberHint::Quoted;

    fn hint() -> String {
        "write an id in quotes, such as \"voice-insight\"".to_owned()
    }

    fn parse(text: &str) -> Result<Instance, Fault> {
        let shown = quote(text);
        let fault = match text.parse() {
            Ok(instance) => return Ok(instance),
            Err(BadInstance::Empty) => Fault::new("is empty"),
            Err(BadInstance::TooLong(length)) => Fault::new(format!(
                "{shown} has {length} characters, at most {} are allowed",
                Instance::MAX_LEN
            )),
            Err(BadInstance::Character(c)) => Fault::new(format!(
                "{shown} has a character that is not allowed: {}",
                quote(&c.to_string())
            ))
            .part_of(text, c),
            Err(BadInstance::Dots) => {
                Fault::new(format!("{shown} is only dots, which would name a folder"))
            }
        };
        Err(fault.help("an instance id is 1 to 64 letters (a-z, A-Z), digits, `.`, `_` or `-`"))
    }
}

impl TextValue for NamePattern {
    fn hint() -> String {
        Regex::hint()
    }

    fn parse(text: &str) -> Result<NamePattern, Fault> {
        if text.is_empty() {
            return Err(empty(
                "no process has an empty name; leave the key out to allow every name",
            ));
        }
        NamePattern::new(text).map_err(|error| bad_regex(text, &error))
    }
}

impl TextValue for CmdlinePattern {
    fn hint() -> String {
        Regex::hint()
    }

    fn parse(text: &str) -> Result<CmdlinePattern, Fault> {
        not_everything(text)?;
        CmdlinePattern::new(text).map_err(|error| bad_regex(text, &error))
    }
}

impl TextValue for Regex {
    fn hint() -> String {
        "write a regular expression in quotes, such as 'main\\.py'".to_owned()
    }

    fn parse(text: &str) -> Result<Regex, Fault> {
        not_everything(text)?;
        Regex::new(text).map_err(|error| bad_regex(text, &error))
    }
}

fn not_everything(pattern: &str) -> Result<(), Fault> {
    if pattern.is_empty() {
        return Err(Fault::new("is empty, which matches everything")
            .help("write what tells the bot apart, or leave the key out"));
    }
    Ok(())
}

fn bad_regex(text: &str, error: &regex::Error) -> Fault {
    let shown = quote(text);
    if let regex::Error::CompiledTooBig(_) = error {
        return Fault::new(format!("{shown} is too large a regular expression"))
            .help("repeat less in it");
    }
    // The error is a drawing of several lines; its last one says what is wrong.
    let drawing = error.to_string();
    let last = drawing.lines().last().unwrap_or_default();
    let why = last.trim().trim_start_matches("error: ").to_lowercase();
    Fault::new(format!("{shown} is not a regular expression: {why}")).help(
        "`.*` is any text, `\\.` a dot, `\\(` a bracket; single quotes keep each `\\` as it is",
    )
}

impl TextValue for PathPattern {
    fn hint() -> String {
        "write a glob in quotes, such as \"/usr/bin/python*\"".to_owned()
    }

    fn parse(text: &str) -> Result<PathPattern, Fault> {
        if text.is_empty() {
            return Err(empty("no path is empty; leave the key out to allow every path"));
        }
        PathPattern::new(text).map_err(|error| {
            Fault::new(format!("{} is not a glob: {}", quote(text), error.kind())).help(
                "a glob has `*` within a folder, `**` across folders, `?`, `[abc]` and `{a,b}`",
            )
        })
    }
}

impl TextValue for UserLimit {
    const NUMBER_HINT: NumberHint = NumberHint::Quoted;

    fn hint() -> String {
        "write \"same\", \"any\" or a user's name".to_owned()
    }

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
    fn hint() -> String {
        "write a path in quotes, such as \".env\"".to_owned()
    }

    fn parse(text: &str) -> Result<PathBuf, Fault> {
        if text.trim().is_empty() {
            return Err(empty("\"/dev/null\" is a file with nothing in it"));
        }
        one_line(text, "a path")?;
        Ok(PathBuf::from(text))
    }
}

/// An argument of a command.
impl TextValue for String {
    const NUMBER_HINT: NumberHint = NumberHint::Quoted;

    fn hint() -> String {
        "write a text in quotes".to_owned()
    }

    fn parse(text: &str) -> Result<String, Fault> {
        Ok(text.to_owned())
    }

    fn split(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }
}

/// The name of a rule.
#[derive(Debug, Clone)]
pub struct RuleName;

impl TextValue for RuleName {
    const NUMBER_HINT: NumberHint = NumberHint::Quoted;

    fn hint() -> String {
        "write a text in quotes".to_owned()
    }

    fn parse(text: &str) -> Result<RuleName, Fault> {
        one_line(text, "a name")?;
        Ok(RuleName)
    }
}

/// The name of an environment variable.
#[derive(Debug, Clone)]
pub struct VariableName;

impl TextValue for VariableName {
    fn hint() -> String {
        "write a variable's name in quotes, such as \"BOT_TOKEN\"".to_owned()
    }

    fn parse(text: &str) -> Result<VariableName, Fault> {
        if text.is_empty() {
            return Err(empty("write a variable's name, such as \"BOT_TOKEN\""));
        }
        if text.contains('=') {
            let found = format!("{} has a `=`, which no variable's name can have", quote(text));
            return Err(Fault::new(found)
                .part_of(text, '=')
                .help("write the name alone, never the token"));
        }
        if Token::parse(text).is_some() || !secret_spans(text).is_empty() {
            // Not quoted: a token that is too short to be masked is a secret all the same.
            return Err(Fault::new("is a bot token where a variable's name belongs").help(
                "write the name of the variable that has it, such as \"BOT_TOKEN\", and the \
                 token nowhere here",
            ));
        }
        one_line(text, "a variable's name")?;
        Ok(VariableName)
    }
}

fn one_line(text: &str, what: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(empty(&format!("write {what}, or leave the key out")));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(Fault::new(format!("{} has a control character", quote(text)))
            .part_of(text, c)
            .help(format!("write {what} on one line"))),
        None => Ok(()),
    }
}

fn empty(hint: &str) -> Fault {
    Fault::new("is empty").help(hint)
}
