//! The command line: what may be written on it.

mod check;
pub mod config;
mod env_file;
mod plan;
mod run;
mod start;
mod told;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::{
    engine::action::OnConflict,
    error::{Error, ExitStatus},
    report::Paint,
};

/// One bot, one poller: settles by policy who may poll, then runs the bot.
#[derive(Debug, Parser)]
#[command(name = "monopoll", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// The configuration file [default: the first of ./monopoll.toml, ./config.toml, the user's, the system's]
    #[arg(long, value_name = "PATH", global = true)]
    pub config: Option<PathBuf>,
    /// The [profile.NAME] of the file to use
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Option<String>,
    /// Overrides one key, such as timeouts.graceful=10s; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE", global = true)]
    pub set: Vec<String>,
    /// What to do about a conflict: refuse, graceful, force or wait
    #[arg(long, value_name = "ACTION", global = true)]
    pub on_conflict: Option<OnConflict>,
    /// The thing there may be only one of
    #[arg(long, value_name = "ID", global = true)]
    pub instance: Option<String>,
    /// Print one JSON document to standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, conflicts_with = "verbose", global = true)]
    pub quiet: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Settle who polls, then run COMMAND while holding the lock
    Run {
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// The bot and its arguments
        #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Say what `run` would kill or wait for, in which order, by which rule
    Plan {
        /// Exit with 2 where `run` would kill or wait before it starts
        #[arg(long)]
        detailed_exitcode: bool,
        /// The bot and its arguments
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Show, check or write the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the effective configuration, each value with the place it came from
    Show,
    /// Check every layer and every profile
    Check,
    /// Print the JSON schema of the configuration file
    Schema,
    /// Write a commented config.toml to the current folder, never over an existing file
    Init,
}

/// Does what the command line says.
///
/// # Errors
/// It could not be done, or was refused; the error says why and what the process exits with.
pub fn run(cli: Cli) -> Result<ExitStatus, Error> {
    let Cli { common, command } = cli;
    match command {
        Command::Run { dry_run: true, command } => plan::run(&common, command, plan::Said::ByRun),
        Command::Run { dry_run: false, .. } if common.json => {
            Err(Error::new(ExitStatus::Usage, "`run` prints JSON only with `--dry-run`: its standard output is COMMAND's")
                .hint("add `--dry-run`, or use `monopoll plan --json`"))
        }
        Command::Run { dry_run: false, command } => run::run(&common, command),
        Command::Plan { detailed_exitcode, command } => {
            let detail = if detailed_exitcode { plan::Said::InDetail } else { plan::Said::Plainly };
            plan::run(&common, command, detail)
        }
        Command::Config(command) => configuration(&common, &command),
    }
}

fn configuration(common: &Common, command: &ConfigCommand) -> Result<ExitStatus, Error> {
    let format = if common.json { config::Format::Json } else { config::Format::Text };
    match command {
        ConfigCommand::Show => print(&config::show(&start::configuration(common)?, format)),
        ConfigCommand::Schema => print(&config::schema()),
        ConfigCommand::Init => {
            let path = config::init(&start::sources(common)?.cwd)?;
            print(&format!("wrote {}", path.display()))
        }
        ConfigCommand::Check => {
            let outcome = crate::config::Config::load(&start::sources(common)?);
            match (outcome, format) {
                (Err(problems), config::Format::Text) => Err(problems.into_error(paint(&std::io::stderr()))),
                (outcome, format) => {
                    print(&config::check(&outcome, format))?;
                    match outcome {
                        Ok(_) => Ok(ExitStatus::Done),
                        Err(problems) => Err(problems.into_error(paint(&std::io::stderr()))),
                    }
                }
            }
        }
    }
}

/// A line, or more, for a person. A standard error that is full or gone must not end a start halfway, nor a guard.
pub fn say(text: impl std::fmt::Display) {
    use std::io::Write;
    // In one piece: many may write to the same log. There is nobody to tell where it fails.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Colour for a terminal, unless somebody asked for none.
#[expect(clippy::disallowed_methods, reason = "NO_COLOR is read here")]
fn paint(stream: &impl std::io::IsTerminal) -> Paint {
    // no-color.org: present and not empty.
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stream.is_terminal() && !plain { Paint::Colour } else { Paint::Plain }
}

/// Writes to standard output; a reader that went away is no fault.
fn print(text: &str) -> Result<ExitStatus, Error> {
    use std::io::Write;
    match writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n')) {
        Ok(()) => Ok(ExitStatus::Done),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitStatus::Done),
        Err(error) => Err(Error::new(ExitStatus::Fault, format!("standard output cannot be written: {error}"))),
    }
}
