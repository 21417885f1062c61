//! The tables of programs that run before or beside a bot and do not affect which one it is:
//! commands of a shell, servers, installers, builds and migrations.

use crate::scan::passed_options::{SettingForm, form_of};
use crate::scan::step_options::{chooses, installs_from_elsewhere};

/// Commands that are harmless with all arguments, unless `harmless_command` says more.
#[rustfmt::skip]
pub(super) const COMMANDS: [&str; 72] = [
    ":", "[", "[[", "break", "cat", "chmod", "chown", "clear", "continue", "curl", "date", "df",
    "disown", "dos2unix", "echo", "exit", "false", "figlet", "free", "fuser", "git", "grep", "hash",
    "head", "hostname", "id", "jobs", "kill", "killall", "logger", "ls", "lsof", "mkdir", "nc",
    "nproc", "nvidia-smi", "pg_isready", "pgrep", "pidof", "ping", "pip", "pip3", "pkill", "printf",
    "ps", "pstree", "pwd", "renice", "reset", "rm", "shopt", "sleep", "ssh-add", "stty", "sync",
    "sysctl", "tail", "test", "toilet", "touch", "tput", "true", "type", "ulimit", "umask", "uname",
    "uptime", "virtualenv", "wait", "wget", "which", "whoami",
];

/// Servers that a bot uses.
#[rustfmt::skip]
pub(super) const SERVERS: [&str; 14] = [
    "Xvfb", "mariadbd", "memcached", "mongod", "mysqld", "nginx", "ngrok", "pg_ctl", "postgres",
    "rabbitmq-server", "redis-cli", "redis-server", "telegram-bot-api", "valkey-server",
];

/// The arguments with which a program is such a step.
enum StepArguments {
    Any,
    /// The first argument is one of these.
    First(&'static [&'static str]),
    /// All arguments other than options are among these.
    Each(&'static [&'static str]),
}

/// Programs that install packages, compile or change a database.
const STEPS: [(&[&str], StepArguments); 20] = [
    (
        &["aerich", "alembic", "dbmate", "drizzle-kit", "knex", "prisma", "sequelize"],
        StepArguments::Any,
    ),
    (
        &["babel", "cmake", "esbuild", "ncc", "ninja", "rimraf", "rollup", "tsc", "tsup"],
        StepArguments::Any,
    ),
    (
        &["apk", "apt", "apt-get", "dnf", "yum"],
        StepArguments::First(&["add", "install", "update", "upgrade"]),
    ),
    (&["astro", "nest", "next", "nuxt", "vite"], StepArguments::First(&["build"])),
    (&["bundle", "bundler", "composer"], StepArguments::First(&["install"])),
    (
        &["cargo"],
        StepArguments::First(&["b", "build", "check", "clean", "fetch", "sqlx", "update"]),
    ),
    (&["command"], StepArguments::First(&["-v", "-V"])),
    (&["django-admin"], StepArguments::First(&MANAGE)),
    (
        &["docker", "podman"],
        StepArguments::First(&["build", "compose", "info", "inspect", "ps", "pull", "start"]),
    ),
    (&["docker-compose"], StepArguments::Any),
    (&["dotnet"], StepArguments::First(&["build", "clean", "ef", "publish", "restore"])),
    (&["flask"], StepArguments::First(&["db"])),
    (
        &["go"],
        StepArguments::First(&["build", "clean", "generate", "get", "install", "mod", "vet"]),
    ),
    (&["gradle", "gradlew", "make", "mvn", "mvnw"], StepArguments::Each(&TARGETS)),
    (&["pdm", "pipenv", "poetry"], StepArguments::First(&["install", "lock", "sync"])),
    (&["playwright"], StepArguments::First(&["install", "install-deps"])),
    (
        &["rails", "rake"],
        StepArguments::First(&["db:create", "db:migrate", "db:prepare", "db:setup"]),
    ),
    (&["typeorm", "sqlx", "goose", "migrate"], StepArguments::Any),
    (&["uv"], StepArguments::First(&["lock", "pip", "sync", "venv"])),
    (
        &["webpack", "webpack-cli"],
        StepArguments::Each(&["build", "development", "none", "production"]),
    ),
];

/// Targets of a build, and scripts of a package, that prepare a program.
#[rustfmt::skip]
const TARGETS: [&str; 21] = [
    "assemble", "build", "bundle", "clean", "codegen", "compile", "css", "deps", "format",
    "generate", "install", "lint", "migrate", "migrations", "package", "prebuild", "seed", "test",
    "transpile", "tsc", "typecheck",
];

/// The second parts of such names: `build:prod`, `db:migrate`.
const TARGET_PARTS: [&str; 7] = ["client", "db", "prisma", "prod", "production", "ts", "web"];

/// The package managers that run such a script.
const PACKAGE_MANAGERS: [&str; 4] = ["bun", "npm", "pnpm", "yarn"];

/// Commands with which a package manager installs packages.
#[rustfmt::skip]
const INSTALL_COMMANDS: [&str; 9] =
    ["audit", "ci", "dedupe", "i", "install", "prune", "rebuild", "update", "upgrade"];

/// Options of a package manager with the folder of the package.
const PACKAGE_FOLDERS: [&str; 4] = ["--cwd", "--dir", "--prefix", "-C"];

/// The commands of Django that prepare a program.
pub(super) const MANAGE: [&str; 6] =
    ["check", "collectstatic", "compilemessages", "createcachetable", "makemigrations", "migrate"];

/// Modules of Python that prepare a program.
pub(super) const MODULES: [&str; 7] =
    ["alembic", "compileall", "ensurepip", "pip", "playwright", "venv", "virtualenv"];

/// Scripts of Python that update or prepare the program, by their usual names.
#[rustfmt::skip]
pub(super) const SCRIPTS: [&str; 8] = [
    "create_db.py", "create_tables.py", "init_db.py", "migrate.py", "migrations.py", "setup_db.py",
    "update.py", "wait_for_db.py",
];

/// The folders of such scripts.
pub(super) const SCRIPT_FOLDERS: [&str; 4] = ["bin", "db", "scripts", "tools"];

/// Programs that run the command after them, with the subcommand that must come first: `pdm run`.
pub(super) const RUNNERS: [(&str, Option<&str>); 12] = [
    ("bundle", Some("exec")),
    ("bunx", None),
    ("npx", None),
    ("pdm", Some("run")),
    ("pipenv", Some("run")),
    ("pnpm", Some("exec")),
    ("poetry", Some("run")),
    ("sudo", None),
    ("time", None),
    ("uv", Some("run")),
    ("yarn", None),
    ("yarn", Some("run")),
];

/// The folders of installed programs.
pub(super) const PROGRAM_FOLDERS: [&str; 4] = ["bin", ".bin", "sbin", "Scripts"];

/// Scripts in the folder of a project that build it.
pub(super) const BUILD_SCRIPTS: [&str; 2] = ["./gradlew", "./mvnw"];

/// Returns whether a program only installs, builds or migrates with these arguments.
pub(super) fn is_step(name: &str, args: &[&str]) -> bool {
    let is_step = |(names, words): &(&[&str], StepArguments)| {
        names.contains(&name)
            && match words {
                StepArguments::Any => true,
                StepArguments::First(words) => args.first().is_some_and(|arg| words.contains(arg)),
                StepArguments::Each(words) => are_all(args, |arg| words.contains(&arg)),
            }
    };
    // Without a word, it builds what its configuration names.
    let is_webpack = || name.starts_with("webpack") && args.iter().all(|it| it.starts_with('-'));
    let installs = || name == "uv" && args.first() == Some(&"pip");
    (STEPS.iter().any(is_step) || is_webpack())
        && !chooses(name, args)
        && !(installs() && installs_from_elsewhere(args))
        || PACKAGE_MANAGERS.contains(&name) && is_package_step(name, args)
}

/// Returns whether a program runs a target of the project's build, or a script of its package.
pub(super) fn is_own_target(name: &str, args: &[&str]) -> bool {
    let is_build = ["gradle", "gradlew", "make", "mvn", "mvnw"].contains(&name);
    let is_install = args.first().is_none_or(|it| INSTALL_COMMANDS.contains(it));
    is_build || PACKAGE_MANAGERS.contains(&name) && !is_install
}

fn is_package_step(name: &str, args: &[&str]) -> bool {
    let mut args = args;
    while let [option, _, rest @ ..] = args
        && PACKAGE_FOLDERS.contains(option)
    {
        args = rest;
    }
    let is_script = |script: &str| {
        let mut parts = script.split(':');
        let is_part = |it: &str| TARGETS.contains(&it) || TARGET_PARTS.contains(&it);
        parts.clone().any(|it| TARGETS.contains(&it)) && parts.all(is_part)
    };
    // The script gets other options, as arguments or in its environment.
    let are_own_options = |args: &[&str]| {
        let mut options = args.iter().filter(|it| it.starts_with('-'));
        options.all(|it| !it.contains('=') && form_of(it) != SettingForm::Unknown)
    };
    match args {
        [command, rest @ ..] if INSTALL_COMMANDS.contains(command) => {
            !installs_from_elsewhere(rest)
        }
        ["run" | "run-script", rest @ ..] => are_all(rest, is_script) && are_own_options(rest),
        _ => name != "npm" && are_all(args, is_script) && are_own_options(args),
    }
}

/// Returns whether there are words other than options, and all of them are some of these. What
/// follows `--` may choose a bot.
fn are_all(args: &[&str], is_one: impl Fn(&str) -> bool) -> bool {
    let mut words = args.iter().filter(|arg| !arg.starts_with('-')).peekable();
    words.peek().is_some() && !args.contains(&"--") && words.all(|word| is_one(word))
}
