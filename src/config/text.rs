//! What a single text may say.

use std::time::Duration;

use super::{
    lock_path::LockPath,
    problem::Fault,
    wording::{list, nearest, quote},
};
use crate::engine::{
    instance::{BadInstance, Instance},
    pattern::{CmdlinePattern, NamePattern, PathPattern},
    policy::Patience,
    signal::Signal,
};

/// What a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
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
}

const DURATION_HELP: &str = "write a duration such as \"10s\", \"1m 30s\" or \"250ms\"";
/// A deadline that lies further ahead is a slip, and no clock can be trusted to reach it.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

impl Text {
    /// What to write.
    pub(crate) fn wanted(self) -> String {
        match self {
            Text::Choice(words) => format!("write one of {}", list(words.iter().copied())),
            Text::Duration | Text::Span => DURATION_HELP.to_owned(),
            Text::Patience => format!("{DURATION_HELP}, or \"forever\""),
            Text::Signal => format!("write one of {}", list(Signal::ALL.iter().map(|signal| signal.name()))),
            Text::WholeName | Text::Regex => "write a regular expression in quotes, such as 'main\\.py'".to_owned(),
            Text::Glob => "write a glob in quotes, such as \"/usr/bin/python*\"".to_owned(),
            Text::User => "write \"same\", \"any\" or a user's name".to_owned(),
            Text::LockPath => "write a path in quotes, such as \"{lock_dir}/{instance}.lock\"".to_owned(),
            Text::Instance => "write an id in quotes, such as \"voice-insight\"".to_owned(),
            Text::Path => "write a path in quotes, such as \".env\"".to_owned(),
            Text::Variable => "write a variable's name in quotes, such as \"BOT_TOKEN\"".to_owned(),
            Text::Label | Text::Argument => "write a text in quotes".to_owned(),
        }
    }

    /// The words that are allowed, where it is a matter of words.
    pub(crate) fn choices(self) -> Vec<&'static str> {
        match self {
            Text::Choice(words) => words.to_vec(),
            Text::Signal => Signal::ALL.iter().map(|signal| signal.name()).collect(),
            Text::Instance
            | Text::Duration
            | Text::Span
            | Text::Patience
            | Text::WholeName
            | Text::Regex
            | Text::Glob
            | Text::User
            | Text::Variable
            | Text::Path
            | Text::LockPath
            | Text::Label
            | Text::Argument => Vec::new(),
        }
    }

    /// Whether `text` may stand here.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(self, text: &str) -> Result<(), Fault> {
        if text.contains('\0') {
            return Err(Fault::new(format!("{} has a NUL character, which no path and no command line can have", quote(text))));
        }
        match self {
            Text::Instance => text.parse::<Instance>().map(drop).map_err(|bad| instance_fault(text, &bad)),
            Text::Choice(words) => one_of(text, words, &self.wanted()),
            Text::Duration => duration(text).map(drop),
            Text::Span => match duration(text)? {
                Duration::ZERO => Err(Fault::new(format!("{} is no time at all", quote(text))).help(DURATION_HELP)),
                _ => Ok(()),
            },
            Text::Patience => patience(text).map(drop),
            Text::WholeName if text.is_empty() => Err(empty("no process has an empty name; leave the key out to allow every name")),
            Text::WholeName => NamePattern::new(text).map(drop).map_err(|error| regex_fault(text, &error)),
            Text::Regex if text.is_empty() => {
                Err(Fault::new("is empty, which matches every process").help("write what tells the bot apart, or leave the key out"))
            }
            Text::Regex => CmdlinePattern::new(text).map(drop).map_err(|error| regex_fault(text, &error)),
            Text::Glob => glob(text),
            Text::Signal => signal(text),
            Text::User => one_line(text, "a user's name"),
            Text::Path => one_line(text, "a path").map_err(|fault| fault.help("\"/dev/null\" is a file with nothing in it")),
            Text::Label => one_line(text, "a name"),
            Text::Variable => variable(text),
            Text::LockPath => LockPath::parse(text).map(drop),
            Text::Argument => Ok(()),
        }
    }
}

/// Reads a duration.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn duration(text: &str) -> Result<Duration, Fault> {
    use humantime::DurationError as E;
    let shown = quote(text);
    let fault = match humantime::parse_duration(text) {
        Ok(duration) if duration <= LONGEST => return Ok(duration),
        Ok(_) | Err(E::NumberOverflow) => Fault::new(format!("{shown} is out of bounds: at most ten years, in whole nanoseconds")),
        Err(E::UnknownUnit { unit, value, .. }) if unit.is_empty() => {
            return Err(
                Fault::new(format!("{shown} has no unit")).help(format!("write \"{value}s\" for seconds, \"{value}ms\" for milliseconds"))
            );
        }
        Err(E::UnknownUnit { unit, .. }) => {
            return Err(Fault::new(format!("{shown} has an unknown unit {}", quote(&unit))).help("the units are ms, s, m, h and d"));
        }
        Err(E::InvalidCharacter(_) | E::NumberExpected(_) | E::Empty) => Fault::new(format!("{shown} is not a duration")),
    };
    Err(fault.help(DURATION_HELP))
}

/// Reads a duration or `forever`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn patience(text: &str) -> Result<Patience, Fault> {
    match text {
        "forever" => Ok(Patience::Forever),
        _ if nearest(text, ["forever"]).is_some() => Err(unknown_word(text, "forever")),
        _ => duration(text).map(Patience::For).map_err(|fault| match &fault.help {
            Some(help) => Fault { help: Some(format!("{help}, or \"forever\"")), ..fault },
            None => fault,
        }),
    }
}

fn one_of(text: &str, words: &[&str], help: &str) -> Result<(), Fault> {
    if words.contains(&text) {
        return Ok(());
    }
    Err(match nearest(text, words.iter().copied()) {
        Some(word) => Fault::new(format!("{} is unknown", quote(text))).help(format!("did you mean `{word}`? {help}")),
        None => Fault::new(format!("{} is unknown", quote(text))).help(help),
    })
}

fn unknown_word(text: &str, word: &str) -> Fault {
    Fault::new(format!("{} is unknown", quote(text))).help(format!("did you mean `{word}`?"))
}

fn signal(text: &str) -> Result<(), Fault> {
    let bare = text.to_uppercase();
    let full = if bare.starts_with("SIG") { bare } else { format!("SIG{bare}") };
    if full == "SIGKILL" {
        let help = "`on_conflict = \"force\"` sends SIGKILL at once, `kill.escalate = true` sends it when `timeouts.graceful` is over";
        return Err(Fault::new(format!("{} asks nobody to end", quote(text))).help(help));
    }
    let help = Text::Signal.wanted();
    match full.parse::<Signal>() {
        Ok(signal) if signal.name() == text => Ok(()),
        Ok(signal) => Err(Fault::new(format!("{} is unknown", quote(text))).help(format!("did you mean `{signal}`? {help}"))),
        Err(_) => one_of(text, &Signal::ALL.map(Signal::name), &help),
    }
}

fn instance_fault(text: &str, bad: &BadInstance) -> Fault {
    let found = match bad {
        BadInstance::Empty => "is empty".to_owned(),
        BadInstance::TooLong(length) => format!("{} has {length} characters, at most {} are allowed", quote(text), Instance::MAX_LEN),
        BadInstance::Character(c) => format!("{} has a character that is not allowed: {}", quote(text), quote(&c.to_string())),
        BadInstance::Dots => format!("{} is only dots, which would name a folder", quote(text)),
    };
    Fault::new(found).help("an instance id is 1 to 64 letters (a-z, A-Z), digits, `.`, `_` or `-`")
}

fn regex_fault(text: &str, error: &regex::Error) -> Fault {
    // The error is a drawing of several lines; its last one says what is wrong.
    let whole = error.to_string();
    let why = whole.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_lowercase();
    let help = "a regular expression has `\\.` for a dot and `\\(` for a bracket; in TOML, write it in single quotes";
    Fault::new(format!("{} is not a regular expression: {why}", quote(text))).help(help)
}

fn glob(text: &str) -> Result<(), Fault> {
    if text.is_empty() {
        return Err(empty("no path is empty; leave the key out to allow every path"));
    }
    let help = "a glob has `*` within a folder, `**` across folders, `?`, `[abc]` and `{a,b}`";
    PathPattern::new(text).map(drop).map_err(|error| Fault::new(format!("{} is not a glob: {}", quote(text), error.kind())).help(help))
}

fn variable(text: &str) -> Result<(), Fault> {
    if text.is_empty() {
        return Err(empty("write a variable's name, such as \"BOT_TOKEN\""));
    }
    if text.contains('=') {
        return Err(Fault::new(format!("{} has a `=`, which no variable's name can have", quote(text)))
            .help("write the name alone, never the token"));
    }
    one_line(text, "a variable's name")
}

fn one_line(text: &str, what: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new("is empty").help(format!("write {what}, or leave the key out")));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(_) => Err(Fault::new(format!("{} has a control character", quote(text))).help(format!("write {what} on one line"))),
        None => Ok(()),
    }
}

fn empty(help: &str) -> Fault {
    Fault::new("is empty").help(help)
}
