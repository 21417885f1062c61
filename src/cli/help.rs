//! The text after `--help`, and what is generated from the same source: completions and man page.

use std::ffi::OsString;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::output::print;
use crate::cli::{Cli, Common};
use crate::engine::action::OnConflict;
use crate::error::{Error, ExitStatus};

pub(super) const EXAMPLES: &str = include_str!("help/examples.txt");

pub(super) const ALL_SECTIONS: &str = concat!(
    include_str!("help/examples.txt"),
    "\nFiles:\n",
    include_str!("help/files.txt"),
    "\nEnvironment:\n",
    include_str!("help/environment.txt"),
    "\n",
    include_str!("help/exit_statuses.txt")
);

const STATUSES: &str = include_str!("help/exit_statuses.txt");

const FILES: &str = include_str!("help/files.txt");
const ENVIRONMENT: &str = include_str!("help/environment.txt");

pub(super) const RUN: &str = "\
Examples:
  monopoll run -- python3 main.py
  monopoll run --on-conflict graceful -- python3 main.py
  monopoll run --dry-run -- python3 main.py";
pub(super) const PLAN: &str = "\
Example:
  monopoll plan --on-conflict graceful -- python3 main.py";
pub(super) const STATUS: &str = "\
Examples:
  monopoll status -- python3 main.py
  monopoll status --all

Exit status: 0 running, 3 not running, 4 cannot tell, 5 runs without a guard.";
pub(super) const STOP: &str = "\
Examples:
  monopoll stop --dry-run -- python3 main.py
  monopoll stop -- python3 main.py";
pub(super) const EXPLAIN: &str = "\
Examples:
  monopoll explain 4711 -- python3 main.py
  monopoll explain -- python3 main.py

A guard and its bot name the instance themselves, and so does a token on a command line:
`monopoll explain 4711` is enough there.";
pub(super) const DOCTOR: &str = "\
Examples:
  monopoll doctor -- python3 main.py
  monopoll doctor --offline -- python3 main.py";
pub(super) const COMPLETIONS: &str = "\
Examples:
  monopoll completions bash > ~/.local/share/bash-completion/completions/monopoll
  monopoll completions zsh > ~/.zfunc/_monopoll
  monopoll completions fish > ~/.config/fish/completions/monopoll.fish

Create the folder first. zsh also needs `fpath+=~/.zfunc` before `compinit` in ~/.zshrc.";
pub(super) const MAN: &str = "\
Example:
  monopoll man > ~/.local/share/man/man1/monopoll.1";
pub(super) const CONFIG_SHOW: &str = "\
Examples:
  monopoll config show -- python3 main.py
  monopoll config show --changed";
pub(super) const CONFIG_CHECK: &str = "\
Example:
  monopoll config check --config monopoll.toml";
pub(super) const CONFIG_SCHEMA: &str = "\
Example:
  monopoll config schema > monopoll.schema.json";
pub(super) const CONFIG_INIT: &str = "\
Examples:
  monopoll config init
  monopoll config init --config monopoll.toml";

/// Parses `--on-conflict`, and lists its values for shell completion.
pub(super) fn actions() -> impl TypedValueParser<Value = OnConflict> {
    PossibleValuesParser::new(["refuse", "graceful", "force", "wait"])
        .try_map(|name| name.parse::<OnConflict>())
}

/// Returns the command that parses `arguments`. Options are hidden only if help is printed, because
/// hiding them takes longer than parsing.
pub(super) fn command_for(arguments: &[OsString]) -> Command {
    let is_help = |argument: &OsString| {
        argument.to_str().is_some_and(|it| matches!(it, "-h" | "--help" | "help"))
    };
    if arguments.iter().any(is_help) { command_for_help() } else { Cli::command() }
}

/// Returns the command with the common options hidden in subcommands that do not use them.
fn command_for_help() -> Command {
    let common = Common::augment_args(Command::new("monopoll"));
    let hide = |command: Command, is_useless: fn(&str) -> bool| {
        let hidden = common.get_arguments().filter(|arg| is_useless(arg.get_id().as_str()));
        command.args(hidden.map(|arg| arg.clone().hide(true)))
    };
    let hide_in_config = |command: Command| match command.get_name() {
        "show" | "check" => hide(command, |id| matches!(id, "verbose" | "quiet")),
        "init" => hide(command, |id| id != "config"),
        _ => hide(command, |_| true),
    };
    Cli::command().mut_subcommands(|command| match command.get_name() {
        "config" => command.mut_subcommands(hide_in_config),
        "status" | "doctor" => hide(command, |id| id == "on_conflict"),
        "completions" | "man" => hide(command, |_| true),
        "stop" => {
            let action = common.get_arguments().filter(|arg| arg.get_id() == "on_conflict");
            let action = action.map(|arg| arg.clone().help("The way to stop: graceful or force"));
            command.args(action)
        }
        _ => command,
    })
}

pub(super) fn completions(common: &Common, shell: Shell) -> Result<ExitStatus, Error> {
    refuse_json(common, "a script for a shell")?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_for_help(), "monopoll", &mut script);
    print(&String::from_utf8_lossy(&script))
}

pub(super) fn man(common: &Common) -> Result<ExitStatus, Error> {
    refuse_json(common, "a man page")?;
    let page = page().map_err(|error| {
        Error::from_source(ExitStatus::Fault, "cannot write the man page", error)
    })?;
    print(&page)
}

fn refuse_json(common: &Common, what: &str) -> Result<(), Error> {
    if common.json {
        Err(Error::new(ExitStatus::Usage, format!("this prints {what}, not JSON"))
            .with_hint("leave out `--json`"))
    } else {
        Ok(())
    }
}

/// Renders a single page: each command with its own options, then the common options.
fn page() -> std::io::Result<String> {
    let cli = command_for_help();
    let man = Man::new(cli.clone().override_usage("monopoll [OPTIONS] SUBCOMMAND ..."));
    let mut page = Vec::new();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    Roff::new().control("SH", ["SUBCOMMANDS"]).to_writer(&mut page)?;
    for command in leaves(&cli, "monopoll") {
        render(command, &mut page)?;
    }
    man.render_options_section(&mut page)?;
    literal("EXAMPLES", EXAMPLES).to_writer(&mut page)?;
    literal("FILES", FILES).to_writer(&mut page)?;
    literal("ENVIRONMENT", ENVIRONMENT).to_writer(&mut page)?;
    literal("EXIT STATUS", STATUSES.split_once('\n').map_or(STATUSES, |(_, statuses)| statuses))
        .to_writer(&mut page)?;
    Ok(assembled(&String::from_utf8_lossy(&page)))
}

/// Joins the parts under one title, which has no date because it would become outdated. Keeps a
/// single preamble, before the title.
fn assembled(parts: &str) -> String {
    let is_preamble = |line: &&str| line.starts_with(".ie ") || line.starts_with(".el ");
    let preamble = parts.lines().filter(is_preamble).take(2);
    let title = concat!(".TH monopoll 1 \"\" \"monopoll ", env!("CARGO_PKG_VERSION"), "\"");
    let lines = preamble.chain([title]).chain(parts.lines().filter(|line| !is_preamble(line)));
    lines.flat_map(|line| [line.trim_end(), "\n"]).collect()
}

/// Returns the commands without subcommands, by their full names. They are not built yet, so they
/// have neither `help` nor global options.
fn leaves(command: &Command, name: &str) -> Vec<Command> {
    // `help` is added when a command is built, so it is not included.
    let inner: Vec<Command> = command
        .get_subcommands()
        .flat_map(|inner| leaves(inner, &format!("{name} {}", inner.get_name())))
        .collect();
    if inner.is_empty() {
        vec![command.clone().bin_name(name).disable_help_flag(true)]
    } else {
        inner
    }
}

fn render(mut command: Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let name = command.get_bin_name().unwrap_or_default().to_owned();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = command.render_usage().to_string();
    let rest = usage.split_once(&name).map_or("", |(_, rest)| rest).to_owned();
    let mut roff = Roff::new();
    roff.control("SS", [name.as_str()]).text([bold(name.as_str()), roman(rest)]);
    roff.control("PP", []).text([roman(about + ".")]).to_writer(page)?;
    if command.get_arguments().all(Arg::is_hide_set) {
        return Ok(());
    }
    // Omits the heading, which is for a separate page.
    let mut options = Vec::new();
    Man::new(command).render_options_section(&mut options)?;
    let options = String::from_utf8_lossy(&options);
    let lines = options.lines().filter(|line| !line.starts_with(".SH "));
    page.extend(lines.flat_map(|line| [line, "\n"]).flat_map(str::bytes));
    Ok(())
}

fn literal(title: &str, text: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]).control("nf", []);
    for line in text.lines() {
        match line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            Some(heading) => roff.text([bold(heading)]),
            None => roff.text([roman(line)]),
        };
    }
    roff.control("fi", []);
    roff
}
