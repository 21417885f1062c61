//! The command line: its commands and options.

pub mod config_command;
mod doctor_command;
mod dry_run;
mod explain_command;
mod help;
mod instances;
mod log;
mod output;
mod plan_command;
mod prepare;
mod run_command;
mod start_activity;
mod start_messages;
mod status_command;
mod stop_command;
mod terminal_line;

use std::ffi::OsString;
use std::path::PathBuf;

pub use help::usage_error;
pub use log::log_as;
pub use output::print_to_stderr;
use output::{PlanOutput, print};
use status_command::{Detail, Listed};

use clap::{Args, FromArgMatches, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::engine::action::OnConflict;
use crate::error::{Error, ExitStatus};
use crate::sys::machine;

/// One bot token, one poller: settles conflicts by policy, then runs the bot.
#[derive(Debug, Parser)]
#[command(name = "monopoll", version, max_term_width = 100)]
#[command(after_help = help::EXAMPLES, after_long_help = help::ALL_SECTIONS)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// The options of every command.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// The configuration file [default: ./monopoll.toml, ./config.toml, ...]
    #[arg(long, value_name = "PATH", global = true, value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The [profile.NAME] of the file to select
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Option<String>,
    /// Set one key, such as timeouts.graceful=10s; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", global = true)]
    pub set: Vec<String>,
    /// The action on a conflict: refuse, graceful, force or wait
    #[arg(long, value_name = "ACTION", value_parser = help::actions())]
    #[arg(hide_possible_values = true, global = true)]
    pub on_conflict: Option<OnConflict>,
    /// The instance [default: from the bot token, else from COMMAND]
    #[arg(long, value_name = "ID", global = true)]
    pub instance: Option<String>,
    /// Print one JSON document to standard output
    #[arg(long, overrides_with = "json", global = true)]
    pub json: bool,
    /// Print more; -vv prints everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Print only errors
    #[arg(short, long, overrides_with = "quiet", conflicts_with = "verbose", global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Settle conflicts, then run COMMAND while holding the lock
    ///
    /// Conflicts are searched among this user's processes and by this user's lock: a bot that
    /// another user started is not seen, unless a `[[match]]` entry says `user = "any"`.
    #[command(after_help = help::RUN, verbatim_doc_comment)]
    Run {
        /// Print what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// The bot's program and its arguments
        #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
        #[arg(value_hint = ValueHint::CommandWithArguments)]
        command: Vec<OsString>,
    },
    /// Print what `run` would end or wait for, in which order, by which rule
    #[command(after_help = help::PLAN)]
    Plan {
        /// Exit with 2 where `run` would end a process or wait before it starts
        #[arg(long)]
        detailed_exitcode: bool,
        /// The bot's program and its arguments
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Print whether the instance runs and since when; without a name, list all instances
    #[command(after_help = help::STATUS)]
    Status {
        /// Print the history of the instance, too
        #[arg(long)]
        history: bool,
        /// List every instance, also those that ended long ago
        #[arg(long, conflicts_with = "command")]
        all: bool,
        /// The bot's program and its arguments
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// End the running bot gracefully, or with `--on-conflict force` at once
    #[command(after_help = help::STOP)]
    Stop {
        /// Print what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// The bot's program and its arguments
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Print why a process is or is not a conflict: each entry, shield and rule
    #[command(after_help = help::EXPLAIN)]
    Explain {
        /// The process ID; without one, one line for each process of the plan
        pid: Option<String>,
        /// The bot's program and its arguments
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Show, check or write the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check whether this machine is ready; changes nothing
    #[command(after_help = help::DOCTOR)]
    Doctor {
        /// The bot's program and its arguments
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Print the completions for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the man page
    #[command(after_help = help::MAN)]
    Man,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the effective configuration, each value with its origin
    #[command(after_help = help::CONFIG_SHOW)]
    Show {
        /// Leave out the keys that have their default
        #[arg(long)]
        changed: bool,
        /// The bot and its arguments, which name the instance where no token does
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Check every layer and every profile
    #[command(after_help = help::CONFIG_CHECK)]
    Check,
    /// Print the JSON schema of the configuration file
    #[command(after_help = help::CONFIG_SCHEMA)]
    Schema,
    /// Write a commented config.toml, or the file that --config names; never over an existing one
    #[command(after_help = help::CONFIG_INIT)]
    Init,
}

/// Parses the command line; help and version are errors of clap's.
pub fn parse() -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut command = help::command_for(&arguments);
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

pub fn run(cli: Cli) -> Result<ExitStatus, Error> {
    machine::memory::share_one_heap();
    let Cli { common, command } = cli;
    match command {
        Command::Run { dry_run: true, command } => {
            plan_command::run(&common, command, PlanOutput::DryRun)
        }
        Command::Run { dry_run: false, .. } if common.json => Err(Error::new(
            ExitStatus::Usage,
            "`run` prints JSON only with `--dry-run`: its standard output belongs to COMMAND",
        )
        .with_hint("add `--dry-run`, or use `monopoll plan --json`")),
        Command::Run { dry_run: false, command } => run_command::run(&common, command),
        Command::Plan { detailed_exitcode, command } => {
            let target =
                if detailed_exitcode { PlanOutput::DetailedExitCode } else { PlanOutput::Plan };
            plan_command::run(&common, command, target)
        }
        Command::Status { history, all, command } => {
            let detail = if history { Detail::History } else { Detail::Now };
            let listed = if all { Listed::All } else { Listed::Recent };
            status_command::run(&common, command, detail, listed)
        }
        Command::Stop { dry_run: true, command } => stop_command::dry_run(&common, command),
        Command::Stop { dry_run: false, command } => stop_command::run(&common, command),
        Command::Explain { pid, command } => explain_command::run(&common, pid.as_deref(), command),
        Command::Config(command) => config_command::run(&common, &command),
        Command::Doctor { command } => doctor_command::run(&common, command),
        Command::Completions { shell } => help::completions(&common, shell),
        Command::Man => help::man(&common),
    }
}
