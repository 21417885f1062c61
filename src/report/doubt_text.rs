//! Words for the engine's doubts, and for what settles them.

use crate::engine::changed_settings::SettingsLink;
use crate::engine::counter_evidence::{Doubt, ProgramBelow};
use crate::engine::fact::Fact;
use crate::engine::likeness::CommandDoubt;
use crate::engine::managed_by::ManagedBy;
use crate::engine::policy::Purpose;
use crate::engine::process::{OtherGuard, Process, Role, Server};
use crate::report::format;
use crate::report::manager_remedy::remedy;
use crate::text::{sanitize, shell_quote};

/// The ways to tell monopoll which bot this is.
pub(super) const SET_TOKEN: &str = "set this bot's token here too, in `BOT_TOKEN`, in `.env` or in \
                                    another variable of `token_env`; if COMMAND sets it, set it \
                                    before `monopoll` instead";

/// The ways to settle a doubt about a process.
pub(super) struct Settle {
    purpose: Purpose,
    /// The way to end the process, for a user who knows that it is this bot.
    end_it: String,
}

/// The part that this start or stop lacks, if the process is this bot.
enum Missing<'a> {
    Nothing,
    /// The value of this variable.
    Value(&'a str),
    /// Words that follow "start it".
    Words(&'a str),
}

impl Settle {
    /// `tree` is what runs below the process.
    pub(super) fn new(purpose: Purpose, process: Option<&Process>, tree: &[Process]) -> Self {
        Self { purpose, end_it: end_it(purpose, process, tree) }
    }

    /// Returns how to settle a doubt, by which bot it is.
    fn by(&self, missing: &Missing<'_>) -> String {
        let how = match (missing, self.purpose) {
            (Missing::Nothing, Purpose::Start | Purpose::Stop) => String::new(),
            (Missing::Value(_), Purpose::Start) => "set the same value for this start, or ".into(),
            (Missing::Value(name), Purpose::Stop) => {
                format!("repeat this with `{}=…` as at its start, or ", sanitize(name))
            }
            (Missing::Words(words), Purpose::Start) => format!("start it {words}, or "),
            (Missing::Words(words), Purpose::Stop) => format!("repeat this {words}, or "),
        };
        let another = match self.purpose {
            Purpose::Start => {
                "start both with monopoll, each with a name of its own (`--instance NAME`)"
            }
            Purpose::Stop => "stop this one by its name (`monopoll stop --instance NAME`)",
        };
        format!("if it is this bot, {how}{}; if it is another one, {another}", self.end_it)
    }

    fn copied_configuration(&self, instance: &str) -> String {
        let verb = match self.purpose {
            Purpose::Start => "start",
            Purpose::Stop => "repeat this",
        };
        format!(
            "if it is this bot, {verb} with `--instance {}`, or {}; if it is another one, write \
             another `instance` into one of the two files",
            shell_quote(&sanitize(instance)),
            self.end_it
        )
    }

    fn below_guard(&self, instance: &str) -> String {
        let name = shell_quote(&sanitize(instance));
        match self.purpose {
            Purpose::Start => format!(
                "if it is this bot, start with `--instance {name}` (and its `lock.paths`, if it \
                 has any); else give this start another name: `--instance NAME`"
            ),
            Purpose::Stop => {
                format!("if it is this bot, run `monopoll stop --instance {name}` in its folder")
            }
        }
    }
}

/// Returns how to end a process that may be another bot's; `tree` is what runs below it.
fn end_it(purpose: Purpose, process: Option<&Process>, tree: &[Process]) -> String {
    let above = |it: &Process| it.guard.known().and_then(Clone::clone);
    let is_of = |guard: &OtherGuard| process.is_some_and(|it| it.id == guard.process);
    // A guard is known by what it has started.
    let guard = process
        .and_then(above)
        .or_else(|| tree.iter().filter_map(above).find(is_of))
        .map(|it| it.instance);
    // The folder may have a configuration with other `lock.paths`.
    let stop = |name: &str| {
        let verb = match purpose {
            Purpose::Start => "end it with",
            Purpose::Stop => "run",
        };
        format!("{verb} `monopoll stop --instance {name}` in its folder")
    };
    match (guard, process.filter(|it| it.role != Role::Monopoll)) {
        (Some(name), _) => stop(&shell_quote(&sanitize(&name))),
        (None, None) => format!("{} (`monopoll status` lists the names)", stop("NAME")),
        (None, Some(process)) => match (restarting_manager(process), purpose) {
            (Some(manager), _) => remedy(manager),
            (None, Purpose::Start) => format!("end it first (`kill {}`)", process.id.pid),
            (None, Purpose::Stop) => format!("end it yourself (`kill {}`)", process.id.pid),
        },
    }
}

/// Returns the manager that would start the process again. Not a container runtime, whose command
/// would end all that runs in the container.
fn restarting_manager(process: &Process) -> Option<&ManagedBy> {
    let manager = process.manager().filter(|_| process.restarts != Fact::Known(false))?;
    (!matches!(manager, ManagedBy::Container(_))).then_some(manager)
}

/// Describes the doubt, and the least harmful ways to settle it.
pub(super) fn doubt(doubt: &Doubt, settle: &Settle) -> String {
    let (what, hint) = doubt_and_hint(doubt, settle);
    format!("{what}; {hint}")
}

/// Describes the doubt alone.
pub(super) fn without_hint(doubt: &Doubt) -> String {
    let settle = Settle { purpose: Purpose::Start, end_it: String::new() };
    doubt_and_hint(doubt, &settle).0
}

/// The doubt, and the least harmful ways to settle it.
fn doubt_and_hint(doubt: &Doubt, settle: &Settle) -> (String, String) {
    let end_it = &settle.end_it;
    match doubt {
        Doubt::AlsoAnotherToken(bot) => {
            let what = format!("it carries the token of bot {bot} as well as this bot's");
            (what, settle.by(&Missing::Nothing))
        }
        Doubt::NoTokenOfMine(bot) => (
            format!("it carries the token of bot {bot}, and no bot token is set here"),
            SET_TOKEN.to_owned(),
        ),
        Doubt::Dotenv(bot) | Doubt::OwnDotenv(bot) => (
            format!(
                "it shows no token and may have read the `.env` of its folder, which names bot \
                 {bot}, not this one"
            ),
            settle.by(&Missing::Nothing),
        ),
        Doubt::UnreadableDotenv => (
            "it shows no token, and the `.env` of its folder cannot be read".to_owned(),
            format!("run monopoll as the user that owns the file, or {end_it}"),
        ),
        Doubt::ChangedSettings(SettingsLink { name, target, other }) => (
            format!(
                "it shows no token and may have read `{name}` before that link was changed to lead \
                 to `{target}`, when it may have led to `{other}`"
            ),
            settle.by(&Missing::Nothing),
        ),
        Doubt::CopiedConfiguration { file, instance } => (
            format!(
                "its folder has a copy of its own of the configuration that names this instance \
                 (`{}`), and nothing shows which bot it is",
                sanitize(&file.to_string_lossy())
            ),
            settle.copied_configuration(instance),
        ),
        Doubt::MovedFolder(folder) => (
            format!(
                "its folder was moved to `{}`, and this start is in the one that took its place",
                sanitize(&folder.to_string_lossy())
            ),
            settle.by(&Missing::Nothing),
        ),
        Doubt::ChangedEnvFile { name, other_place, bot } => (
            format!(
                "it shows no token and may have read `{name}` before the last change of that \
                 file, when it may have named bot {bot}, whose token is in `{other_place}`"
            ),
            settle.by(&Missing::Nothing),
        ),
        Doubt::BelowGuard(instance) => (
            format!("it runs under monopoll as instance `{}`", sanitize(instance)),
            settle.below_guard(instance),
        ),
        Doubt::BesideAnotherProgram { name, pid } => {
            let name = program_and_pid(name.as_deref(), *pid);
            (
                format!("it also runs {name}, which may be another bot"),
                format!("start each bot with a `monopoll run` of its own, or {end_it}"),
            )
        }
        Doubt::AnotherBotBelow { program, bot } => {
            let name = program_and_pid(program.name.as_deref(), program.pid);
            (
                format!(
                    "it also runs {name}, which shows no token and may have read the `.env` of its \
                     folder, which names bot {bot}, not this one"
                ),
                move_out(program, &format!("end pid {}", program.pid)),
            )
        }
        Doubt::ServerOfOthers { kind, server, program } => {
            server_of_others(*kind, server, program)
        }
        Doubt::Variable(name) => (
            format!("it has another value of ${name}"),
            settle.by(&Missing::Value(name)),
        ),
        Doubt::Command(doubt) => command_doubt_and_hint(doubt, settle),
        Doubt::SeveralBots => (
            "both have the tokens of several bots, and do not run the same command".to_owned(),
            settle.by(&Missing::Nothing),
        ),
        Doubt::BlocksReads => (
            "its command line cannot be read in time: reading it blocks in the kernel, or this \
             machine is overloaded"
                .to_owned(),
            "try again; if this persists, end that process or what it waits for, such as a network \
             file system"
                .to_owned(),
        ),
        Doubt::UnreadableEnvironment => (
            "its environment cannot be read".to_owned(),
            format!("run monopoll as the user that owns the process, or {end_it}"),
        ),
    }
}

/// The doubt about what a launcher does before the bot.
fn setup(verb: &str, what: &str, settle: &Settle) -> (String, String) {
    let what = sanitize(what);
    (
        format!(
            "COMMAND, or what started this process, first {verb} `{what}`, which may choose \
             another bot"
        ),
        settle.by(&Missing::Words("with the same command line")),
    )
}

/// The doubt about a process that runs the same command, and the least harmful ways to settle it.
fn command_doubt_and_hint(doubt: &CommandDoubt, settle: &Settle) -> (String, String) {
    let end_it = &settle.end_it;
    match doubt {
        CommandDoubt::Option(name) => (
            format!("it has another `{}`", sanitize(name)),
            settle.by(&Missing::Words("with the same option")),
        ),
        CommandDoubt::Setup(file) => setup("writes", file, settle),
        CommandDoubt::SetupCommand(line) => setup("runs", line, settle),
        CommandDoubt::Modules => (
            "it has another virtual environment or another $PYTHONPATH, so its module may be \
             another one"
                .to_owned(),
            settle.by(&Missing::Words("with the same ones")),
        ),
        CommandDoubt::EntryPoint => (
            "it or COMMAND runs a script that starts the same Python program, as far as names show"
                .to_owned(),
            settle.by(&Missing::Words("with the same command line")),
        ),
        CommandDoubt::GoRun => (
            "either it or COMMAND is started by `go run`, and the other is a built program that \
             may have the same source"
                .to_owned(),
            settle.by(&Missing::Words("with the same command line")),
        ),
        CommandDoubt::ScriptName => (
            "it runs the same file by a link with another name or in another folder, or under \
             another name, which may choose the bot"
                .to_owned(),
            settle.by(&Missing::Words("by the same path")),
        ),
        CommandDoubt::Script => (
            "COMMAND's script starts the same command, but has lines that may choose another bot, \
             such as a condition or `. ./.env`"
                .to_owned(),
            settle.by(&Missing::Nothing),
        ),
        CommandDoubt::PartOfScript => (
            "COMMAND's script starts several programs, and this one may not be the bot".to_owned(),
            settle.by(&Missing::Nothing),
        ),
        CommandDoubt::Variable(name) => (
            format!(
                "it has another value of ${} than COMMAND would give it, or none",
                sanitize(name)
            ),
            settle.by(&Missing::Value(name)),
        ),
        CommandDoubt::UnclearScript => (
            "COMMAND's script does not say in full what it starts, and it may be this process"
                .to_owned(),
            format!(
                "write the program, its script and its folder without variables in COMMAND's \
                 script, or {end_it}"
            ),
        ),
        CommandDoubt::Launcher => (
            "COMMAND begins with a program that monopoll does not know, and goes on with what this \
             process runs"
                .to_owned(),
            settle.by(&Missing::Words("without that program")),
        ),
        CommandDoubt::Folder => (
            "it runs in another folder, and only its $PWD says that it was started in this one"
                .to_owned(),
            settle.by(&Missing::Nothing),
        ),
        CommandDoubt::CallerFolder => (
            "COMMAND's script reads the folder in which it is started, and this process may have \
             been started in another one"
                .to_owned(),
            settle.by(&Missing::Words("in the same folder")),
        ),
        CommandDoubt::Question => (
            "COMMAND's script reads its standard input, and the answer may choose another bot"
                .to_owned(),
            settle.by(&Missing::Nothing),
        ),
        CommandDoubt::StartsAgain => (
            "it starts the same command, now or again".to_owned(),
            settle.by(&Missing::Nothing),
        ),
        CommandDoubt::OtherFolder => (
            "it runs the same script from another folder".to_owned(),
            settle.by(&Missing::Words("in the same folder")),
        ),
        CommandDoubt::RemovedRelease => (
            "its script was removed; it was in a folder beside COMMAND's, as in an older release"
                .to_owned(),
            settle.by(&Missing::Nothing),
        ),
        CommandDoubt::UnreadableFolder => (
            "its folder cannot be read, so it may run in another one".to_owned(),
            settle.by(&Missing::Nothing),
        ),
    }
}

/// The doubt about a server below a guard, and how to settle it.
fn server_of_others(
    kind: Server,
    server: &ProgramBelow,
    program: &ProgramBelow,
) -> (String, String) {
    let (server, end) = match kind {
        Server::Multiplexer => {
            (program_and_pid(server.name.as_deref(), server.pid), "end its session")
        }
        Server::Pm2 => (format!("PM2's daemon (pid {})", server.pid), "`pm2 delete` that program"),
        Server::Supervisord => {
            let remove = "remove that program from its configuration";
            (format!("supervisord (pid {})", server.pid), remove)
        }
    };
    let name = program_and_pid(program.name.as_deref(), program.pid);
    (
        format!("it also runs {server}, which may have started {name} for something else"),
        move_out(program, end),
    )
}

/// Returns how to settle a doubt about what runs below a guard. To stop the instance would end it.
fn move_out(ProgramBelow { root, .. }: &ProgramBelow, first: &str) -> String {
    format!(
        "{first} first, and start it outside of that guard; or, if everything below the guard may \
         end, `kill {root}`"
    )
}

fn program_and_pid(name: Option<&str>, pid: u32) -> String {
    name.map_or_else(
        || format!("pid {pid}"),
        |name| format!("`{}` (pid {pid})", format::shorten(&sanitize(name))),
    )
}
