//! What a single text may say.

use std::time::Duration;

use crate::{
    config::{
        api_url::{self, ApiUrl},
        duration,
        lock_path::LockPath,
        log_filter,
        problem::Fault,
    },
    engine::{
        instance::{BadInstance, Instance},
        pattern::{CmdlinePattern, NamePattern, PathPattern},
        signal::Signal,
        token::Token,
    },
    text::{closest_name, join_and, quote, secret_spans},
};

/// What a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarKind {
    /// An instance id.
    Instance,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A duration.
    Duration,
    /// A duration that is not zero.
    Span,
    /// A duration or `forever`.
    Patience,
    /// A regular expression on a whole name.
    WholeName,
    /// A regular expression on a part of a text.
    Regex,
    /// A glob on a path.
    Glob,
    /// `same`, `any` or a user.
    User,
    /// A signal's name.
    Signal,
    /// An environment variable's name.
    Variable,
    /// A path.
    Path,
    /// A lock file's path with placeholders.
    LockPath,
    /// What people call something.
    Label,
    /// An argument of a command.
    Argument,
    /// What is logged.
    Filter,
    /// Where the Bot API is.
    ApiUrl,
}

impl ScalarKind {
    /// What to write.
    pub(crate) fn wanted(self) -> String {
        match self {
            ScalarKind::Choice(words) => format!("allowed are {}", join_and(words.iter().copied())),
            ScalarKind::Duration | ScalarKind::Span => duration::HELP.to_owned(),
            ScalarKind::Patience => format!("{}, or \"forever\"", duration::HELP),
            ScalarKind::Signal => {
                format!("allowed are {}", join_and(Signal::ALL.iter().map(|signal| signal.name())))
            }
            ScalarKind::WholeName | ScalarKind::Regex => {
                "write a regular expression in quotes, such as 'main\\.py'".to_owned()
            }
            ScalarKind::Glob => "write a glob in quotes, such as \"/usr/bin/python*\"".to_owned(),
            ScalarKind::User => "write \"same\", \"any\" or a user's name".to_owned(),
            ScalarKind::LockPath => {
                "write a path in quotes, such as \"{lock_dir}/{instance}.lock\"".to_owned()
            }
            ScalarKind::Instance => "write an id in quotes, such as \"voice-insight\"".to_owned(),
            ScalarKind::Path => "write a path in quotes, such as \".env\"".to_owned(),
            ScalarKind::Variable => {
                "write a variable's name in quotes, such as \"BOT_TOKEN\"".to_owned()
            }
            ScalarKind::Filter => log_filter::help(),
            ScalarKind::ApiUrl => api_url::HELP.to_owned(),
            ScalarKind::Label | ScalarKind::Argument => "write a text in quotes".to_owned(),
        }
    }

    /// Whether `text` may stand here.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(self, text: &str) -> Result<(), Fault> {
        if text.contains('\0') {
            return Err(Fault::new(format!(
                "{} has a NUL character, which no path and no command line can have",
                quote(text)
            ))
            .help("take it out"));
        }
        match self {
            ScalarKind::Instance => {
                text.parse::<Instance>().map(drop).map_err(|bad| instance_fault(text, &bad))
            }
            ScalarKind::Choice(words) => one_of(text, words, &self.wanted()),
            ScalarKind::Duration => duration::parse(text).map(drop),
            ScalarKind::Span => match duration::parse(text)? {
                Duration::ZERO => Err(Fault::new(format!("{} is no time at all", quote(text)))
                    .help("write more than zero, such as \"30s\"")),
                _ => Ok(()),
            },
            ScalarKind::Patience => duration::patience(text).map(drop),
            ScalarKind::WholeName if text.is_empty() => {
                Err(empty("no process has an empty name; leave the key out to allow every name"))
            }
            ScalarKind::WholeName => {
                NamePattern::new(text).map(drop).map_err(|error| regex_fault(text, &error))
            }
            ScalarKind::Regex if text.is_empty() => {
                Err(Fault::new("is empty, which matches everything")
                    .help("write what tells the bot apart, or leave the key out"))
            }
            ScalarKind::Regex => {
                CmdlinePattern::new(text).map(drop).map_err(|error| regex_fault(text, &error))
            }
            ScalarKind::Glob => glob(text),
            ScalarKind::Signal => signal(text),
            ScalarKind::User => one_line(text, "a user's name"),
            ScalarKind::Path if text.trim().is_empty() => {
                Err(empty("\"/dev/null\" is a file with nothing in it"))
            }
            ScalarKind::Path => one_line(text, "a path"),
            ScalarKind::Label => one_line(text, "a name"),
            ScalarKind::Variable => variable(text),
            ScalarKind::LockPath => LockPath::parse(text).map(drop),
            ScalarKind::Argument => Ok(()),
            ScalarKind::Filter => log_filter::parse(text).map(drop),
            ScalarKind::ApiUrl => ApiUrl::parse(text).map(drop),
        }
    }
}

fn one_of(text: &str, words: &[&str], help: &str) -> Result<(), Fault> {
    if words.contains(&text) {
        return Ok(());
    }
    if text.is_empty() {
        return Err(empty(help));
    }
    Err(match closest_name(text, words.iter().copied()) {
        Some(word) => Fault::new(format!("{} is unknown", quote(text)))
            .help(format!("did you mean `{word}`? {help}")),
        None => Fault::new(format!("{} is unknown", quote(text))).help(help),
    })
}

fn signal(text: &str) -> Result<(), Fault> {
    let bare = text.to_uppercase();
    let full = if bare.starts_with("SIG") { bare } else { format!("SIG{bare}") };
    if full == "SIGKILL" {
        let help = "`on_conflict = \"force\"` sends SIGKILL at once, `kill.escalate = true` sends it when `timeouts.graceful` is over";
        return Err(
            Fault::new(format!("{} leaves no time to end gracefully", quote(text))).help(help)
        );
    }
    let help = ScalarKind::Signal.wanted();
    match full.parse::<Signal>() {
        Ok(signal) if signal.name() == text => Ok(()),
        Ok(signal) => Err(Fault::new(format!("{} is unknown", quote(text)))
            .help(format!("did you mean `{signal}`? {help}"))),
        Err(_) => one_of(text, &Signal::ALL.map(Signal::name), &help),
    }
}

fn instance_fault(text: &str, bad: &BadInstance) -> Fault {
    let found = match bad {
        BadInstance::Empty => "is empty".to_owned(),
        BadInstance::TooLong(length) => format!(
            "{} has {length} characters, at most {} are allowed",
            quote(text),
            Instance::MAX_LEN
        ),
        BadInstance::Character(c) => format!(
            "{} has a character that is not allowed: {}",
            quote(text),
            quote(&c.to_string())
        ),
        BadInstance::Dots => format!("{} is only dots, which would name a folder", quote(text)),
    };
    let fault = match bad {
        BadInstance::Character(c) => Fault::new(found).part_of(text, *c),
        BadInstance::Empty | BadInstance::TooLong(_) | BadInstance::Dots => Fault::new(found),
    };
    fault.help("an instance id is 1 to 64 letters (a-z, A-Z), digits, `.`, `_` or `-`")
}

fn regex_fault(text: &str, error: &regex::Error) -> Fault {
    let shown = quote(text);
    if let regex::Error::CompiledTooBig(_) = error {
        return Fault::new(format!("{shown} is too large a regular expression"))
            .help("repeat less in it");
    }
    // The error is a drawing of several lines; its last one says what is wrong.
    let whole = error.to_string();
    let why = whole
        .lines()
        .last()
        .unwrap_or_default()
        .trim()
        .trim_start_matches("error: ")
        .to_lowercase();
    let help =
        "`.*` is any text, `\\.` a dot, `\\(` a bracket; single quotes keep each `\\` as it is";
    Fault::new(format!("{shown} is not a regular expression: {why}")).help(help)
}

fn glob(text: &str) -> Result<(), Fault> {
    if text.is_empty() {
        return Err(empty("no path is empty; leave the key out to allow every path"));
    }
    let help = "a glob has `*` within a folder, `**` across folders, `?`, `[abc]` and `{a,b}`";
    PathPattern::new(text).map(drop).map_err(|error| {
        Fault::new(format!("{} is not a glob: {}", quote(text), error.kind())).help(help)
    })
}

fn variable(text: &str) -> Result<(), Fault> {
    if text.is_empty() {
        return Err(empty("write a variable's name, such as \"BOT_TOKEN\""));
    }
    if text.contains('=') {
        return Err(Fault::new(format!(
            "{} has a `=`, which no variable's name can have",
            quote(text)
        ))
        .part_of(text, '=')
        .help("write the name alone, never the token"));
    }
    if Token::parse(text).is_some() || !secret_spans(text).is_empty() {
        // Not said back: one that is too short to be masked is somebody's token all the same.
        return Err(Fault::new("is a bot token where a variable's name belongs")
            .help("write the name of the variable that has it, such as \"BOT_TOKEN\", and the token nowhere here"));
    }
    one_line(text, "a variable's name")
}

fn one_line(text: &str, what: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new("is empty").help(format!("write {what}, or leave the key out")));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(Fault::new(format!("{} has a control character", quote(text)))
            .part_of(text, c)
            .help(format!("write {what} on one line"))),
        None => Ok(()),
    }
}

fn empty(help: &str) -> Fault {
    Fault::new("is empty").help(help)
}
