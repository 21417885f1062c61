//! Commands of a start script that do not affect which bot it starts, and are none themselves:
//! `echo starting`, `git pull`, `npm ci`. `echo BOT=alice > .env` and `git checkout alice` may
//! choose it.

use std::path::Path;

use crate::scan::harmless_backup::{is_backup_archive, is_backup_copy};
use crate::scan::harmless_download::{is_harmless_for_curl, is_harmless_for_wget};
use crate::scan::harmless_git::is_harmless_git;
use crate::scan::harmless_output::writes_a_choice;
use crate::scan::harmless_service::{is_harmless_service, only_waits};
use crate::scan::harmless_steps::{
    BUILD_SCRIPTS, COMMANDS, MANAGE, MODULES, PROGRAM_FOLDERS, RUNNERS, SCRIPT_FOLDERS, SCRIPTS,
    SERVERS, is_own_target, is_step,
};
use crate::scan::interpreters::{Interpreter, Language};
use crate::scan::settings_files::{base_name, is_example, is_settings};
use crate::scan::shell_expansion::{UNKNOWN_WORD, UNKNOWN_WORDS};
use crate::scan::step_options::installs_from_elsewhere;

/// The meaning of a step that the project itself defines: `make deps`, `python3 update.py`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steps {
    /// It prepares the bot.
    Prepare,
    /// It may be the bot: nothing else of the script is.
    MayBeBot,
}

/// Options with which a command of a shell sets a variable or the path of a program.
const SETTING_OPTIONS: [(&str, &str); 3] = [("hash", "-p"), ("printf", "-v"), ("wait", "-p")];

/// Commands of Redis that give no key a value.
const REDIS_COMMANDS: [&str; 7] =
    ["bgsave", "dbsize", "flushall", "flushdb", "info", "ping", "shutdown"];

/// Returns whether a command is harmless with its redirections. `text` is the whole command.
pub(super) fn is_harmless(words: &[String], text: &str) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    is_harmless_program(&words) && !writes_a_choice(text)
}

/// Returns whether a program of this name is never the bot.
pub(super) fn is_never_the_bot(name: &Path) -> bool {
    name.to_str().is_some_and(|name| COMMANDS.contains(&name) || SERVERS.contains(&name))
}

/// Returns whether a command runs code of the project by the name of a step: `python3 update.py`,
/// `make deps`, `npm run build`.
pub(super) fn runs_own_step(words: &[&str]) -> bool {
    let Some((first, args)) = words.split_first() else { return false };
    runs_own_script(words)
        || is_own_target(base_name(first), args)
        || programs_run(words).any(runs_own_step)
}

/// Returns whether a command runs a script of Python with the name of a step.
pub(super) fn runs_own_script(words: &[&str]) -> bool {
    let is_script = |words: &[&str]| match words {
        [first, script, ..] => is_python(first) && SCRIPTS.contains(&base_name(script)),
        [_] | [] => false,
    };
    is_script(words) || programs_run(words).any(runs_own_script)
}

/// Returns the commands that a command may run by a runner such as `sudo` or `uv run`.
fn programs_run<'a>(words: &'a [&'a str]) -> impl Iterator<Item = &'a [&'a str]> {
    RUNNERS.iter().filter_map(move |(runner, word)| {
        let (first, args) = words.split_first()?;
        let args = match word {
            Some(word) => args.strip_prefix(&[*word])?,
            None => args,
        };
        let at = args.iter().position(|arg| !arg.starts_with('-'))?;
        (*runner == base_name(first)).then_some(&args[at..])
    })
}

fn is_harmless_program(words: &[&str]) -> bool {
    let Some((first, args)) = words.split_first() else { return false };
    let is_manage = |args: &[&str]| args.first().is_some_and(|it| MANAGE.contains(it));
    if first.ends_with("manage.py") {
        return is_manage(args);
    }
    if matches!(args, ["--version" | "-version"]) || only_waits(first, args) {
        return true;
    }
    if is_python(first) {
        return match args {
            ["setup.py", command, ..] => {
                ["build", "build_ext", "develop", "install"].contains(command)
            }
            ["-m", "pip", rest @ ..] => !installs_from_elsewhere(rest),
            ["-m", module, ..] => MODULES.contains(module),
            ["-V"] => true,
            [script, rest @ ..] if script.ends_with("manage.py") => is_manage(rest),
            // With arguments, it may choose the bot.
            [script] => is_own_script(script),
            [_, ..] | [] => false,
        };
    }
    let name = base_name(first);
    if let Some((folder, _)) = first.rsplit_once('/')
        && !PROGRAM_FOLDERS.contains(&base_name(folder))
        && !BUILD_SCRIPTS.contains(first)
    {
        return false;
    }
    if SETTING_OPTIONS.iter().any(|(it, option)| *it == name && args.contains(option)) {
        return false;
    }
    match name {
        "git" => return is_harmless_git(args),
        "docker" | "docker-compose" | "podman" if !is_harmless_in_container(args) => return false,
        "dos2unix" | "rimraf" | "rm" if args.iter().any(|file| is_settings(file)) => {
            return false;
        }
        "curl" => return is_harmless_for_curl(args),
        "wget" => return is_harmless_for_wget(args),
        "pip" | "pip3" => return !installs_from_elsewhere(args),
        "find" => return is_harmless_find(args),
        "cp" => return is_copy_of_a_default(args) || is_backup_copy(args),
        "tar" => return is_backup_archive(args),
        "gzip" | "truncate" => return are_logs(args),
        "ln" | "mv" => return args.iter().all(|it| it.starts_with('-') || is_log_file(it)),
        "redis-cli" => return is_harmless_for_redis(args),
        "node" | "npm" if args == ["-v"] => return true,
        _ => {}
    }
    is_never_the_bot(Path::new(name))
        || is_step(name, args)
        || is_harmless_service(name, args)
        || programs_run(words).any(is_harmless_program)
        || *words == ["yarn"]
}

/// Returns whether a script of Python prepares the program. One in the folder of a bot may choose
/// it.
fn is_own_script(script: &str) -> bool {
    let script = script.trim_start_matches("./");
    let name = script.split_once('/').filter(|(folder, _)| SCRIPT_FOLDERS.contains(folder));
    SCRIPTS.contains(&name.map_or(script, |(_, name)| name))
}

/// Returns whether a program for containers copies no file, and runs nothing in a container that
/// may write one.
fn is_harmless_in_container(args: &[&str]) -> bool {
    let Some(at) = args.iter().position(|it| ["exec", "run"].contains(it)) else {
        let writes = |it: &&str| ["cp", "-o"].contains(it) || it.starts_with("--output");
        return !args.iter().any(writes);
    };
    let mut rest = args[at + 1..].iter().skip_while(|it| it.starts_with('-'));
    // The name of the container, or of the service.
    rest.next();
    let program: Vec<&str> = rest.copied().collect();
    program.is_empty() || is_harmless_program(&program)
}

/// Returns whether the client of Redis sets no key.
fn is_harmless_for_redis(args: &[&str]) -> bool {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "-a" | "-h" | "-n" | "-p" | "-s" | "-u" | "--user" => {
                args.next();
            }
            "-x" => return false,
            option if option.starts_with('-') => {}
            command => return REDIS_COMMANDS.contains(&command.to_ascii_lowercase().as_str()),
        }
    }
    // It reads its commands.
    false
}

/// Returns whether `find` writes no file, changes no settings, and runs no other program than one
/// that removes files or sets their modes.
fn is_harmless_find(args: &[&str]) -> bool {
    let has = |starts: &[&str]| args.iter().any(|it| starts.iter().any(|by| it.starts_with(by)));
    let writes = has(&["-fprint", "-fls"]);
    let changes = has(&["-delete", "-exec", "-ok"]) && args.iter().any(|file| is_settings(file));
    !writes
        && !changes
        && args.windows(2).all(|pair| match pair {
            ["-exec" | "-execdir" | "-ok" | "-okdir", program] => {
                ["rm", "chmod", "chown"].contains(program)
            }
            _ => true,
        })
}

/// Returns whether `cp` makes a file only where there is none, or from an example beside it, which
/// is the same for all bots.
fn is_copy_of_a_default(args: &[&str]) -> bool {
    if args.iter().any(|arg| ["-n", "--no-clobber", "--update=none"].contains(arg)) {
        return true;
    }
    let folder = |file: &str| file.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let files = args.iter().filter(|arg| !arg.starts_with('-'));
    let files: Vec<&str> = files.map(|file| file.trim_start_matches("./")).collect();
    match files[..] {
        [example, file] => {
            is_example(example) && (folder(example).is_none() || folder(example) == folder(file))
        }
        _ => false,
    }
}

/// Returns whether a word is Python, as far as it is known: `$PYTHON`.
fn is_python(word: &str) -> bool {
    [UNKNOWN_WORD, UNKNOWN_WORDS].contains(&word)
        || Interpreter::by_name(base_name(word)).is_some_and(|it| it.language == Language::Python)
}

/// Returns whether a file is a log, or an old one: `bot.log.1`.
fn is_log_file(file: &str) -> bool {
    base_name(file).contains(".log") && !is_settings(file)
}

/// Returns whether all files are logs, so that `truncate -s 0 bot.log` empties nothing else.
fn are_logs(args: &[&str]) -> bool {
    let mut files = args.iter().filter(|it| !it.starts_with('-') && **it != "0").peekable();
    files.peek().is_some() && files.all(|it| is_log_file(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harmless(text: &str) -> bool {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        is_harmless(&words, text)
    }

    #[test]
    fn steps_before_the_bot_are_harmless_and_other_programs_are_not() {
        for text in [
            ".venv/bin/pip install -r requirements.txt",
            "python3 -m pip install -U pip",
            "python3.12 -m venv .venv",
            "npm ci --omit=dev",
            "yarn",
            "uv sync --frozen",
            "uv run --frozen alembic upgrade head",
            "npx prisma migrate deploy",
            "node_modules/.bin/prisma generate",
            "python3 manage.py migrate --noinput",
            "./manage.py collectstatic",
            "flask db upgrade",
            "redis-server --daemonize yes",
            "rm -f bot.pid",
            "[ -d logs ]",
            "command -v python3",
            "tsc -p .",
            "rimraf dist",
            "npx tsc",
            "node_modules/.bin/tsc",
            "knex migrate:latest",
            "vite build",
            "webpack --mode production",
            "nest build",
            "go build -o bin/bot ./cmd/bot",
            "go mod download",
            "cargo build --release",
            "npm run build --silent",
            "npm run build:prod",
            "npm run db:migrate",
            "npm --prefix web run build",
            "yarn build",
            "pnpm run compile",
            "make deps build",
            "./gradlew clean build",
            "mvn -q package",
            "dotnet restore",
            "find . -name *.pyc -delete",
            "find . -name __pycache__ -exec rm -rf {} +",
            "cp -n .env.example .env",
            "mv bot.log bot.log.1",
            "curl -fsS localhost",
            "cp .env.sample .env",
            "python3 update.py",
            "python3 setup.py build_ext --inplace",
        ] {
            assert!(harmless(text), "{text}");
        }
        for text in [
            "rm -f .env",
            "npm start",
            "npm run build:bob",
            "npm run build -- --bot=bob",
            "npm run dev",
            "go run .",
            "cargo run",
            "make run",
            "make build BOT=bob",
            "vite",
            "nest start",
            "mvn package exec:java",
            "cp .env.bob .env",
            "rimraf .env",
            "find . -name .env -delete",
            "find . -exec ./choose {} ;",
            "python3 update.py bob",
            "curl -o .env https://host/bob",
            "mv envs/bob .env",
            "ln -sf bob.toml config.toml",
            "cat names > bot.txt",
            "uv run bot",
            "uv run --env-file .env main.py",
            "flask run",
            "python3 main.py",
            "python3 -m bot",
            "python3 manage.py bot",
            "./manage.py runserver",
            "./test --all",
            "command python3 main.py",
            "mkdir x > .env",
            "docker compose cp web:/x .env",
        ] {
            assert!(!harmless(text), "{text}");
        }
    }
}
