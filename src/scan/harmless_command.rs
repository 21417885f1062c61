//! Commands of a start script that do not affect which bot it starts, and are none themselves:
//! `echo starting`, `git pull`, `npm ci`. `echo BOT=alice > .env` and `git checkout alice` may
//! choose it.

use std::path::Path;

use crate::scan::harmless_steps::{
    BUILD_SCRIPTS, COMMANDS, MANAGE, MODULES, PROGRAM_FOLDERS, RUNNERS, SCRIPTS, SERVERS, is_step,
};
use crate::scan::interpreters::{Interpreter, Language};
use crate::scan::settings_files::{base_name, is_example, is_settings};
use crate::scan::shell_expansion::{UNKNOWN_WORD, UNKNOWN_WORDS};
use crate::scan::shell_redirection::output_files;

/// Commands of git that leave the files of the work tree as they are, or do not choose their
/// content.
#[rustfmt::skip]
const OF_GIT: [&str; 18] = [
    "add", "branch", "clean", "commit", "config", "describe", "diff", "fetch", "gc", "init", "lfs",
    "log", "push", "rev-parse", "show", "status", "submodule", "tag",
];

/// The extensions of files that no bot reads at its start.
const OUTPUTS: [&str; 5] = ["log", "pid", "lock", "out", "err"];

/// Parts of the names of such files, or of the variables with them: `$PID_FILE`.
const OUTPUT_PARTS: [&str; 7] = ["log", "logs", "logfile", "pid", "pidfile", "lock", "lockfile"];

/// Returns whether a command is harmless with its redirections. `text` is the whole command.
pub(super) fn is_harmless(words: &[String], text: &str) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    is_harmless_program(&words) && !writes_settings(text) && !(is_output(&words) && writes(text))
}

/// Returns whether a program of this name is never the bot.
pub(super) fn is_never_the_bot(name: &Path) -> bool {
    name.to_str().is_some_and(|name| COMMANDS.contains(&name) || SERVERS.contains(&name))
}

fn is_harmless_program(words: &[&str]) -> bool {
    let Some((first, args)) = words.split_first() else { return false };
    let is_first = |words: &[&str]| args.first().is_some_and(|arg| words.contains(arg));
    if first.ends_with("manage.py") {
        return is_first(&MANAGE);
    }
    if is_python(first) {
        return match args {
            ["setup.py", command, ..] => {
                ["build", "build_ext", "develop", "install"].contains(command)
            }
            ["-m", module, ..] => MODULES.contains(module),
            ["-V" | "--version"] => true,
            [script, rest @ ..] if script.ends_with("manage.py") => {
                rest.first().is_some_and(|arg| MANAGE.contains(arg))
            }
            [script, rest @ ..] => {
                SCRIPTS.contains(&base_name(script)) && rest.iter().all(|arg| arg.starts_with('-'))
            }
            [] => false,
        };
    }
    let name = base_name(first);
    if let Some((folder, _)) = first.rsplit_once('/')
        && !PROGRAM_FOLDERS.contains(&base_name(folder))
        && !BUILD_SCRIPTS.contains(first)
    {
        return false;
    }
    match name {
        "git" => return is_harmless_git(args),
        "docker" | "docker-compose" | "podman" if args.contains(&"cp") => return false,
        "curl" | "dos2unix" | "find" | "rimraf" | "rm" | "wget"
            if args.iter().any(|file| is_settings(file)) =>
        {
            return false;
        }
        "find" => return is_harmless_find(args),
        "cp" => return is_copy_of_a_default(args),
        "ln" | "mv" => return args.iter().all(|it| it.starts_with('-') || is_of_log(it)),
        _ => {}
    }
    let runs_step = |(runner, word): &(&str, Option<&str>)| {
        let args = match word {
            Some(word) => args.strip_prefix(&[*word]),
            None => Some(args),
        };
        let Some(args) = args.filter(|_| *runner == name) else { return false };
        let at = args.iter().position(|arg| !arg.starts_with('-'));
        at.is_some_and(|at| is_harmless_program(&args[at..]))
    };
    is_never_the_bot(Path::new(name))
        || is_step(name, args)
        || RUNNERS.iter().any(runs_step)
        || *words == ["yarn"]
}

/// Returns whether `find` runs no other program than one that removes files or sets their modes.
fn is_harmless_find(args: &[&str]) -> bool {
    args.windows(2).all(|pair| match pair {
        ["-exec" | "-execdir" | "-ok", program] => ["rm", "chmod", "chown"].contains(program),
        _ => true,
    })
}

/// Returns whether `cp` makes a file only where there is none, or from an example, which is the
/// same for all bots.
fn is_copy_of_a_default(args: &[&str]) -> bool {
    let mut files = args.iter().filter(|arg| !arg.starts_with('-'));
    args.iter().any(|arg| ["-n", "--no-clobber", "--update=none"].contains(arg))
        || files.next().is_some_and(|file| is_example(file))
}

/// Returns whether a word is Python, as far as it is known: `$PYTHON`.
fn is_python(word: &str) -> bool {
    [UNKNOWN_WORD, UNKNOWN_WORDS].contains(&word)
        || Interpreter::by_name(base_name(word)).is_some_and(|it| it.language == Language::Python)
}

/// Returns whether a command writes its own words.
fn is_output(words: &[&str]) -> bool {
    matches!(words, ["cat" | "echo" | "printf", ..])
}

/// Returns whether the output of a command goes to a file that may choose the bot.
pub(super) fn writes_a_choice(text: &str) -> bool {
    writes_settings(text) || writes(text)
}

/// Returns whether the output of a command goes to a file that is no log or PID file.
fn writes(text: &str) -> bool {
    let command = text.split('>').next().unwrap_or_default().replace('"', "");
    let is_own_pid = ["echo $$", "echo $!"].contains(&command.trim());
    !is_own_pid && output_files(text).into_iter().any(|file| !is_log_or_pid(file))
}

/// Returns whether the output of a command goes to a file with settings.
pub(super) fn writes_settings(text: &str) -> bool {
    output_files(text).into_iter().any(|file| is_settings(without_quotes(file)))
}

fn is_log_or_pid(file: &str) -> bool {
    let file = without_quotes(file);
    if ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"].contains(&file) {
        return true;
    }
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    match name.rsplit_once('.') {
        Some((_, extension)) => OUTPUTS.contains(&extension),
        None => name.split(['_', '-', '$', '{', '}']).any(|part| OUTPUT_PARTS.contains(&part)),
    }
}

/// Returns whether a file is a log, or an old one: `bot.log.1`.
fn is_of_log(file: &str) -> bool {
    base_name(file).contains(".log") && !is_settings(file)
}

fn without_quotes(word: &str) -> &str {
    word.trim_matches(['\'', '"'])
}

/// Returns whether git leaves the branch that is checked out.
pub(super) fn is_harmless_git(args: &[&str]) -> bool {
    let mut args = args.iter().copied();
    let command = loop {
        match args.next() {
            Some("-C" | "-c" | "--git-dir" | "--work-tree") => {
                args.next();
            }
            Some(option) if option.starts_with('-') => {}
            command => break command,
        }
    };
    let mut words = args.filter(|arg| !arg.starts_with('-'));
    match command {
        None => true,
        Some("pull") => match (words.next(), words.next()) {
            (None, _) => true,
            (Some(remote), None) => ["origin", "upstream"].contains(&remote),
            (Some(_), Some(_)) => false,
        },
        Some("reset") => words.all(|word| ["HEAD", "@{u}", "@{upstream}"].contains(&word)),
        Some("checkout" | "restore") => words.all(|word| word == "."),
        Some("stash") => words.next().is_none(),
        Some(command) => OF_GIT.contains(&command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harmless(text: &str) -> bool {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        is_harmless(&words, text)
    }

    #[test]
    fn output_to_logs_and_pid_files_is_harmless_and_no_other() {
        for text in [
            "echo 'a > .env' up",
            "echo started >> start.log 2>&1",
            "echo started >>\"$DIR/logs/start.log\"",
            "echo $! > bot.pid",
            "echo $$ > /run/bot",
            "echo x > \"$PID_FILE\"",
            "echo x >> ${LOG}",
            "echo x >&2",
            "echo x 2>/dev/null",
            "printf '%s\\n' up >> /var/log/bot.log",
            "date > started",
            "pip freeze > requirements.txt",
        ] {
            assert!(harmless(text), "{text}");
        }
        for text in [
            "echo BOT=alice > .env",
            "echo BOT=alice >>.env",
            "echo BOT=alice > '.env' 2>/dev/null",
            "echo alice >| config.ini",
            "printf 'BOT=%s\\n' alice > .env",
            "echo $$ > config.json",
            "echo alice > bot.txt",
            "echo alice > \"$FILE\"",
            "echo alice &> bot",
            "git show alice:.env > .env",
        ] {
            assert!(!harmless(text), "{text}");
        }
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

    #[test]
    fn git_is_harmless_unless_it_gets_a_branch() {
        for text in [
            "git pull",
            "git pull -q --ff-only",
            "git -C /srv/bot pull --rebase origin",
            "git fetch origin alice",
            "git reset --hard",
            "git checkout -- .",
            "git rev-parse HEAD",
        ] {
            assert!(harmless(text), "{text}");
        }
        for text in [
            "git checkout alice",
            "git switch -q alice",
            "git pull origin alice",
            "git -C /srv/bot reset --hard origin/alice",
            "git merge alice",
        ] {
            assert!(!harmless(text), "{text}");
        }
    }
}
