//! The generated texts: help, completions and man page.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use clap::{CommandFactory, Parser};

use monopoll::internals::cli::Cli;
use monopoll::internals::config::Parsed;
use monopoll::internals::config::settings::Settings;
use monopoll::internals::error::ExitStatus;

fn monopoll(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_monopoll")).args(args).output().unwrap()
}

#[track_caller]
fn printed(args: &[&str]) -> String {
    let output = monopoll(args);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the subcommands that a person calls.
fn subcommands() -> Vec<String> {
    let command = Cli::command();
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.map(|command| command.get_name().to_owned()).collect()
}

/// Returns the command lines in the help, up to two blanks.
fn examples() -> Vec<String> {
    let help = printed(&["-h"]);
    let lines = help.lines().filter_map(|line| line.strip_prefix("  monopoll "));
    lines.map(|line| format!("monopoll {}", line.split("  ").next().unwrap())).collect()
}

/// Runs a program with this input; `None` if it is not installed.
fn fed(program: &str, args: &[&str], input: &str) -> Option<Output> {
    let piped = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = piped else {
        monopoll_test_bots::stage::skip(&format!("{program} is not installed"));
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

#[test]
fn every_example_of_the_help_parses() {
    assert!(examples().len() >= 5);
    for example in examples() {
        assert!(Cli::try_parse_from(example.split_whitespace()).is_ok(), "{example}");
    }
}

#[test]
fn every_command_has_an_example() {
    let examples = examples();
    for command in
        subcommands().iter().filter(|name| !matches!(name.as_str(), "completions" | "man"))
    {
        assert!(
            examples.iter().any(|example| example.split(' ').any(|word| word == command)),
            "{command}"
        );
    }
}

#[test]
fn the_help_of_each_command_has_an_example_and_only_its_own_options() {
    let leaves = [
        (&["run"][..], "--on-conflict"),
        (&["plan"], "--on-conflict"),
        (&["status"], "--all"),
        (&["stop"], "--on-conflict"),
        (&["explain"], "--set"),
        (&["doctor"], "--profile"),
        (&["completions"], "--help"),
        (&["man"], "--help"),
        (&["config", "show"], "--changed"),
        (&["config", "check"], "--profile"),
        (&["config", "schema"], "--help"),
        (&["config", "init"], "--config"),
    ];
    for (command, option) in leaves {
        let help = printed(&[command, &["--help"]].concat());
        let start = format!("  monopoll {}", command.join(" "));
        let examples: Vec<&str> = help.lines().filter(|line| line.starts_with(&start)).collect();
        assert!(!examples.is_empty() && help.contains(option), "{help}");
        for example in examples {
            let words = example.split(" > ").next().unwrap().split_whitespace();
            assert!(Cli::try_parse_from(words).is_ok(), "{example}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
    for (command, option) in [
        (&["completions"][..], "--config"),
        (&["man"], "--on-conflict"),
        (&["status"], "--on-conflict"),
        (&["config", "schema"], "--set"),
        (&["config", "init"], "--profile"),
    ] {
        let help = printed(&[command, &["--help"]].concat());
        assert!(!help.contains(option), "{help}");
    }
    let completions = printed(&["completions", "--help"]);
    for shell in ["bash-completion/completions/", ".zfunc/_monopoll", "fish/completions/"] {
        assert!(completions.contains(shell), "{completions}");
    }
}

#[test]
fn the_long_help_names_the_environment_and_the_files() {
    let help = printed(&["--help"]);
    for name in ["MONOPOLL_KEY", "./monopoll.toml", "/etc/monopoll"] {
        assert!(help.contains(name), "{name}");
    }
    let variables = Settings::default().token_env;
    let variables: Vec<&str> = variables.iter().map(Parsed::as_str).collect();
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&variables.join(", ")), "{variables:?}");
}

#[test]
fn the_long_help_lists_every_exit_status() {
    let help = printed(&["--help"]);
    let statuses = help.split_once("Exit status:").unwrap().1;
    for status in [
        ExitStatus::Done,
        ExitStatus::Fault,
        ExitStatus::WouldAct,
        ExitStatus::NotRunning,
        ExitStatus::Unknown,
        ExitStatus::Unguarded,
        ExitStatus::Usage,
        ExitStatus::LockFile,
        ExitStatus::Refused,
        ExitStatus::Permission,
        ExitStatus::Config,
        ExitStatus::NotExecutable,
        ExitStatus::NotFound,
        ExitStatus::Signaled(2),
        ExitStatus::Signaled(15),
    ] {
        let code = status.code().to_string();
        let has = statuses.lines().any(|line| {
            line.get(..18).is_some_and(|head| head.split([' ', ',']).any(|word| word == code))
        });
        assert!(has, "{code}");
    }
}

#[test]
fn no_help_line_is_wider_than_100_columns() {
    for line in printed(&["--help"]).lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn help_is_also_a_command() {
    assert_eq!(printed(&["help"]), printed(&["--help"]));
    assert_eq!(printed(&["help", "run"]), printed(&["run", "--help"]));
    let run = printed(&["help", "run"]).replace('\n', " ");
    assert!(run.contains("a bot that another user started is not seen"), "{run}");
}

#[test]
fn a_wrong_command_line_is_reported_once_and_the_help_is_named_last() {
    for (args, first, last) in [
        (&["hlep"][..], "unrecognized subcommand 'hlep'", "`monopoll --help`"),
        (
            &["run", "--bogus", "--", "true"],
            "unexpected argument '--bogus' found",
            "`monopoll help run`",
        ),
        (
            &["plan", "python", "main.py"],
            "unexpected argument 'python' found",
            "`monopoll help plan`",
        ),
        (&["stop", "--bogus"], "unexpected argument '--bogus' found", "`monopoll help stop`"),
        (
            &["--on-conflict", "kill", "plan"],
            "invalid value 'kill' for '--on-conflict <ACTION>'",
            "`monopoll --help`",
        ),
    ] {
        let output = monopoll(args);
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(
            printed.starts_with(first)
                && !printed.contains("error:")
                && !printed.contains("--help'"),
            "{printed}"
        );
        let after = if args.contains(&"python") { "; COMMAND goes after `--`" } else { "" };
        assert_eq!(
            printed.lines().last().unwrap(),
            format!("monopoll: the command line is wrong{after}; see {last}"),
            "{args:?}"
        );
    }
}

#[test]
fn the_quiet_flag_may_be_repeated() {
    for flags in [&["-qq"][..], &["-q", "--quiet"], &["--json", "--json"]] {
        assert!(
            Cli::try_parse_from([&["monopoll"], flags, &["doctor"]].concat()).is_ok(),
            "{flags:?}"
        );
    }
    assert!(Cli::try_parse_from(["monopoll", "-q", "-v", "doctor"]).is_err());
}

#[test]
fn completions_offer_the_actions() {
    for (shell, offer) in [
        ("bash", "\"refuse graceful force wait\""),
        ("zsh", "(refuse graceful force wait)"),
        ("fish", "-l on-conflict"),
    ] {
        let script = printed(&["completions", shell]);
        assert!(script.contains(offer), "{shell}: {script}");
    }
    let fish = printed(&["completions", "fish"]);
    let line = fish
        .lines()
        .skip_while(|line| !line.contains("-l on-conflict"))
        .take(5)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        ["refuse", "graceful", "force", "wait"].iter().all(|action| line.contains(action)),
        "{line}"
    );
}

#[test]
fn each_shell_gets_completions_of_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        for command in subcommands() {
            assert!(script.contains(&command), "{shell} {command}");
        }
        assert!(script.contains("on-conflict"), "{shell}");
    }
}

#[test]
fn bash_accepts_its_completions() {
    if let Some(output) = fed("bash", &["-n"], &printed(&["completions", "bash"])) {
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn an_unknown_shell_is_a_wrong_command_line() {
    assert_eq!(monopoll(&["completions", "tcl"]).status.code(), Some(64));
}

#[test]
fn the_man_page_lists_every_command_and_no_missing_page() {
    let page = printed(&["man"]);
    for command in Cli::command().get_subcommands() {
        let name = format!("monopoll {}", command.get_name());
        assert!(page.contains(&format!(".SS \"{name}")), "{name}");
    }
    for section in [
        "NAME",
        "SYNOPSIS",
        "SUBCOMMANDS",
        "OPTIONS",
        "EXAMPLES",
        "FILES",
        "ENVIRONMENT",
        "\"EXIT STATUS\"",
    ] {
        assert_eq!(
            page.lines().filter(|line| *line == format!(".SH {section}")).count(),
            1,
            "{section}"
        );
    }
    let other_page = |command: &String| page.contains(&format!("monopoll\\-{command}"));
    assert!(!page.contains("(1)") && !subcommands().iter().any(other_page), "{page}");
    assert_eq!(page.lines().filter(|line| line.starts_with(".TH ")).count(), 1);
}

#[test]
fn the_man_page_is_typeset_without_warnings() {
    if let Some(output) = fed("groff", &["-man", "-Tutf8", "-ww"], &printed(&["man"])) {
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn commands_without_json_refuse_the_json_flag() {
    for args in [&["--json", "man"][..], &["completions", "bash", "--json"]] {
        let output = monopoll(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(output.stdout.is_empty());
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("monopoll: this prints "));
    }
}

#[test]
fn a_command_line_of_another_tool_is_answered_with_what_was_meant() {
    for (line, tip) in [
        ("python3 main.py", "did you mean `monopoll run -- python3 main.py`?"),
        ("-- python3 main.py", "did you mean `monopoll run -- python3 main.py`?"),
        ("start -- python3 main.py", "did you mean `monopoll run -- python3 main.py`?"),
        ("kill", "did you mean `monopoll stop`?"),
        ("list", "did you mean `monopoll status`?"),
        ("restart -- x", "did you mean `monopoll run --on-conflict graceful -- x`?"),
        ("run --graceful -- x", "did you mean `--on-conflict graceful`?"),
        ("run --force -- x", "did you mean `--on-conflict force`?"),
        (
            "run --on-conflict ignore -- x",
            "`ignore` works only in `[[rules]]` of the configuration",
        ),
        ("statsu", "a similar subcommand exists: 'status'"),
    ] {
        let output = monopoll(&line.split(' ').collect::<Vec<_>>());
        let error = String::from_utf8(output.stderr).unwrap();
        let tips: Vec<&str> = error.lines().filter_map(|it| it.strip_prefix("  tip: ")).collect();
        assert_eq!((output.status.code(), tips), (Some(64), vec![tip]), "{error}");
    }
}
