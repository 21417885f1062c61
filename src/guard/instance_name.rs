//! The instance of a start: named by the configuration or the token, or guessed from COMMAND.
#![expect(
    clippy::disallowed_methods,
    reason = "the choosing variables and the folder are read here, once"
)]

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use crate::config::Config;
use crate::engine::choosing_variables::OwnVariables;
use crate::engine::instance::{BotId, Instance};
use crate::engine::token::OwnTokens;
use crate::error::{Error, ExitStatus};
use crate::scan::command::Command;
use crate::scan::invocation::Target;
use crate::text::printable;

/// Returns the variables that choose among bots, as COMMAND gets them.
pub(crate) fn choosing_variables(command: Option<&Command>) -> OwnVariables {
    let (set, read) = command.map_or((&[][..], &[][..]), |command| {
        (&command.runs.context.variables[..], &command.reads[..])
    });
    OwnVariables::new(env::vars_os(), set, read)
}

/// The folder of a start without a COMMAND.
pub(crate) fn working_folder() -> Option<PathBuf> {
    env::current_dir().ok()
}

/// Returns the instance that the configuration, the token or COMMAND names; `None` if none of them
/// does.
pub(crate) fn instance(
    config: &Config,
    tokens: &OwnTokens,
    command: Option<&Command>,
) -> Option<Instance> {
    let by_token = || tokens.mine.as_ref().map(|token| Instance::of_bot(token.id()));
    let configured = config.settings.instance.as_deref().cloned();
    configured.or_else(by_token).or_else(|| guessed(command?, &tokens.bots))
}

/// The error if nothing names the instance; `first` is the caller's preferred way to name it.
pub(crate) fn not_named(config: &Config, command: Option<&Command>, first: &str) -> Error {
    let variable = printable(config.suggested_token_variable());
    let (what, first) = if command.is_some() {
        let what = "no instance is named, and COMMAND names none: it reads its program from \
                    standard input, /dev or /proc";
        (what, "give it the path of its program; or ")
    } else {
        ("no instance is named", first)
    };
    Error::new(ExitStatus::Usage, what).with_hint(format!(
        "{first}set ${variable} or $MONOPOLL_INSTANCE, or write `instance = \"…\"` in the \
         configuration"
    ))
}

/// Builds a name from the base name of what COMMAND runs and a hash of everything that
/// distinguishes bots: the path as written, the arguments, the folder, the tokens, the choosing
/// variables, and the options that may select the bot. Links are not followed, so that a moved
/// `current` link keeps the name. `None` if it is unknown what COMMAND runs.
fn guessed(command: &Command, bots: &BTreeSet<BotId>) -> Option<Instance> {
    let target = match &command.runs.target {
        Target::Input => return None,
        Target::Code(_, code) => code.as_os_str(),
        Target::Module(name) | Target::Entry(name, _) => name.as_os_str(),
        Target::Script(path, _) | Target::Program(path) => {
            command.file.as_ref().unwrap_or(path).as_os_str()
        }
    };
    let mut hash = Hash(FNV_OFFSET);
    hash.add(target.as_encoded_bytes());
    for arg in &command.runs.args {
        hash.add(arg.as_encoded_bytes());
    }
    // Separate the groups with bytes that no argument contains.
    hash.add(&[0]);
    hash.add(command.folder.as_os_str().as_encoded_bytes());
    for bot in bots {
        hash.add(bot.to_string().as_bytes());
    }
    hash.add(&[0]);
    let variables = choosing_variables(Some(command));
    for value in variables.values() {
        hash.add(value.map_or(&[0], OsStr::as_encoded_bytes));
    }
    for (name, value) in variables.named() {
        hash.add(name.as_encoded_bytes());
        hash.add(value.map_or(&[0], OsStr::as_encoded_bytes));
    }
    let mut options = command.runs.context.options.clone();
    options.sort();
    options.dedup();
    for option in options {
        hash.add(option.name.as_bytes());
        hash.add(option.value.as_encoded_bytes());
    }
    Some(Instance::guessed(&package_or_target_name(command), hash.0))
}

/// Returns the name of a Python package that COMMAND runs, as in `python3 -m bot`: the file of each
/// package is named `__main__.py`.
fn package_or_target_name(command: &Command) -> String {
    let package = || {
        let file = command.file.as_deref().filter(|file| file.ends_with("__main__.py"))?;
        Some(file.parent()?.file_name()?.to_string_lossy().into_owned())
    };
    package().unwrap_or_else(|| command.target_name())
}

/// FNV-1a: the same on every machine and in every version. It need not resist attacks.
struct Hash(u64);

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

impl Hash {
    fn add(&mut self, part: &[u8]) {
        for byte in part.iter().chain(&[0]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }
}
