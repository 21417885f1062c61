//! The table of wrapper programs (env, npm, uv), which run the command on the rest of their command
//! line.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::scan::cargo_run;
use crate::scan::command_context::{
    CommandContext, CommandOption, ENV_FOLDER, LOCK_FILE, PROCESS_NAME, USER_OPTION,
    after_assignments,
};
use crate::scan::interpreters::{Interpreter, is_listed};
use crate::scan::npm_pnpm_yarn;
use crate::scan::wrapper_result::{
    EntryFile, PackageEntry, WrappedCommand, command, is_option, owned,
};

/// The syntax after a wrapper's options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Command,
    /// `NAME=VALUE`, then a command.
    Assignments,
    /// This many words, then a command.
    After(usize),
    /// Words up to `--`, then a command.
    AfterDashes,
    /// Words up to this one, then a command.
    Behind(&'static str),
    /// Words up to this one, then a Python script. `--module` among them makes it a module.
    PythonBehind(&'static str),
    /// A file, then a command or `-c` and a line for a shell.
    FileAndCommand,
    /// Any words. The line for a shell is the value of `-c` or `--command`.
    ShellOption,
    /// The words of a line for a shell.
    ShellWords,
    /// `NAME=VALUE`, then the words of a line for a shell.
    AssignedShellWords,
    /// A line for a shell, or the dotted name of a Python function; then folders to watch.
    Watched,
    /// A folder whose `.envrc` sets variables, then a command.
    EnvFolder,
    /// A Python script, or a command.
    UvRun,
    /// A Python script, or `-m` and a module.
    Python,
    Entry(EntryFile),
    /// `run`, which only the dotenv of Python has, then a command. The other dotenv takes all
    /// options, unless they follow `--`.
    DotenvRun,
}

struct WrapperProgram {
    names: &'static [&'static str],
    /// The subcommand that starts a command, if there is one.
    subcommand: Option<&'static str>,
    /// Option letters without a value.
    flags: &'static str,
    /// Option letters with a value.
    values: &'static str,
    /// Option letters whose value may be missing: the next word, unless it is an option.
    optional: &'static str,
    /// Option letters whose value is the rest of the word.
    attached: &'static str,
    /// Long options with a value in the next word.
    long_values: &'static [&'static str],
    /// Options that may change what the command does.
    choosing: &'static [&'static str],
    /// Options that do not change the command, although such an option of others might.
    harmless: &'static [&'static str],
    /// Options whose value is the user of the command.
    users: &'static [&'static str],
    /// Options that set the name of the process.
    process_names: &'static [&'static str],
    /// Options that set the command's folder.
    folders: &'static [&'static str],
    /// Options that remove a variable.
    unsets: &'static [&'static str],
    /// Options that remove all variables.
    clears: &'static [&'static str],
    rest: Rest,
}

const PLAIN: WrapperProgram = WrapperProgram {
    names: &[],
    subcommand: None,
    flags: "",
    values: "",
    optional: "",
    attached: "",
    long_values: &[],
    choosing: &[],
    harmless: &[],
    users: &[],
    process_names: &[],
    folders: &[],
    unsets: &[],
    clears: &[],
    rest: Rest::Command,
};

const MISE: WrapperProgram = WrapperProgram {
    names: &["mise"],
    flags: "qvy",
    values: "j",
    long_values: &["--env"],
    choosing: &["--env"],
    rest: Rest::AfterDashes,
    ..PLAIN
};

#[rustfmt::skip]
static WRAPPERS: &[WrapperProgram] = &[
    WrapperProgram { names: &["nohup", "chronic", "busybox"], ..PLAIN },
    WrapperProgram { names: &["taskset"], flags: "ac", rest: Rest::After(1), ..PLAIN },
    WrapperProgram {
        names: &["chrt"],
        flags: "abdfiorRv",
        values: "DPT",
        long_values: &["--sched-runtime", "--sched-period", "--sched-deadline"],
        rest: Rest::After(1),
        ..PLAIN
    },
    WrapperProgram { names: &["prlimit"], attached: "cdefilmnqrstuvxy", ..PLAIN },
    WrapperProgram {
        names: &["setarch", "linux32", "linux64", "i386", "x86_64", "uname26"],
        flags: "3BFILRSTXZv",
        ..PLAIN
    },
    WrapperProgram {
        names: &["setpriv"],
        flags: "d",
        users: &["--reuid", "--ruid", "--euid"],
        long_values: &[
            "--reuid", "--regid", "--ruid", "--euid", "--rgid", "--egid", "--groups",
            "--inh-caps", "--ambient-caps", "--bounding-set", "--securebits", "--pdeathsig",
            "--selinux-label", "--apparmor-profile", "--landlock-access", "--landlock-rule",
        ],
        ..PLAIN
    },
    WrapperProgram {
        names: &["unshare"],
        flags: "CTUcfimnpru",
        values: "GS",
        long_values: &[
            "--map-user", "--map-group", "--map-users", "--map-groups", "--propagation",
            "--setgroups", "--setuid", "--setgid", "--boottime", "--monotonic",
        ],
        ..PLAIN
    },
    WrapperProgram {
        names: &["nsenter"],
        flags: "F",
        values: "GSt",
        attached: "CTUaimnpu",
        long_values: &["--target", "--setuid", "--setgid"],
        ..PLAIN
    },
    WrapperProgram { names: &["proxychains", "proxychains4"], flags: "q", values: "f", ..PLAIN },
    WrapperProgram {
        names: &["torsocks", "torify"],
        flags: "6diqv",
        values: "Papu",
        long_values: &["--address", "--pass", "--port", "--user"],
        ..PLAIN
    },
    WrapperProgram {
        names: &["numactl"],
        flags: "alb",
        values: "CNPimpw",
        long_values: &[
            "--interleave", "--membind", "--cpunodebind", "--physcpubind", "--preferred",
            "--preferred-many", "--weighted-interleave",
        ],
        ..PLAIN
    },
    WrapperProgram {
        names: &["flock"],
        flags: "Feonsux",
        values: "Ew",
        long_values: &["--conflict-exit-code", "--timeout", "--wait"],
        rest: Rest::FileAndCommand,
        ..PLAIN
    },
    WrapperProgram {
        names: &["direnv"],
        subcommand: Some("exec"),
        rest: Rest::EnvFolder,
        ..PLAIN
    },
    WrapperProgram { names: &["opentelemetry-instrument"], long_values: &["--*"], ..PLAIN },
    WrapperProgram { names: &["ddtrace-run"], flags: "cdnp", ..PLAIN },
    WrapperProgram { names: &["newrelic-admin"], subcommand: Some("run-program"), ..PLAIN },
    WrapperProgram {
        names: &["newrelic-admin"],
        subcommand: Some("run-python"),
        rest: Rest::Python,
        ..PLAIN
    },
    WrapperProgram {
        names: &["watchfiles"],
        long_values: &[
            "--ignore-paths", "--target-type", "--filter", "--args", "--verbosity",
            "--sigint-timeout", "--grace-period", "--sigkill-timeout",
        ],
        choosing: &["--args"],
        rest: Rest::Watched,
        ..PLAIN
    },
    WrapperProgram {
        names: &["watchmedo"],
        subcommand: Some("auto-restart"),
        flags: "DRqv",
        values: "dpi",
        long_values: &[
            "--directory", "--pattern", "--patterns", "--ignore-pattern", "--ignore-patterns",
            "--interval", "--signal", "--kill-after", "--debounce-interval", "--timeout",
        ],
        harmless: &["--directory"],
        ..PLAIN
    },
    WrapperProgram {
        names: &["time"],
        flags: "apqv",
        values: "fo",
        long_values: &["--format", "--output"],
        ..PLAIN
    },
    WrapperProgram { names: &["exec"], flags: "cl", values: "a", process_names: &["-a"], ..PLAIN },
    WrapperProgram { names: &["command"], flags: "p", ..PLAIN },
    WrapperProgram { names: &["eval"], rest: Rest::ShellWords, ..PLAIN },
    WrapperProgram {
        names: &["env"],
        flags: "i0v",
        values: "uCa",
        long_values: &["--unset", "--chdir", "--argv0"],
        process_names: &["-a", "--argv0"],
        folders: &["-C", "--chdir"],
        unsets: &["-u", "--unset"],
        clears: &["-i", "--ignore-environment"],
        rest: Rest::Assignments,
        ..PLAIN
    },
    WrapperProgram { names: &["cross-env"], rest: Rest::Assignments, ..PLAIN },
    WrapperProgram { names: &["cross-env-shell"], rest: Rest::AssignedShellWords, ..PLAIN },
    WrapperProgram {
        names: &["nice"],
        flags: "0123456789",
        values: "n",
        long_values: &["--adjustment"],
        ..PLAIN
    },
    WrapperProgram {
        names: &["ionice"],
        flags: "t",
        values: "cn",
        long_values: &["--class", "--classdata"],
        ..PLAIN
    },
    WrapperProgram { names: &["setsid"], flags: "cfw", ..PLAIN },
    WrapperProgram {
        names: &["stdbuf"],
        values: "ioe",
        long_values: &["--input", "--output", "--error"],
        ..PLAIN
    },
    WrapperProgram {
        names: &["timeout"],
        flags: "fpv",
        values: "ks",
        long_values: &["--kill-after", "--signal"],
        rest: Rest::After(1),
        ..PLAIN
    },
    WrapperProgram {
        names: &["tini", "docker-init", "catatonit"],
        flags: "svwg",
        values: "pe",
        ..PLAIN
    },
    WrapperProgram { names: &["dumb-init"], flags: "cv", values: "r", ..PLAIN },
    WrapperProgram { names: &["gosu", "su-exec"], rest: Rest::After(1), ..PLAIN },
    WrapperProgram {
        names: &["dotenv"],
        flags: "o",
        values: "efvp",
        optional: "c",
        long_values: &["--file", "--quote", "--export"],
        choosing: &["-c", "-e", "-f", "-o", "-p", "-v", "--file"],
        rest: Rest::DotenvRun,
        ..PLAIN
    },
    WrapperProgram {
        names: &["env-cmd"],
        flags: "x",
        values: "fer",
        long_values: &["--file", "--environments", "--rc-file"],
        choosing: &["-e", "-f", "-r", "--environments", "--file", "--rc-file"],
        ..PLAIN
    },
    WrapperProgram {
        names: &["uv"],
        subcommand: Some("run"),
        flags: "qvnUs",
        values: "pwPi",
        long_values: &[
            "--python", "--with", "--with-editable", "--with-requirements", "--extra", "--group",
            "--no-group", "--only-group", "--env-file", "--package", "--index", "--index-url",
            "--extra-index-url", "--find-links", "--cache-dir", "--color", "--config-file",
            "--directory", "--project",
        ],
        choosing: &["--env-file", "--no-env-file", "--package", "--project"],
        folders: &["--directory"],
        rest: Rest::UvRun,
        ..PLAIN
    },
    WrapperProgram { names: &["poetry"], subcommand: Some("run"), flags: "qvn", ..PLAIN },
    WrapperProgram {
        names: &["pdm"],
        subcommand: Some("run"),
        flags: "gnqsv",
        long_values: &["--skip", "--venv"],
        choosing: &["--venv"],
        rest: Rest::Entry(EntryFile::Pdm),
        ..PLAIN
    },
    WrapperProgram {
        names: &["pdm"],
        flags: "nqv",
        rest: Rest::Entry(EntryFile::PdmName),
        ..PLAIN
    },
    WrapperProgram {
        names: &["rye"],
        subcommand: Some("run"),
        flags: "qv",
        rest: Rest::Entry(EntryFile::Rye),
        ..PLAIN
    },
    WrapperProgram {
        names: &["hatch"],
        subcommand: Some("run"),
        flags: "qv",
        values: "e",
        long_values: &["--env", "--config"],
        choosing: &["-e", "--env", "--config"],
        rest: Rest::Entry(EntryFile::Hatch),
        ..PLAIN
    },
    WrapperProgram {
        names: &["pyenv", "rbenv", "nodenv", "asdf"],
        subcommand: Some("exec"),
        ..PLAIN
    },
    WrapperProgram {
        names: &["bundle", "bundler"],
        subcommand: Some("exec"),
        long_values: &["--gemfile"],
        choosing: &["--gemfile"],
        ..PLAIN
    },
    WrapperProgram { names: &["pyenv-exec", "rbenv-exec", "nodenv-exec"], ..PLAIN },
    WrapperProgram { subcommand: Some("exec"), ..MISE },
    WrapperProgram { subcommand: Some("x"), ..MISE },
    WrapperProgram {
        names: &["pipenv"],
        subcommand: Some("run"),
        flags: "qv",
        long_values: &["--python"],
        rest: Rest::Entry(EntryFile::Pipfile),
        ..PLAIN
    },
    WrapperProgram {
        names: &["bunx", "pnpx"],
        flags: "yq",
        values: "p",
        long_values: &["--package"],
        ..PLAIN
    },
    WrapperProgram {
        names: &["deno"],
        subcommand: Some("task"),
        flags: "q",
        values: "c",
        long_values: &["--cwd", "--config"],
        choosing: &["-c", "--config"],
        folders: &["--cwd"],
        rest: Rest::Entry(EntryFile::Deno),
        ..PLAIN
    },
    WrapperProgram {
        names: &["coverage", "coverage3"],
        subcommand: Some("run"),
        flags: "aLp",
        long_values: &[
            "--concurrency", "--context", "--data-file", "--include", "--omit", "--rcfile",
            "--source",
        ],
        rest: Rest::Python,
        ..PLAIN
    },
    WrapperProgram {
        names: &["debugpy"],
        long_values: &[
            "--listen", "--connect", "--log-to", "--adapter-access-token", "--configure-*",
            "--parent-session-pid",
        ],
        rest: Rest::Python,
        ..PLAIN
    },
    // The debuggers of editors: VS Code's launcher, and PyCharm's debugger.
    WrapperProgram { names: &["debugpy/launcher"], rest: Rest::PythonBehind("--"), ..PLAIN },
    WrapperProgram { names: &["pydevd", "pydevd.py"], rest: Rest::PythonBehind("--file"), ..PLAIN },
];

/// Programs whose own process only waits for the command, which runs as another user, in another
/// terminal, or below a debugger.
#[rustfmt::skip]
static ONLY_IN_COMMAND: &[WrapperProgram] = &[
    WrapperProgram {
        names: &["sudo"],
        flags: "AEHPSbknN",
        values: "CDTUghprtu",
        long_values: &[
            "--user", "--group", "--host", "--prompt", "--close-from", "--type", "--role",
            "--chdir", "--command-timeout", "--other-user",
        ],
        folders: &["-D", "--chdir"],
        users: &["-u", "--user"],
        rest: Rest::Assignments,
        ..PLAIN
    },
    WrapperProgram { names: &["doas"], flags: "nL", values: "uC", users: &["-u"], ..PLAIN },
    WrapperProgram {
        names: &["runuser"],
        flags: "mp",
        values: "Ggu",
        long_values: &["--user", "--group", "--supp-group"],
        users: &["-u", "--user"],
        ..PLAIN
    },
    WrapperProgram { names: &["unbuffer"], flags: "p", ..PLAIN },
    WrapperProgram {
        names: &["script"],
        flags: "aefq",
        values: "BEIOTcmo",
        attached: "t",
        long_values: &[
            "--command", "--echo", "--log-in", "--log-io", "--log-out", "--log-timing",
            "--logging-format", "--output-limit",
        ],
        choosing: &["-c", "--command"],
        rest: Rest::ShellOption,
        ..PLAIN
    },
    WrapperProgram {
        names: &["strace"],
        flags: "ACDFNTYZcdfiknqrtvwxyz",
        values: "EIOPSUXabeops",
        choosing: &["-E", "--env"],
        long_values: &["--env", "--output", "--trace", "--user"],
        ..PLAIN
    },
    WrapperProgram { names: &["gdb"], rest: Rest::Behind("--args"), ..PLAIN },
];

/// Returns whether a wrapper chooses the file of a program that is given by its name, such as
/// `python3` in the virtual environment of a project.
pub(super) fn has_own_path(wrapper: &str) -> bool {
    let by_user = ONLY_IN_COMMAND.iter().filter(|it| !it.users.is_empty());
    let mut all = WRAPPERS.iter().filter(|it| it.subcommand.is_some()).chain(by_user);
    all.any(|it| it.names.contains(&wrapper))
}

/// Python modules that run a script, and that are no programs.
#[rustfmt::skip]
static RUNNERS: &[WrapperProgram] = &[
    WrapperProgram { names: &["pdb"], values: "c", rest: Rest::Python, ..PLAIN },
    WrapperProgram { names: &["IPython"], flags: "i", rest: Rest::Python, ..PLAIN },
    WrapperProgram {
        names: &["cProfile", "profile"],
        values: "os",
        long_values: &["--outfile", "--sort"],
        rest: Rest::Python,
        ..PLAIN
    },
    WrapperProgram {
        names: &["trace"],
        flags: "clrtTRgsm",
        values: "fC",
        long_values: &["--file", "--coverdir", "--ignore-module", "--ignore-dir"],
        rest: Rest::Python,
        ..PLAIN
    },
];

/// The modules of programs that have another name.
const MODULES_OF_PROGRAMS: [(&str, &str); 2] =
    [("watchdog.watchmedo", "watchmedo"), ("ddtrace.commands.ddtrace_run", "ddtrace-run")];

/// The side of a comparison that a command line is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandRole {
    /// COMMAND, which counts as what it becomes.
    Mine,
    Process,
}

/// Returns whether a script is a wrapper, which counts as what it starts: by its name, or as the
/// shim of an interpreter.
pub(super) fn is_wrapper_script(script: &Path) -> bool {
    let name = program_name(script);
    let name = own_name(&name);
    let folder = script.parent().and_then(Path::file_name);
    folder == Some(OsStr::new("shims")) && Interpreter::by_name(name).is_some()
        || npm_pnpm_yarn::is_one(name)
        || is_interpreter_script(name)
        || WRAPPERS.iter().any(|it| it.names.contains(&name))
}

/// Returns whether an interpreter is a script of another one: `python3 .venv/bin/ipython main.py`.
fn is_interpreter_script(name: &str) -> bool {
    let is_one = name == "tsx" || ["ipython", "ts-node"].iter().any(|it| name.starts_with(it));
    is_one && Interpreter::by_name(name).is_some()
}

/// Returns the name by which a program is looked up: its base name, with its folder where that
/// alone says nothing.
pub(super) fn program_name(program: &Path) -> String {
    const LAUNCHER: &str = "debugpy/launcher";
    if program.ends_with(LAUNCHER) {
        return LAUNCHER.to_owned();
    }
    // What `.bin/tsx` and `.bin/ts-node` lead to.
    for (file, name) in [
        ("tsx/dist/cli.mjs", "tsx"),
        ("ts-node/dist/bin.js", "ts-node"),
        ("ts-node/dist/bin-esm.js", "ts-node-esm"),
        ("ts-node/dist/bin-script.js", "ts-node-script"),
        ("ts-node/dist/bin-transpile.js", "ts-node-transpile-only"),
        ("ts-node/dist/bin-cwd.js", "ts-node-cwd"),
    ] {
        if program.ends_with(file) {
            return name.to_owned();
        }
    }
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns what the program `name` starts with these arguments; `None` if it is not a wrapper.
pub(super) fn wrapped_command(
    name: &str,
    words: &[&OsStr],
    role: CommandRole,
) -> Option<WrappedCommand> {
    let name = own_name(name);
    if let Some(wrapped) = npm_pnpm_yarn::wrapped_command(name, words) {
        return Some(wrapped);
    }
    if name == "cargo" {
        let read = cargo_run::read(words).map(|(run, args)| WrappedCommand::Cargo(run, args));
        return Some(read.unwrap_or(WrappedCommand::Unclear));
    }
    if role == CommandRole::Mine
        && let Some(wrapper) = ONLY_IN_COMMAND.iter().find(|it| it.names.contains(&name))
    {
        let is_user = |word: &&OsStr| {
            let word = word.as_encoded_bytes();
            word.starts_with(b"-u") || word.starts_with(b"--user")
        };
        // Without a user, runuser starts a shell.
        let is_command = name != "runuser" || words.iter().any(is_user);
        let wrapped = is_command.then(|| wrapper.wrapped_command(words)).flatten();
        return Some(wrapped.unwrap_or(WrappedCommand::Unclear));
    }
    let mut wrappers = WRAPPERS.iter().filter(|it| it.names.contains(&name)).peekable();
    // Other subcommands of deno are handled as an interpreter's command line.
    let is_other = wrappers.peek()?.rest == Rest::Entry(EntryFile::Deno)
        && words.first().is_none_or(|word| *word != "task");
    let words = match words.split_first() {
        Some((first, rest)) if name == "setarch" && !is_option(first) => rest,
        Some(_) | None => words,
    };
    let mut wrapped = || wrappers.find_map(|wrapper| wrapper.wrapped_command(words));
    (!is_other).then(|| wrapped().unwrap_or(WrappedCommand::Unclear))
}

/// Returns whether these are the arguments of a program that runs another one.
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub(super) fn is_wrapper(args: &[String]) -> bool {
    let Some((first, rest)) = args.split_first() else { return false };
    let rest: Vec<&OsStr> = rest.iter().map(OsStr::new).collect();
    wrapped_command(&program_name(Path::new(first)), &rest, CommandRole::Process).is_some()
}

/// Returns what `python -m NAME` runs, if that module runs a script.
pub(super) fn run_by_module(name: &OsStr, words: &[&OsStr]) -> Option<WrappedCommand> {
    let runner = RUNNERS.iter().find(|it| it.names.iter().any(|own| name == *own));
    if let Some(runner) = runner {
        return runner.wrapped_command(words);
    }
    let name = name.to_str()?;
    let name = MODULES_OF_PROGRAMS.iter().find(|(own, _)| *own == name).map_or(name, |it| it.1);
    let mut programs = WRAPPERS.iter().filter(|it| it.names.contains(&name));
    programs.find_map(|it| it.wrapped_command(words))
}

fn own_name(name: &str) -> &str {
    [".exe", ".cmd"].iter().find_map(|extension| name.strip_suffix(extension)).unwrap_or(name)
}

impl WrapperProgram {
    fn wrapped_command(&self, words: &[&OsStr]) -> Option<WrappedCommand> {
        let mut words = words;
        let mut context = CommandContext::default();
        if let Some(subcommand) = self.subcommand {
            words = self.after_options(words, &mut context)?;
            words = words.split_first().filter(|(first, _)| **first == subcommand)?.1;
        }
        if self.names.contains(&"env")
            && let Some(line) = split_string(words)
        {
            return Some(line);
        }
        if matches!(self.rest, Rest::UvRun | Rest::Python)
            && let Some(at) = words.iter().position(|it| *it == "-m" || *it == "--module")
            && let Some((before, module)) = words.split_at_checked(at)
            && self
                .after_options(before, &mut CommandContext::default())
                .is_some_and(<[_]>::is_empty)
        {
            self.after_options(before, &mut context)?;
            return python(&[&[OsStr::new("-m")], module.get(1..)?].concat(), context);
        }
        if let Rest::Behind(mark) | Rest::PythonBehind(mark) = self.rest {
            let (before, rest) =
                words.split_at_checked(words.iter().position(|it| *it == mark)?)?;
            let rest = rest.get(1..)?;
            let is_module = before.iter().any(|it| *it == "--module");
            return match self.rest {
                Rest::Behind(_) => command(rest, context),
                _ if is_module => python(&[&[OsStr::new("-m")], rest].concat(), context),
                _ => python(rest, context),
            };
        }
        let all = words;
        words = self.after_options(words, &mut context)?;
        match self.rest {
            Rest::Behind(_) | Rest::PythonBehind(_) => None,
            Rest::FileAndCommand => match after_path(words, LOCK_FILE, &mut context)? {
                [option, line, ..] if *option == "-c" || *option == "--command" => {
                    shell(line, context)
                }
                words => command(words, context),
            },
            Rest::ShellOption => {
                while let Some((_, rest)) = words.split_first() {
                    words = self.after_options(rest, &mut context)?;
                }
                let is_line = |it: &CommandOption| it.name == "-c" || it.name == "--command";
                let at = context.options.iter().position(is_line)?;
                let line = context.options.remove(at).value;
                shell(&line, context)
            }
            Rest::ShellWords => shell(&words.join(OsStr::new(" ")), context),
            Rest::AssignedShellWords => {
                let words = after_assignments(words, &mut context);
                shell(&words.join(OsStr::new(" ")), context)
            }
            Rest::Watched => {
                let target = words.first()?;
                if is_dotted_name(target) {
                    return None;
                }
                shell(target, context)
            }
            Rest::EnvFolder => command(after_path(words, ENV_FOLDER, &mut context)?, context),
            Rest::DotenvRun if words.first().is_some_and(|word| *word == "run") => {
                command(self.after_options(&words[1..], &mut context)?, context)
            }
            Rest::DotenvRun => {
                let has_dashes =
                    all.get(..all.len() - words.len())?.last() == Some(&OsStr::new("--"));
                let are_plain = has_dashes || !words.iter().any(|word| is_option(word));
                are_plain.then(|| command(words, context)).flatten()
            }
            Rest::Command => command(words, context),
            Rest::After(count) => command(words.get(count..)?, context),
            Rest::AfterDashes => {
                let dashes = all.iter().position(|word| *word == "--")?;
                command(all.get(dashes + 1..)?, context)
            }
            Rest::Assignments => {
                let words = after_assignments(words, &mut context);
                command(words, context)
            }
            Rest::UvRun => {
                let first = words.first()?.to_str()?;
                if first == "-" || Path::new(first).extension() == Some(OsStr::new("py")) {
                    python(words, context)
                } else {
                    command(words, context)
                }
            }
            Rest::Python => python(words, context),
            Rest::Entry(file) => entry(file, words, context),
        }
    }

    /// Skips the options; `None` if one of them is unknown.
    fn after_options<'a, 'b>(
        &self,
        words: &'b [&'a OsStr],
        context: &mut CommandContext,
    ) -> Option<&'b [&'a OsStr]> {
        let mut at = 0;
        while let Some(word) = words.get(at) {
            let Some(option) = word.to_str().filter(|word| word.starts_with('-') && *word != "-")
            else {
                break;
            };
            at += 1;
            if option == "--" {
                break;
            }
            let next = words.get(at).copied();
            if option.starts_with("--") {
                let (name, value) = option
                    .split_once('=')
                    .map_or((option, None), |(name, value)| (name, Some(OsStr::new(value))));
                let takes_next = value.is_none() && is_listed(self.long_values, name);
                at += usize::from(takes_next);
                self.note(name, value.or(next.filter(|_| takes_next)), context)?;
                continue;
            }
            let letters = option.trim_start_matches('-');
            for (place, letter) in letters.char_indices() {
                let name = format!("-{letter}");
                let rest = letters.get(place + letter.len_utf8()..).filter(|it| !it.is_empty());
                if self.flags.contains(letter) {
                    self.note(&name, None, context)?;
                } else if self.optional.contains(letter) {
                    let next = next.filter(|word| rest.is_none() && !is_option(word));
                    at += usize::from(next.is_some());
                    self.note(&name, rest.map(OsStr::new).or(next), context)?;
                    break;
                } else if self.attached.contains(letter) {
                    break;
                } else if self.values.contains(letter) {
                    at += usize::from(rest.is_none());
                    self.note(&name, rest.map(OsStr::new).or(next), context)?;
                    break;
                } else {
                    return None;
                }
            }
        }
        words.get(at..)
    }

    /// Records what an option means for the command; `None` if that is unknown.
    fn note(&self, name: &str, value: Option<&OsStr>, context: &mut CommandContext) -> Option<()> {
        if self.harmless.contains(&name) {
            return Some(());
        }
        if self.folders.contains(&name) {
            context.enter(Path::new(value?));
        } else if self.choosing.contains(&name) {
            let value = value.unwrap_or_default().to_owned();
            context.options.push(CommandOption { name: name.to_owned(), value });
        } else if self.users.contains(&name) {
            let option = CommandOption { name: USER_OPTION.to_owned(), value: value?.to_owned() };
            context.options.push(option);
        } else if self.process_names.contains(&name) {
            let option = CommandOption { name: PROCESS_NAME.to_owned(), value: value?.to_owned() };
            context.options.push(option);
        } else if matches!(
            name,
            "--directory" | "--project" | "--chdir" | "--cwd" | "--root" | "--wd" | "--pid"
        ) {
            return None;
        } else if self.unsets.contains(&name) {
            context.set(value?, None);
        } else if self.clears.contains(&name) {
            context.clear_variables();
        }
        Some(())
    }
}

/// Returns an entry in the wrapper's file, or the Python file that pdm runs instead.
fn entry(file: EntryFile, words: &[&OsStr], mut context: CommandContext) -> Option<WrappedCommand> {
    let (name, args) = words.split_first()?;
    if file == EntryFile::Pdm && Path::new(name).extension() == Some(OsStr::new("py")) {
        return python(words, context);
    }
    let (name, part) = match file {
        EntryFile::Hatch => hatch_entry(name, &mut context)?,
        EntryFile::Package
        | EntryFile::Deno
        | EntryFile::Pipfile
        | EntryFile::Pdm
        | EntryFile::PdmName
        | EntryFile::Rye => (*name, None),
    };
    let (name, args) = (name.to_owned(), owned(args));
    Some(WrappedCommand::Entry(PackageEntry { file, name, args, context, part }))
}

/// Returns the script or program of `hatch run ENVIRONMENT:NAME`, and its environment; `None` if
/// it runs in several.
fn hatch_entry<'a>(
    word: &'a OsStr,
    context: &mut CommandContext,
) -> Option<(&'a OsStr, Option<OsString>)> {
    let word = word.to_str().filter(|word| !word.starts_with('+'))?;
    let option = context.options.iter().find(|it| it.name == "-e" || it.name == "--env");
    let by_option = option.map(|it| it.value.clone());
    let Some((environment, name)) = word.split_once(':') else {
        return Some((OsStr::new(word), by_option));
    };
    if environment.is_empty() || name.is_empty() {
        return None;
    }
    if environment != "default" {
        let value = environment.into();
        context.options.push(CommandOption { name: "--env".to_owned(), value });
    }
    Some((OsStr::new(name), Some(environment.into())))
}

/// `env -S` splits its value into words.
fn split_string(words: &[&OsStr]) -> Option<WrappedCommand> {
    let (first, rest) = words.split_first()?;
    let option = first.to_str()?;
    let line = option
        .strip_prefix("--split-string=")
        .or_else(|| option.strip_prefix("-S"))
        .or_else(|| option.strip_prefix("-vS"))?;
    let (line, rest) = if line.is_empty() {
        let (line, rest) = rest.split_first()?;
        (line.to_str()?, rest)
    } else {
        (line, rest)
    };
    let line: Vec<&OsStr> = line.split_ascii_whitespace().map(OsStr::new).collect();
    let words = [&[OsStr::new("env")], line.as_slice(), rest].concat();
    command(&words, CommandContext::default())
}

/// A dotted name without an extension of a script: `bot.main.run`.
fn is_dotted_name(word: &OsStr) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let is_script = Path::new(word).extension() == Some(OsStr::new("py"));
    word.to_str().is_some_and(|word| word.contains('.') && word.split('.').all(is_part))
        && !is_script
}

fn shell(line: &OsStr, context: CommandContext) -> Option<WrappedCommand> {
    command(&[OsStr::new("sh"), OsStr::new("-c"), line], context)
}

fn python(words: &[&OsStr], context: CommandContext) -> Option<WrappedCommand> {
    words.first()?;
    command(&[&[OsStr::new("python")], words].concat(), context)
}

/// Records the path before a command as an option of this name.
fn after_path<'a, 'b>(
    words: &'b [&'a OsStr],
    name: &str,
    context: &mut CommandContext,
) -> Option<&'b [&'a OsStr]> {
    let (path, rest) = words.split_first()?;
    context.options.push(CommandOption { name: name.to_owned(), value: (*path).to_owned() });
    Some(rest)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn shown(line: &str) -> String {
        let words: Vec<&OsStr> = line.split(' ').map(OsStr::new).collect();
        let text = |words: Vec<OsString>| {
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        let name = program_name(Path::new(words[0]));
        let (shown, context) = match wrapped_command(&name, &words[1..], CommandRole::Mine) {
            None => return "no wrapper".to_owned(),
            Some(WrappedCommand::Unclear) => return "unclear".to_owned(),
            Some(WrappedCommand::Cargo(..)) => return "cargo".to_owned(),
            Some(WrappedCommand::Words(words, context)) => (text(words), context),
            Some(WrappedCommand::Entry(entry)) => {
                let PackageEntry { file, name, args, context, part } = entry;
                let shown = format!("{file:?} {} {}", name.display(), text(args));
                let package = part.map(|it| format!(" of {}", it.display()));
                (shown.trim_end().to_owned() + &package.unwrap_or_default(), context)
            }
        };
        let folder = context.folder.map(|folder| format!(" in {}", folder.display()));
        let options = context.options.iter().map(|option| {
            format!(" with {} {}", option.name, option.value.display()).trim_end().to_owned()
        });
        shown + &folder.unwrap_or_default() + &options.collect::<String>()
    }

    #[test]
    fn each_wrapper_starts_what_its_command_line_names() {
        for (line, expected) in [
            ("nohup python3 main.py", "python3 main.py"),
            ("env -i -u A B=c python3 main.py", "python3 main.py"),
            ("env -S python3 -u main.py", "env python3 -u main.py"),
            ("env -C /srv python3 main.py", "python3 main.py in /srv"),
            ("env", "unclear"),
            ("nice -n 5 ./bot", "./bot"),
            ("nice -5 ./bot", "./bot"),
            ("ionice -c2 -n 7 ./bot x", "./bot x"),
            ("setsid -w ./bot", "./bot"),
            ("stdbuf -oL python3 main.py", "python3 main.py"),
            ("stdbuf --output=L python3 main.py", "python3 main.py"),
            ("timeout -k 5 1h python3 main.py", "python3 main.py"),
            ("timeout --signal=INT 1h ./bot", "./bot"),
            ("exec python3 main.py", "python3 main.py"),
            ("command python3 main.py", "python3 main.py"),
            ("command -v python3", "unclear"),
            ("eval exec ./bot x", "sh -c exec ./bot x"),
            ("bundle exec ruby bot.rb", "ruby bot.rb"),
            ("bundle install", "unclear"),
            ("tini -- ./bot -x", "./bot -x"),
            ("gosu bot ./bot", "./bot"),
            ("taskset -c 0 ./bot", "./bot"),
            ("chrt -f 10 ./bot", "./bot"),
            ("chrt -i 0 ionice -c3 ./bot", "ionice -c3 ./bot"),
            ("numactl -N 0 --membind 0 ./bot", "./bot"),
            ("numactl --interleave=all -- ./bot", "./bot"),
            ("proxychains4 -q -f p.conf ./bot", "./bot"),
            ("torsocks -i -P 9050 ./bot", "./bot"),
            ("torify ./bot", "./bot"),
            ("flock -n bot.lock ./bot -x", "./bot -x with flock bot.lock"),
            ("flock -w 5 --verbose bot.lock -c ./bot", "sh -c ./bot with flock bot.lock"),
            ("flock 9", "unclear"),
            ("direnv exec . ./bot x", "./bot x with direnv exec ."),
            ("direnv allow", "unclear"),
            ("opentelemetry-instrument --service_name bot --x=y ./bot", "./bot"),
            ("ddtrace-run -p -nc python3 main.py", "python3 main.py"),
            ("newrelic-admin run-program ./bot", "./bot"),
            ("newrelic-admin run-python main.py x", "python main.py x"),
            ("newrelic-admin help", "unclear"),
            ("watchfiles --filter python ./bot .", "sh -c ./bot"),
            ("watchfiles bot.main.run", "unclear"),
            ("watchmedo auto-restart -d . --directory=src -Rp *.py -- ./bot -x", "./bot -x"),
            ("watchmedo shell-command ./bot", "unclear"),
            ("coverage run -p --source=bot main.py x", "python main.py x"),
            ("coverage3 run -m bot", "python -m bot"),
            ("coverage html", "unclear"),
            ("debugpy --listen 5678 --configure-qt none main.py x", "python main.py x"),
            ("/x/debugpy/adapter/../../debugpy/launcher 4 -- main.py x", "python main.py x"),
            ("pydevd.py --port 4 --file main.py x", "python main.py x"),
            ("pydevd.py --module --port 4 --file bot x", "python -m bot x"),
            ("unbuffer -p ./bot x", "./bot x"),
            ("script -qefc ./bot /dev/null", "sh -c ./bot"),
            ("script -q /dev/null --command ./bot", "sh -c ./bot"),
            ("script -a log", "unclear"),
            ("strace -f -o log -E A=b ./bot x", "./bot x with -E A=b"),
            ("strace -fp 7", "unclear"),
            ("gdb -q -ex run --args ./bot x", "./bot x"),
            ("gdb ./bot", "unclear"),
            ("prlimit --nofile=64 -n64 ./bot", "./bot"),
            ("setarch x86_64 -R ./bot", "./bot"),
            ("setarch -R ./bot", "./bot"),
            ("setpriv --reuid=1 --clear-groups ./bot", "./bot with --user 1"),
            ("unshare -m ./bot", "./bot"),
            ("unshare --root /x ./bot", "unclear"),
            ("nsenter -t 1 -m ./bot", "./bot"),
            ("runuser -u bot -- ./bot", "./bot with --user bot"),
            ("runuser bot", "unclear"),
            ("sudo -u bot A=b ./bot", "./bot with --user bot"),
            ("doas -u bot ./bot", "./bot with --user bot"),
            ("cross-env A=b node bot.js", "node bot.js"),
            ("cross-env-shell A=b node bot.js", "sh -c node bot.js"),
            ("uv run main.py -x", "python main.py -x"),
            ("uv run --with aiogram python main.py", "python main.py"),
            ("uv run --offline -m bot x", "python -m bot x"),
            ("uv run -- bot", "bot"),
            ("uv run -", "python -"),
            ("uv --quiet run bot", "bot"),
            ("uv run --directory /srv bot", "bot in /srv"),
            ("uv run --package bot bot", "bot with --package bot"),
            ("dotenv -e .env.a -- node bot.js", "node bot.js with -e .env.a"),
            ("dotenv -c -- node bot.js -x", "node bot.js -x with -c"),
            ("dotenv -c dev -- node bot.js", "node bot.js with -c dev"),
            ("dotenv -e .env.a node bot.js", "node bot.js with -e .env.a"),
            ("dotenv node bot.js --bot alice", "unclear"),
            ("dotenv --quote never run bot --x", "bot --x"),
            ("env-cmd -x -f .env.a -- node bot.js", "node bot.js with -f .env.a"),
            ("uv sync", "unclear"),
            ("poetry run python main.py", "python main.py"),
            ("pipenv run bot x", "Pipfile bot x"),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    #[test]
    fn each_launcher_of_packages_starts_what_its_command_line_names() {
        for (line, expected) in [
            ("npm start", "Package start"),
            ("npm run start -- --debug", "Package start --debug"),
            ("npm run --silent start", "Package start"),
            ("npm --prefix bot start", "Package start in bot"),
            ("npm start --prefix=bot", "Package start in bot"),
            ("npm run start -w bob", "Package start of bob"),
            ("npm run start --workspaces", "unclear"),
            ("npm start --bot=alice", "Package start with --bot alice"),
            ("npm start --bot alice --silent", "Package start alice with --bot true"),
            ("npm start --no-bot --Bot_Name=alice", "Package start with --bot-name alice"),
            ("npm start --loglevel warn --no-fund -dd x", "Package start x"),
            ("npm run -- start --bot=alice", "Package start --bot=alice"),
            ("npm start --name=alice", "Package start with --name alice"),
            ("npm --bot start", "unclear"),
            ("pnpm -C bot start --dir x", "Package start --dir x in bot"),
            ("pnpm --filter bob start", "Package start of bob"),
            ("pnpm --filter ./* start", "unclear"),
            ("yarn workspace bob start", "Package start of bob"),
            ("yarn --cwd bot start", "Package start in bot"),
            ("npm exec tsx bot.ts", "tsx bot.ts"),
            ("npm exec tsx bot.ts --bot=alice -- --x", "tsx bot.ts --x with --bot alice"),
            ("npx --bot=alice tsx bot.ts --x", "tsx bot.ts --x with --bot alice"),
            ("npx -p tsx -- tsx bot.ts", "tsx bot.ts"),
            ("pnpm --bot=alice start", "Package start with --bot alice"),
            ("pnpm --config.bot=alice --silent start", "Package start with --bot alice"),
            ("yarn --bot=alice start", "Package start with --bot alice"),
            ("hatch --env=alice run bot", "Hatch bot of alice with --env alice"),
            ("hatch -e alice run bot", "Hatch bot of alice with -e alice"),
            ("hatch run bot x", "Hatch bot x"),
            ("hatch run alice:bot", "Hatch bot of alice with --env alice"),
            ("hatch run default:bot", "Hatch bot of default"),
            ("hatch run +py=3.12 test:bot", "unclear"),
            ("pdm run start -v", "Pdm start -v"),
            ("pdm -q run main.py", "python main.py"),
            ("pdm run -s --venv x python main.py", "Pdm python main.py with --venv x"),
            ("pdm run -p x start", "PdmName run -p x start"),
            ("pdm start", "PdmName start"),
            ("rye run start", "Rye start"),
            ("npm install", "unclear"),
            ("npx -y tsx bot.ts", "tsx bot.ts"),
            ("pnpm bot x", "Package bot x"),
            ("pnpm run start --debug", "Package start --debug"),
            ("yarn start", "Package start"),
            ("yarn.js run start", "Package start"),
            ("pnpm --filter=bob run start --x", "Package start --x of bob"),
            ("bun --filter bob start --x", "Package start --x of bob"),
            ("bun run --filter=./bob start", "Package start of ./bob"),
            ("bun run -F bob start", "Package start of bob"),
            ("bun --filter * start", "unclear"),
            ("bun run start", "no wrapper"),
            ("pyenv exec python3 main.py", "python3 main.py"),
            ("pyenv-exec python3 main.py", "python3 main.py"),
            ("asdf exec ruby bot.rb", "ruby bot.rb"),
            ("mise exec python@3.12 -- python3 main.py", "python3 main.py"),
            ("mise exec -- python3 main.py", "python3 main.py"),
            ("mise x python@3.12 -- python3 main.py", "python3 main.py"),
            ("mise run bot", "unclear"),
            ("dotenv run -- python3 main.py", "python3 main.py"),
            ("dotenv -f .env run python3 main.py", "python3 main.py with -f .env"),
            ("env-cmd -f .env.a node bot.js", "node bot.js with -f .env.a"),
            ("env-cmd --verbose -e a,b node bot.js", "node bot.js with -e a,b"),
            ("deno task start", "Deno start"),
            ("deno run main.ts", "no wrapper"),
            ("python3 main.py", "no wrapper"),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }
}
