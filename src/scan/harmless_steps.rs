//! The tables of programs that run before or beside a bot and do not affect which one it is:
//! commands of a shell, servers, installers, builds and migrations.

/// Commands that are harmless with all arguments, unless `harmless_command` says more.
#[rustfmt::skip]
pub(super) const COMMANDS: [&str; 67] = [
    ":", "[", "[[", "break", "cat", "chmod", "chown", "clear", "continue", "curl", "date", "df",
    "disown", "dos2unix", "echo", "exit", "false", "free", "fuser", "git", "grep", "hash", "head",
    "hostname", "id", "jobs", "kill", "killall", "logger", "ls", "lsof", "mkdir", "nc", "nproc",
    "nvidia-smi", "pg_isready", "pgrep", "pidof", "ping", "pip", "pip3", "pkill", "printf", "ps",
    "pwd", "renice", "reset", "rm", "shopt", "sleep", "stty", "sysctl", "tail", "test", "touch",
    "tput", "true", "type", "ulimit", "umask", "uname", "uptime", "virtualenv", "wait", "wget",
    "which", "whoami",
];

/// Servers that a bot uses.
#[rustfmt::skip]
pub(super) const SERVERS: [&str; 14] = [
    "Xvfb", "mariadbd", "memcached", "mongod", "mysqld", "nginx", "ngrok", "pg_ctl", "postgres",
    "rabbitmq-server", "redis-cli", "redis-server", "telegram-bot-api", "valkey-server",
];

/// The words with which a program installs, builds or migrates.
enum Words {
    Any,
    /// The first one is one of these.
    First(&'static [&'static str]),
    /// All of them but options are.
    Each(&'static [&'static str]),
}

/// Programs that install packages, compile or change a database.
const STEPS: [(&[&str], Words); 19] = [
    (&["aerich", "alembic", "dbmate", "drizzle-kit", "knex", "prisma", "sequelize"], Words::Any),
    (&["babel", "cmake", "esbuild", "ncc", "ninja", "rimraf", "rollup", "tsc", "tsup"], Words::Any),
    (
        &["apk", "apt", "apt-get", "dnf", "yum"],
        Words::First(&["add", "install", "update", "upgrade"]),
    ),
    (&["astro", "nest", "next", "nuxt", "vite"], Words::First(&["build"])),
    (&["bundle", "bundler", "composer"], Words::First(&["install"])),
    (&["cargo"], Words::First(&["b", "build", "check", "clean", "fetch", "sqlx", "update"])),
    (&["command", "hash"], Words::First(&["-v", "-V"])),
    (&["django-admin"], Words::First(&MANAGE)),
    (&["docker", "podman"], Words::First(&["build", "compose", "pull", "start"])),
    (&["docker-compose"], Words::Any),
    (&["dotnet"], Words::First(&["build", "clean", "ef", "publish", "restore"])),
    (&["flask"], Words::First(&["db"])),
    (&["go"], Words::First(&["build", "clean", "generate", "get", "install", "mod", "vet"])),
    (&["gradle", "gradlew", "make", "mvn", "mvnw"], Words::Each(&TARGETS)),
    (&["pdm", "pipenv", "poetry"], Words::First(&["install", "lock", "sync"])),
    (&["rails", "rake"], Words::First(&["db:create", "db:migrate", "db:prepare", "db:setup"])),
    (&["typeorm", "sqlx", "goose", "migrate"], Words::Any),
    (&["uv"], Words::First(&["lock", "pip", "sync", "venv"])),
    (&["webpack", "webpack-cli"], Words::Each(&["build", "development", "none", "production"])),
];

/// Targets of a build, and scripts of a package, that prepare a program.
#[rustfmt::skip]
const TARGETS: [&str; 22] = [
    "all", "assemble", "build", "bundle", "clean", "codegen", "compile", "css", "deps", "format",
    "generate", "install", "lint", "migrate", "migrations", "package", "prebuild", "seed", "test",
    "transpile", "tsc", "typecheck",
];

/// The second parts of such names: `build:prod`, `db:migrate`.
const TARGET_PARTS: [&str; 7] = ["client", "db", "prisma", "prod", "production", "ts", "web"];

/// The package managers that run such a script.
const PACKAGE_MANAGERS: [&str; 4] = ["bun", "npm", "pnpm", "yarn"];

/// Commands of a package manager that change no script.
#[rustfmt::skip]
const OF_PACKAGE_MANAGERS: [&str; 9] =
    ["audit", "ci", "dedupe", "i", "install", "prune", "rebuild", "update", "upgrade"];

/// Options of a package manager with the folder of the package.
const PACKAGE_FOLDERS: [&str; 4] = ["--cwd", "--dir", "--prefix", "-C"];

/// The commands of Django that prepare a program.
pub(super) const MANAGE: [&str; 6] =
    ["check", "collectstatic", "compilemessages", "createcachetable", "makemigrations", "migrate"];

/// Modules of Python that do the same.
pub(super) const MODULES: [&str; 7] =
    ["alembic", "compileall", "ensurepip", "pip", "playwright", "venv", "virtualenv"];

/// Scripts of Python that update or prepare the program, by their usual names.
#[rustfmt::skip]
pub(super) const SCRIPTS: [&str; 10] = [
    "create_db.py", "create_tables.py", "init_db.py", "migrate.py", "migrations.py", "setup_db.py",
    "update.py", "updater.py", "upgrade.py", "wait_for_db.py",
];

/// Programs that run another one, with the word before it.
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
    let is_step = |(names, words): &(&[&str], Words)| {
        names.contains(&name)
            && match words {
                Words::Any => true,
                Words::First(words) => args.first().is_some_and(|arg| words.contains(arg)),
                Words::Each(words) => are_all(args, |arg| words.contains(&arg)),
            }
    };
    STEPS.iter().any(is_step)
        || PACKAGE_MANAGERS.contains(&name) && is_package_step(name, args)
        // It runs what its configuration names.
        || name.starts_with("webpack") && args.is_empty()
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
    match args {
        [command, ..] if OF_PACKAGE_MANAGERS.contains(command) => true,
        ["run" | "run-script", rest @ ..] => are_all(rest, is_script),
        _ => name != "npm" && are_all(args, is_script),
    }
}

/// Returns whether there are words other than options, and all of them are some of these. What
/// follows `--` may choose a bot.
fn are_all(args: &[&str], is_one: impl Fn(&str) -> bool) -> bool {
    let mut words = args.iter().filter(|arg| !arg.starts_with('-')).peekable();
    words.peek().is_some() && !args.contains(&"--") && words.all(|word| is_one(word))
}
