//! The command line: what may be written on it.

pub mod config_command;
mod doctor_command;
mod dry_run;
mod explain_command;
mod help;
mod log;
mod output;
mod plan_command;
mod prepare;
mod run_command;
mod start_messages;
mod status_command;
mod status_line;
mod stop_command;
mod terminal_line;

use std::ffi::OsString;
use std::path::PathBuf;

pub use help::wrong;
use output::print;
pub use output::say;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::engine::action::OnConflict;
use crate::error::{Error, ExitStatus};
use crate::sys::machine;

/// Writes the records of this process to standard error from here on, as `log` says and as the
/// command line tool does: for a program that has the library in it and no log of its own. Secrets
/// are masked.
pub fn log_as(program: &'static str, log: &crate::config::settings::LogTable) {
    log::begin_as(program, log);
}

/// One bot, one poller: settles by policy who may poll, then runs the bot.
#[derive(Debug, Parser)]
#[command(name = "monopoll", version, max_term_width = 100)]
#[command(after_help = help::EXAMPLES, after_long_help = help::EXAMPLES_AND_STATUSES)]
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
    /// The configuration file [default: the first of ./monopoll.toml, ./config.toml, the user's,
    /// the system's]
    #[arg(long, value_name = "PATH", global = true, value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The [profile.NAME] of the file to use
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Option<String>,
    /// Overrides one key, such as timeouts.graceful=10s; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE", global = true)]
    pub set: Vec<String>,
    /// What to do about whoever is in the way: refuse, graceful, force or wait
    #[arg(long, value_name = "ACTION", value_parser = help::actions(), hide_possible_values = true, global = true)]
    pub on_conflict: Option<OnConflict>,
    /// The thing there may be only one of [default: by the bot's token, else by COMMAND]
    #[arg(long, value_name = "ID", global = true)]
    pub instance: Option<String>,
    /// Print one JSON document to standard output
    #[arg(long, overrides_with = "json", global = true)]
    pub json: bool,
    /// Say more
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, overrides_with = "quiet", conflicts_with = "verbose", global = true)]
    pub quiet: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Settle who polls, then run COMMAND while holding the lock
    ///
    /// Whoever is in the way is looked for among this user's processes and by this user's lock: a
    /// bot that another user started is not seen, unless a `[[match]]` entry says `user = "any"`.
    Run {
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// The bot and its arguments
        #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
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
    /// Say who holds the instance, since when and how it got there; every instance if none is named
    Status {
        /// Print what happened to it, too
        #[arg(long)]
        history: bool,
        /// The bot and its arguments
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// End what runs, gracefully unless `--on-conflict force`; rules can only forbid
    Stop {
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// The bot and its arguments
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Say why a process is or is not a candidate: each entry, shield and rule with its verdict
    Explain {
        /// The process; without one, the plan and everybody it speaks of
        pid: Option<String>,
        /// The bot and its arguments
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Show, check or write the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Say whether this machine is ready, and the way out where it is not; touches nothing
    Doctor {
        /// The bot and its arguments
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Print the completions for a shell
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the man page
    Man,
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
    machine::memory::share_one_heap();
    let Cli { common, command } = cli;
    match command {
        Command::Run { dry_run: true, command } => {
            plan_command::run(&common, command, output::PlanOutput::ByRun)
        }
        Command::Run { dry_run: false, .. } if common.json => Err(Error::new(
            ExitStatus::Usage,
            "`run` prints JSON only with `--dry-run`: its standard output is COMMAND's",
        )
        .with_hint("add `--dry-run`, or use `monopoll plan --json`")),
        Command::Run { dry_run: false, command } => run_command::run(&common, command),
        Command::Plan { detailed_exitcode, command } => {
            let detail = if detailed_exitcode {
                output::PlanOutput::InDetail
            } else {
                output::PlanOutput::Plainly
            };
            plan_command::run(&common, command, detail)
        }
        Command::Status { history, command } => {
            let detail =
                if history { status_command::Detail::History } else { status_command::Detail::Now };
            status_command::run(&common, command, detail)
        }
        Command::Stop { dry_run, command } => stop_command::run(
            &common,
            command,
            if dry_run { stop_command::StopRun::Tries } else { stop_command::StopRun::Stops },
        ),
        Command::Explain { pid, command } => explain_command::run(&common, pid.as_deref(), command),
        Command::Config(command) => configuration(&common, &command),
        Command::Doctor { command } => doctor_command::run(&common, command),
        Command::Completions { shell } => help::completions(&common, shell),
        Command::Man => help::man(&common),
    }
}

fn configuration(common: &Common, command: &ConfigCommand) -> Result<ExitStatus, Error> {
    let format =
        if common.json { config_command::Format::Json } else { config_command::Format::Text };
    match command {
        ConfigCommand::Show => {
            print(&config_command::show(&prepare::configuration(common)?, format))
        }
        ConfigCommand::Schema => print(&config_command::schema()),
        ConfigCommand::Init => {
            let path = config_command::init(&prepare::sources(common)?.cwd)?;
            print(&format!("wrote {}", path.display()))
        }
        ConfigCommand::Check => {
            let outcome = crate::config::Config::load(&prepare::sources(common)?);
            match (outcome, format) {
                (Err(problems), config_command::Format::Text) => {
                    Err(problems.into_error(output::paint(&std::io::stderr())))
                }
                (outcome, format) => {
                    // The document is a list of what is wrong, and has no place for what is only
                    // odd.
                    let notes = outcome
                        .as_ref()
                        .ok()
                        .filter(|_| common.json)
                        .into_iter()
                        .flat_map(|config| &config.notes);
                    notes.for_each(|note| say(format_args!("monopoll: {note}")));
                    print(&config_command::check(&outcome, format))?;
                    match outcome {
                        Ok(_) => Ok(ExitStatus::Done),
                        Err(problems) => {
                            Err(problems.into_error(output::paint(&std::io::stderr())))
                        }
                    }
                }
            }
        }
    }
}
