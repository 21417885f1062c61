//! What stands below `--help`, and the pages that are made of the same source: completions and the
//! man page.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::{Cli, Common, print};
use crate::engine::action::OnConflict;
use crate::error::{Error, ExitStatus};

pub(super) const EXAMPLES: &str = include_str!("help/examples.txt");

pub(super) const EXAMPLES_AND_STATUSES: &str =
    concat!(include_str!("help/examples.txt"), "\n", include_str!("help/exit_statuses.txt"));

const STATUSES: &str = include_str!("help/exit_statuses.txt");

/// Only in the man page.
const FILES: &str = include_str!("help/files.txt");
const ENVIRONMENT: &str = include_str!("help/environment.txt");

/// The actions of `--on-conflict`, so that a shell can offer them.
pub(super) fn actions() -> impl TypedValueParser<Value = OnConflict> {
    PossibleValuesParser::new(["refuse", "graceful", "force", "wait"])
        .try_map(|name| name.parse::<OnConflict>())
}

/// The message about a command line that clap rejects: what is wrong, the usage, and the line that
/// every error ends with.
pub fn usage_error(error: &clap::Error) -> String {
    let whole = error.render().to_string();
    let (mut lines, mut see) = (Vec::new(), "`monopoll --help`".to_owned());
    for line in whole.trim_end().lines() {
        if line.starts_with("For more information, try ") {
            continue;
        }
        // The program is called as it was called, on Windows by its ending too.
        if let Some((_, usage)) =
            line.strip_prefix("Usage: ").and_then(|usage| usage.split_once(' '))
        {
            let command = usage
                .split([' ', '\n'])
                .next()
                .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
            see = command.map_or(see, |command| format!("`monopoll help {command}`"));
        }
        lines.push(line.strip_prefix("error: ").unwrap_or(line));
    }
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines.push("");
    let behind = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word))
            if !word.starts_with('-') && whole.contains("[-- <COMMAND>...]") =>
        {
            "; COMMAND goes behind `--`"
        }
        _ => "",
    };
    format!("{}monopoll: the command line is wrong{behind}; see {see}", lines.join("\n"))
}

pub(super) fn completions(common: &Common, shell: Shell) -> Result<ExitStatus, Error> {
    refuse_json(common, "a script for a shell")?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "monopoll", &mut script);
    print(&String::from_utf8_lossy(&script))
}

pub(super) fn man(common: &Common) -> Result<ExitStatus, Error> {
    refuse_json(common, "a man page")?;
    let page = page().map_err(|error| {
        Error::from_source(ExitStatus::Fault, "the man page cannot be written", error)
    })?;
    print(&page)
}

fn refuse_json(common: &Common, what: &str) -> Result<(), Error> {
    if common.json {
        Err(Error::new(ExitStatus::Usage, format!("this prints {what}, and no JSON"))
            .with_hint("leave `--json` out"))
    } else {
        Ok(())
    }
}

/// One page for all commands: each with its own options, then the options of all of them.
fn page() -> std::io::Result<String> {
    let cli = Cli::command();
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

/// Joins the parts: the preamble of each is kept once, before the title, which has no date that
/// would become stale.
fn assembled(parts: &str) -> String {
    let is_preamble = |line: &&str| line.starts_with(".ie ") || line.starts_with(".el ");
    let preamble = parts.lines().filter(is_preamble).take(2);
    let title = concat!(".TH monopoll 1 \"\" \"monopoll ", env!("CARGO_PKG_VERSION"), "\"");
    let lines = preamble.chain([title]).chain(parts.lines().filter(|line| !is_preamble(line)));
    lines.flat_map(|line| [line.trim_end(), "\n"]).collect()
}

/// The commands without subcommands, by their whole names. Not built yet, they have neither `help`
/// nor the global options.
fn leaves(command: &Command, name: &str) -> Vec<Command> {
    // Before they are built, `help` is none of them.
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
    if command.get_arguments().next().is_none() {
        return Ok(());
    }
    // Its heading is that of a page of its own.
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
