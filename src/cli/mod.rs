//! The command line: its commands and options.

pub mod config_command;
mod doctor_command;
mod dry_run;
mod explain_command;
mod held_command;
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
mod usage_error;

use std::ffi::OsString;
use std::path::PathBuf;

use config_command::ConfigSubcommand;
use doctor_command::DoctorArgs;
use explain_command::ExplainArgs;
pub use log::log_as;
pub use output::print_to_stderr;
use plan_command::PlanArgs;
use run_command::RunArgs;
use status_command::StatusArgs;
use stop_command::StopArgs;
pub use usage_error::usage_error;

use clap::{Args, FromArgMatches, Parser, ValueHint};
use clap_complete::Shell;

use crate::engine::action::OnConflict;
use crate::error::{Error, ExitStatus};
use crate::sys::machine;

/// One bot token, one poller: resolves conflicts by policy, then runs the bot.
#[derive(Debug, Parser)]
#[command(name = "monopoll", version, max_term_width = 100)]
#[command(subcommand_value_name = "SUBCOMMAND")]
#[command(after_help = help::EXAMPLES, after_long_help = help::ALL_SECTIONS)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Subcommand,
}

/// The options of every command.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// The configuration file [default: ./monopoll.toml, ./config.toml, ...]
    #[arg(long, value_name = "PATH", global = true, value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Use the settings of [profile.NAME]
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

#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Resolve conflicts, then run COMMAND while holding the lock
    ///
    /// Conflicts are searched among this user's processes and by this user's lock: a bot that
    /// another user started is not seen, unless a `[[match]]` entry says `user = "any"`.
    #[command(after_help = help::RUN, verbatim_doc_comment)]
    Run(RunArgs),
    /// Print what `run` would end or wait for, in which order, by which rule
    #[command(after_help = help::PLAN)]
    Plan(PlanArgs),
    /// Print whether the bot runs and since when; without COMMAND or a token, list all bots
    #[command(after_help = help::STATUS)]
    Status(StatusArgs),
    /// End the running bot gracefully, or with `--on-conflict force` at once
    #[command(after_help = help::STOP)]
    Stop(StopArgs),
    /// Print why a process is or is not recognized as this bot, with every check
    #[command(after_help = help::EXPLAIN)]
    Explain(ExplainArgs),
    /// Show, check or write the configuration
    #[command(subcommand)]
    Config(ConfigSubcommand),
    /// Check whether this machine is ready; changes nothing
    #[command(after_help = help::DOCTOR)]
    Doctor(DoctorArgs),
    /// Print the instance that a guard above this process holds
    #[command(hide = true)]
    Held,
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

/// Parses the command line. `--help` and `--version` are returned as clap errors.
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
        Subcommand::Run(args) => run_command::run(&common, args),
        Subcommand::Plan(args) => plan_command::run(&common, args),
        Subcommand::Status(args) => status_command::run(&common, args),
        Subcommand::Stop(args) => stop_command::run(&common, args),
        Subcommand::Explain(args) => explain_command::run(&common, args),
        Subcommand::Config(command) => config_command::run(&common, command),
        Subcommand::Doctor(args) => doctor_command::run(&common, args),
        Subcommand::Held => held_command::run(&common),
        Subcommand::Completions { shell } => help::completions(&common, shell),
        Subcommand::Man => help::man(&common),
    }
}
