//! `monopoll config`: show, check, schema and init.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::output::{paint, print, print_to_stderr};
use crate::cli::{Common, help, prepare};
use crate::config::find_file::{SHARED_NAME, preferred_to_shared, shared_has_our_keys};
use crate::config::settings::file_schema;
use crate::config::{Config, Problems, Sources};
use crate::error::{Error, ExitStatus};
use crate::guard::instance_name;
use crate::guard::start_request::lock_files;
use crate::guard::token_lookup;
use crate::report::effective_config::{Applied, ShownKeys};
use crate::report::{check_json, config_json, config_text, plan_json};
use crate::scan::command::Command;
use crate::sys::users;
use crate::text::{mask_secrets, printable, quote};

/// The example file, with every key, its default and the reason for it.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum ConfigSubcommand {
    /// Print the effective configuration, each value with its origin
    #[command(after_help = help::CONFIG_SHOW)]
    Show(ShowArgs),
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

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Leave out the keys that have their default
    #[arg(long)]
    changed: bool,
    /// The bot's program and its arguments, which name the instance if there is no token
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(super) fn run(common: &Common, command: ConfigSubcommand) -> Result<ExitStatus, Error> {
    let format = if common.json { Format::Json } else { Format::Text };
    match command {
        ConfigSubcommand::Show(args) => run_show(common, args, format),
        ConfigSubcommand::Check => run_check(common, format),
        ConfigSubcommand::Schema => print(&schema()),
        ConfigSubcommand::Init => run_init(common),
    }
}

fn run_show(common: &Common, args: ShowArgs, format: Format) -> Result<ExitStatus, Error> {
    let shown = if args.changed { ShownKeys::Changed } else { ShownKeys::All };
    let config = prepare::configuration(common)?;
    for note in &config.notes {
        print_to_stderr(format_args!("monopoll: {note}"));
    }
    let command = if args.command.is_empty() {
        None
    } else {
        Some(Command::find(args.command, prepare::sources(common)?.cwd)?)
    };
    let lookup = token_lookup::search(&config, command.as_ref());
    lookup.require_clear(&config)?;
    let tokens = lookup.usable();
    let instance = instance_name::instance(&config, &tokens, command.as_ref());
    let instance = instance.map(|instance| instance.to_string());
    let shown_instance = instance.as_deref().unwrap_or("{instance}");
    let locks = lock_files(&config, shown_instance, &users::current_user())?;
    let applied = Applied { instance, locks };
    print(&show(&config, &applied, shown, format))
}

fn run_check(common: &Common, format: Format) -> Result<ExitStatus, Error> {
    let sources = prepare::sources(common)?;
    let mut outcome = Config::load(&sources);
    if let Ok(config) = &mut outcome {
        let tokens = token_lookup::search(config, None).warnings(config);
        let hidden = hidden_note(&sources, config.file.as_deref());
        let check = check_note(config, &sources.cwd);
        config.notes.extend(tokens.into_iter().chain(hidden).chain(check));
    }
    // The JSON document only lists problems, so print the notes separately.
    if let (Ok(config), Format::Json) = (&outcome, format) {
        for note in &config.notes {
            print_to_stderr(format_args!("monopoll: {note}"));
        }
    }
    if outcome.is_ok() || common.json {
        print(&check(&outcome, format))?;
    }
    match outcome {
        Ok(_) => Ok(ExitStatus::Done),
        Err(problems) => Err(problems.into_error(paint(&std::io::stderr()))),
    }
}

/// Warns that a `./config.toml` with monopoll's keys is not read because of another file.
fn hidden_note(sources: &Sources, read: Option<&Path>) -> Option<String> {
    let read = read.filter(|read| **read == *Path::new("./monopoll.toml"))?;
    shared_has_our_keys(sources).then(|| {
        format!(
            "{SHARED_NAME} is not read, because {} is there",
            printable(&read.to_string_lossy())
        )
    })
}

/// Warns that the program of `check.command` is not found, as a start would.
fn check_note(config: &Config, cwd: &Path) -> Option<String> {
    let check: Vec<OsString> = config.check()?.command.iter().map(OsString::from).collect();
    let error = Command::find(check, cwd.to_owned()).err()?;
    let program = config.check()?.command.first().map_or_else(String::new, |word| quote(word));
    let what = match error.status() {
        ExitStatus::NotFound => "is not found",
        _ => "cannot be executed",
    };
    let place = config.origin("check.command");
    Some(format!("{place}: `check.command`: {program} {what}, so every start fails; correct it"))
}

fn run_init(common: &Common) -> Result<ExitStatus, Error> {
    let sources = prepare::sources(common)?;
    let path = match &sources.config {
        Some(path) => path,
        None => unless_unread(&sources)?,
    };
    // Removes the `.` of `./config.toml`.
    let path = init(sources.cwd.join(path).components().collect())?;
    print(&format!("wrote {}", printable(&path.to_string_lossy())))
}

/// Formats the effective configuration, each value with its origin. Secrets are masked and `[app]`
/// is omitted.
pub fn show(config: &Config, applied: &Applied, shown: ShownKeys, format: Format) -> String {
    match format {
        Format::Text => config_text::effective(config, applied, shown),
        Format::Json => mask_secrets(&document(&config_json::document(config, applied, shown))),
    }
}

pub fn check(outcome: &Result<Config, Problems>, format: Format) -> String {
    match format {
        Format::Text => config_text::problems(outcome),
        Format::Json => document(&check_json::document(outcome.as_ref().err())),
    }
}

pub fn schema() -> String {
    document(&file_schema())
}

/// Replaces the path of the schema, which is valid only within this repository.
const SCHEMA_ELSEWHERE: &str = "\
# To let an editor complete and check this file, run
# `monopoll config schema > monopoll.schema.json`, and make this the first line of the file:
# `#:schema ./monopoll.schema.json`";

/// Returns the example as a standalone file, valid in any folder.
pub fn starter() -> String {
    match EXAMPLE.split_once('\n') {
        Some((schema, rest)) if schema.starts_with("#:schema ") => {
            format!("{SCHEMA_ELSEWHERE}\n{rest}")
        }
        Some(_) | None => EXAMPLE.to_owned(),
    }
}

/// Returns the path for a new `config.toml`, unless a start would read another file.
fn unless_unread(sources: &Sources) -> Result<&'static Path, Error> {
    let Some(read) = preferred_to_shared(sources) else { return Ok(Path::new(SHARED_NAME)) };
    let named = if sources.variable("MONOPOLL_CONFIG").is_some() {
        " (named by $MONOPOLL_CONFIG)"
    } else {
        ""
    };
    let read = quote(&read.to_string_lossy());
    Err(Error::new(
        ExitStatus::Config,
        format!("not written: monopoll reads {read}{named} here, and would ignore `{SHARED_NAME}`"),
    )
    .with_hint("edit that file, or name another one: `monopoll config init --config FILE`"))
}

/// Writes the example to `path`. Never overwrites an existing file.
pub fn init(path: PathBuf) -> Result<PathBuf, Error> {
    let opened = OpenOptions::new().write(true).create_new(true).open(&path);
    match opened.and_then(|mut file| file.write_all(starter().as_bytes())) {
        Ok(()) => Ok(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let what =
                format!("`{}` exists already; not changed", printable(&path.to_string_lossy()));
            Err(Error::new(ExitStatus::Config, what)
                .with_hint("write another file: `monopoll config init --config monopoll.toml`"))
        }
        Err(error) => {
            let what = format!("cannot write `{}`: {error}", printable(&path.to_string_lossy()));
            Err(Error::new(ExitStatus::Fault, what)
                .with_hint("name a path that you can write to with `--config`"))
        }
    }
}

fn document(document: &impl Serialize) -> String {
    // Serializing these documents cannot fail.
    plan_json::to_text(document).unwrap_or_default() + "\n"
}
