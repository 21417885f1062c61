//! Commands of a start script that do not affect which bot it starts, and are none themselves:
//! `echo starting`, `git pull`, `npm ci`. `echo BOT=alice > .env` and `git checkout alice` may
//! choose it.

use std::path::Path;

use crate::scan::interpreters::{Interpreter, Language};
use crate::scan::settings_files::{base_name, is_settings};
use crate::scan::shell_expansion::{UNKNOWN_WORD, UNKNOWN_WORDS};
use crate::scan::shell_redirection::output_files;

/// Commands that are harmless with all arguments, unless a rule below says more.
#[rustfmt::skip]
const COMMANDS: [&str; 37] = [
    ":", "[", "[[", "break", "chmod", "chown", "clear", "continue", "date", "disown", "echo",
    "exit", "false", "git", "kill", "killall", "ls", "mkdir", "nc", "pg_isready", "pip", "pip3",
    "pkill", "printf", "pwd", "rm", "sleep", "tail", "test", "touch", "true", "type", "ulimit",
    "umask", "virtualenv", "wait", "which",
];

/// Servers that a bot uses.
#[rustfmt::skip]
const SERVERS: [&str; 14] = [
    "Xvfb", "mariadbd", "memcached", "mongod", "mysqld", "nginx", "ngrok", "pg_ctl", "postgres",
    "rabbitmq-server", "redis-cli", "redis-server", "telegram-bot-api", "valkey-server",
];

/// Programs that install packages or change a database, and the first words with which they do.
/// Without any, all arguments are harmless.
const STEPS: [(&[&str], &[&str]); 12] = [
    (&["aerich", "alembic", "dbmate", "drizzle-kit", "prisma", "sequelize"], &[]),
    (&["apk", "apt", "apt-get", "dnf", "yum"], &["add", "install", "update", "upgrade"]),
    (&["bundle", "bundler", "composer"], &["install"]),
    (&["command"], &["-v", "-V"]),
    (&["django-admin"], &MANAGE),
    (&["docker", "podman"], &["compose", "pull", "start"]),
    (&["docker-compose"], &[]),
    (&["flask"], &["db"]),
    (&["npm", "pnpm", "yarn", "bun"], &["ci", "i", "install"]),
    (&["pdm", "pipenv", "poetry"], &["install", "lock", "sync"]),
    (&["rails", "rake"], &["db:create", "db:migrate", "db:prepare", "db:setup"]),
    (&["uv"], &["lock", "pip", "sync", "venv"]),
];

/// The commands of Django that prepare a program.
const MANAGE: [&str; 6] =
    ["check", "collectstatic", "compilemessages", "createcachetable", "makemigrations", "migrate"];

/// Modules of Python that do the same.
const MODULES: [&str; 7] =
    ["alembic", "compileall", "ensurepip", "pip", "playwright", "venv", "virtualenv"];

/// Programs that run another one, with the word before it.
const RUNNERS: [(&str, Option<&str>); 9] = [
    ("bundle", Some("exec")),
    ("npx", None),
    ("pdm", Some("run")),
    ("pipenv", Some("run")),
    ("pnpm", Some("exec")),
    ("poetry", Some("run")),
    ("sudo", None),
    ("time", None),
    ("uv", Some("run")),
];

/// The folders of installed programs.
const PROGRAM_FOLDERS: [&str; 4] = ["bin", ".bin", "sbin", "Scripts"];

/// Commands of git that leave the files of the work tree as they are, or do not choose their
/// content.
#[rustfmt::skip]
const OF_GIT: [&str; 17] = [
    "add", "branch", "clean", "commit", "config", "describe", "diff", "fetch", "gc", "lfs", "log",
    "push", "rev-parse", "show", "status", "submodule", "tag",
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
            ["-m", module, ..] => MODULES.contains(module),
            ["-V" | "--version"] => true,
            [script, rest @ ..] if script.ends_with("manage.py") => {
                rest.first().is_some_and(|arg| MANAGE.contains(arg))
            }
            _ => false,
        };
    }
    let name = base_name(first);
    if let Some((folder, _)) = first.rsplit_once('/')
        && !PROGRAM_FOLDERS.contains(&base_name(folder))
    {
        return false;
    }
    match name {
        "git" => return is_harmless_git(args),
        "docker" | "docker-compose" | "podman" if args.contains(&"cp") => return false,
        "rm" => return !args.iter().any(|file| is_settings(file)),
        _ => {}
    }
    let is_step = |(names, starts): &(&[&str], &[&str])| {
        names.contains(&name) && (starts.is_empty() || is_first(starts))
    };
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
        || STEPS.iter().any(is_step)
        || RUNNERS.iter().any(runs_step)
        || *words == ["yarn"]
}

/// Returns whether a word is Python, as far as it is known: `$PYTHON`.
fn is_python(word: &str) -> bool {
    [UNKNOWN_WORD, UNKNOWN_WORDS].contains(&word)
        || Interpreter::by_name(base_name(word)).is_some_and(|it| it.language == Language::Python)
}

/// Returns whether a command writes its own words.
fn is_output(words: &[&str]) -> bool {
    matches!(words, ["echo" | "printf", ..])
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
        ] {
            assert!(harmless(text), "{text}");
        }
        for text in [
            "rm -f .env",
            "npm start",
            "npm run build",
            "uv run bot",
            "uv run --env-file .env main.py",
            "flask run",
            "python3 main.py",
            "python3 -m bot",
            "python3 manage.py bot",
            "./manage.py runserver",
            "./test --all",
            "command python3 main.py",
            "cp .env.bob .env",
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
