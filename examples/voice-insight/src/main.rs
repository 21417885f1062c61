//! The Telegram Voice-to-Insight bot: what is said in a recording, and what is in it. The reference
//! host of the library.
//!
//! # Expected flow
//!
//! Configuration → guard → [`journal`] → polling. An update is read ([`intake`]) and written down
//! before Telegram forgets it, waits at the [`queue`], and is answered ([`answers`]): downloaded,
//! transcribed, summed up, cut into parts ([`split`]), sent.
//!
//! # Guarantees
//!
//! - Each message is answered once: in one process by its update's number, from one to the next by
//!   the journal. Only where a process is killed, or a connection breaks, between Telegram taking a
//!   part of an answer and its word that it did, does that part come twice.
//! - No message is lost silently: what fails is answered with what failed, and what is unanswered
//!   when the process ends – in whatever way – is answered by the next one that holds the instance.
//! - When it is to end, what was begun is finished, within the time that whoever asked has; nothing
//!   is begun any more.
//! - No recording touches the disk; no transcript and no key gets into a log.
//!
//! # Assumptions
//!
//! Whoever holds the instance next uses the same lock folder: the journal lies in it.

mod answers;
mod endpoint;
mod error;
mod insight;
mod intake;
mod journal;
mod lines;
mod media;
mod messages;
mod queue;
mod retry;
mod secret;
mod serve;
mod services;
mod settings;
mod shutdown;
mod split;
mod status;
mod telegram;
mod transcription;
mod updates;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::settings::Settings;
use clap::Parser;

use monopoll::internals::config::{Config, Sources};
use monopoll::internals::error::{Error, ExitStatus};
use monopoll::internals::{cli, guard};

/// Answers voice messages, video notes and audio files with what is said in them.
#[derive(Debug, Parser)]
#[command(name = "voice-insight", version, max_term_width = 100)]
struct Cli {
    /// The configuration file, as for monopoll; the bot's own keys are under `app`
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// The profile of the file to use
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Overrides one key, such as `app.at_once=1`; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Check the configuration and do nothing: for `check.command`
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => monopoll::internals::error::exit(run(&cli)),
        Err(error) => {
            let status = if error.use_stderr() { ExitStatus::Usage } else { ExitStatus::Done };
            // Where nobody can be told, the status still can.
            let _ = error.print();
            status.into()
        }
    }
}

fn run(cli: &Cli) -> Result<(), Error> {
    let sources = Sources {
        config: cli.config.clone(),
        profile: cli.profile.clone(),
        set: cli.set.clone(),
        ..Sources::from_process()?
    };
    let config = Config::load(&sources)?;
    cli::log_as("voice-insight", &config.settings.log);
    let settings = Settings::read(&config, &sources.env)?;
    let token = guard::token(&config).ok_or_else(|| {
        let names =
            config.token_variables().map(|name| format!("${name}")).collect::<Vec<_>>().join(", ");
        Error::new(ExitStatus::Config, "no bot token is known")
            .with_hint(format!("set one of {names}, here or in `env_file`"))
    })?;
    if cli.check {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Error::from_source(ExitStatus::Fault, "there is no runtime to be had", error)
    })?;
    runtime.block_on(serve::serve(&config, settings, &token))
}
