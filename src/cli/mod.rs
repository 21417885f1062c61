//! The command line: what may be written on it.

pub mod config;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::engine::action::OnConflict;

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
    /// What to do about a conflict
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
