//! The evidence that a process is not this bot.

use std::path::PathBuf;

use crate::engine::changed_settings::SettingsLink;
use crate::engine::fact::{Fact, Truth};
use crate::engine::instance::{BotId, Instance, NameSource};
use crate::engine::likeness::CommandDoubt;
use crate::engine::policy::Purpose;
use crate::engine::process::{GuardedInstance, OtherGuard, Process, Role, Server};
use crate::engine::snapshot::Caller;
use crate::engine::token::{ChangedEnvFile, MyToken};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CounterEvidence {
    Nothing,
    Doubt(Doubt),
    AnotherBot(AnotherBot),
}

/// Proof that a process belongs to another bot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AnotherBot {
    /// The process carries a token of a bot that the caller has no token of, and no token of this
    /// bot.
    Token(BotId),
    /// The process runs under a living guard of the instance with this name. Neither this name
    /// nor the caller's is a guess.
    Guard(String),
}

/// A reason to doubt that a process is this bot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Doubt {
    /// The process carries the token of this other bot as well as this bot's.
    AlsoAnotherToken(BotId),
    /// The process carries the token of this bot, and the caller has no token to compare.
    NoTokenOfMine(BotId),
    /// The process shows no token and may have read the `.env` of its folder, which names this
    /// other bot.
    Dotenv(BotId),
    /// The process shows no token and may have read the `.env` of this start's folder, which names
    /// this other bot.
    OwnDotenv(BotId),
    /// The process shows no token and may have read the `.env` of its folder, which this start
    /// cannot read.
    UnreadableDotenv,
    /// The process shows no token and may have read settings behind this link before its last
    /// change, when it may have led to another file.
    ChangedSettings(SettingsLink),
    /// It has the name of the instance from a copy of the caller's configuration: this file.
    CopiedConfiguration {
        file: PathBuf,
        instance: String,
    },
    /// Its folder was moved to this path, and the caller is in the one that took its place. The
    /// name is a guess by the path.
    MovedFolder(PathBuf),
    /// The process shows no token and may have read the file that names this bot before its last
    /// change, when it may have named this other bot, whose token is in the other place.
    ChangedEnvFile {
        name: String,
        other_place: String,
        bot: BotId,
    },
    /// The process runs under a guard of the instance with this name. The names prove nothing:
    /// the caller's is a guess, or both are the same but with different locks, or the process has
    /// this bot's token and runs the same command.
    BelowGuard(String),
    /// The guard was found only by the same command below it. This other program below it may be
    /// another bot.
    BesideAnotherProgram {
        name: Option<String>,
        pid: u32,
    },
    /// This program below the process shows no token and may have read the `.env` of its folder,
    /// which names this other bot.
    AnotherBotBelow {
        program: ProgramBelow,
        bot: BotId,
    },
    /// This server below the guard also starts programs for others, and this program of it may be
    /// one of those.
    ServerOfOthers {
        kind: Server,
        server: ProgramBelow,
        program: ProgramBelow,
    },
    /// This variable, which selects the bot, has a different value.
    Variable(String),
    /// The process runs the same command, but perhaps for another bot.
    Command(CommandDoubt),
    /// Both have the tokens of several bots but do not run the same command.
    SeveralBots,
    UnreadableEnvironment,
    /// Reading its command line and environment blocks in the kernel. It may be anything that this
    /// program can run.
    BlocksReads,
}

/// A program that would be ended together with the root of its tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgramBelow {
    pub name: Option<String>,
    pub pid: u32,
    /// The pid of the root.
    pub root: u32,
}

impl ProgramBelow {
    pub(super) fn new(process: &Process, root: u32) -> ProgramBelow {
        ProgramBelow { name: process.name.known().cloned(), pid: process.id.pid, root }
    }
}

impl Doubt {
    /// Returns whether the doubt also applies to a descendant of a candidate that is not a
    /// candidate itself. A child may run any program with any environment.
    pub(super) fn holds_for_members(&self) -> bool {
        match self {
            Doubt::AlsoAnotherToken(_)
            | Doubt::NoTokenOfMine(_)
            | Doubt::Dotenv(_)
            | Doubt::UnreadableDotenv
            | Doubt::UnreadableEnvironment
            | Doubt::BlocksReads => true,
            // Every member that clears its environment, such as a browser, would be that bot.
            Doubt::OwnDotenv(_)
            | Doubt::ChangedSettings(_)
            | Doubt::CopiedConfiguration { .. }
            | Doubt::MovedFolder(_)
            | Doubt::ChangedEnvFile { .. }
            | Doubt::BelowGuard(_)
            | Doubt::BesideAnotherProgram { .. }
            | Doubt::AnotherBotBelow { .. }
            | Doubt::ServerOfOthers { .. }
            | Doubt::Variable(_)
            | Doubt::Command(_)
            | Doubt::SeveralBots => false,
        }
    }
}

pub fn weigh_against(me: &Caller, process: &Process) -> CounterEvidence {
    if process.blocks_reads {
        return CounterEvidence::Doubt(Doubt::BlocksReads);
    }
    let has_my_token = matches!(process.tokens.mine, Fact::Known(MyToken::Seen(_)));
    if let Fact::Known(Some(bot)) = process.tokens.other
        && !is_named(me, process, bot)
    {
        return match (has_my_token, me.bots) {
            (true, _) => CounterEvidence::Doubt(Doubt::AlsoAnotherToken(bot)),
            (false, 0) => CounterEvidence::Doubt(Doubt::NoTokenOfMine(bot)),
            (false, _) => CounterEvidence::AnotherBot(AnotherBot::Token(bot)),
        };
    }
    let above = process.guard.known().and_then(Option::as_ref);
    let below_guard = above.and_then(|guard| below_guard(me, process, guard));
    let below_guard = below_guard.map(|against| match against {
        // One bot under two names: both would poll.
        CounterEvidence::AnotherBot(AnotherBot::Guard(instance))
            if has_my_token && process.is_same_command() == Truth::True =>
        {
            CounterEvidence::Doubt(Doubt::BelowGuard(instance))
        }
        against => against,
    });
    if let Some(another @ CounterEvidence::AnotherBot(_)) = below_guard {
        return another;
    }
    // With this bot's token, the variable no longer matters: it is this bot. Of several bots'
    // tokens, the variable may choose one.
    let token_settles_variable = has_my_token && !(me.bots >= 2 && process.tokens.count >= 2);
    // An instance has one bot, however it was started. A guessed name does not say what was
    // answered.
    let is_of_my_instance = process.is_of_my_instance();
    let is_left_open = |doubt: &CommandDoubt| {
        *doubt == CommandDoubt::Question
            && me.name_source == NameSource::Command
            && me.purpose == Purpose::Start
    };
    // A stop may come from a shell without the variable.
    let is_stopped_by_name =
        me.purpose == Purpose::Stop && me.name_source == NameSource::Given && is_of_my_instance;
    let is_variable_settled = token_settles_variable || is_stopped_by_name;
    let is_variable_unknown = process.other_variable == Fact::Unknown && !is_variable_settled;
    // Not every doubt about the command is settled by the token.
    let is_command_unknown = process.command_doubt == Fact::Unknown && !is_of_my_instance;
    if process.tokens.other == Fact::Unknown
        || process.guard == Fact::Unknown
        || is_variable_unknown
        || is_command_unknown
    {
        return CounterEvidence::Doubt(Doubt::UnreadableEnvironment);
    }
    // This holds for members, so it comes before what does not. It holds for an instance with this
    // name, too: its folder may be a copy.
    match process.env_file_bot {
        Fact::Known(Some(bot)) if !has_my_token => {
            return CounterEvidence::Doubt(Doubt::Dotenv(bot));
        }
        Fact::Unknown if !has_my_token => {
            return CounterEvidence::Doubt(Doubt::UnreadableDotenv);
        }
        Fact::Known(_) | Fact::Unknown => {}
    }
    if let Some(doubt) = below_guard {
        return doubt;
    }
    if let Some(doubt) = doubt_about_folder(me, process).filter(|_| !has_my_token) {
        return CounterEvidence::Doubt(doubt);
    }
    if let Fact::Known(Some(variable)) = &process.other_variable
        && !is_variable_settled
    {
        return CounterEvidence::Doubt(Doubt::Variable(variable.clone()));
    }
    if let Fact::Known(Some(doubt)) = &process.command_doubt
        && !(has_my_token && doubt.is_settled_by_token())
        && (!is_of_my_instance || is_left_open(doubt))
    {
        return CounterEvidence::Doubt(Doubt::Command(doubt.clone()));
    }
    // A guard's program is its child, which reads the file.
    let reads_dotenv = process.role != Role::Monopoll && !has_my_token && !is_of_my_instance;
    if let Some(bot) = me.in_dotenv
        && reads_dotenv
    {
        return CounterEvidence::Doubt(Doubt::OwnDotenv(bot));
    }
    if let Some(file) = &me.changed_env_file
        && reads_dotenv
        && process.id.start <= file.last_start
    {
        let ChangedEnvFile { name, other_place, bot, last_start: _ } = file.clone();
        return CounterEvidence::Doubt(Doubt::ChangedEnvFile { name, other_place, bot });
    }
    if let Some(link) = &me.changed_settings
        && reads_dotenv
        && process.id.start <= link.last_start
    {
        return CounterEvidence::Doubt(Doubt::ChangedSettings(link.link.clone()));
    }
    // A guard's program is its child, so the guard itself cannot be compared.
    if process.role != Role::Monopoll
        && me.bots >= 2
        && !(is_of_my_instance && me.name_source != NameSource::Token)
        && has_several_bots(me, process)
        && !process.is_same_command_here()
    {
        return CounterEvidence::Doubt(Doubt::SeveralBots);
    }
    CounterEvidence::Nothing
}

/// Returns a reason why a process of this instance may be the bot of another folder.
fn doubt_about_folder(me: &Caller, process: &Process) -> Option<Doubt> {
    if let Some(file) = process.copied_configuration.clone() {
        return Some(Doubt::CopiedConfiguration { file, instance: me.instance.clone() });
    }
    let moved = process.moved_folder.clone().filter(|_| me.name_source == NameSource::Command)?;
    Some(Doubt::MovedFolder(moved))
}

/// Returns whether the configured instance name identifies the process as this bot even without a
/// token: it is the name of the bot, or this is a stop and the process has the lock.
fn is_named(me: &Caller, process: &Process, bot: BotId) -> bool {
    let is_given = me.bots == 0 && me.name_source == NameSource::Given;
    is_given
        && (me.instance == Instance::of_bot(bot).as_str()
            || me.purpose == Purpose::Stop && process.is_of_my_instance())
}

/// Returns what a guard above the process says against it. A guard with a guessed name that runs
/// the same command is the same bot's.
fn below_guard(me: &Caller, process: &Process, guard: &OtherGuard) -> Option<CounterEvidence> {
    let is_same_command = process.is_same_command();
    let doubt = || CounterEvidence::Doubt(Doubt::BelowGuard(guard.instance.clone()));
    match (guard.guards, me.name_source, guard.name_source) {
        (GuardedInstance::Mine, ..) => None,
        (GuardedInstance::Another, _, NameSource::Command) if is_same_command == Truth::True => {
            None
        }
        // Its guard could be asked to end, but the process must not be signaled.
        (GuardedInstance::Another, _, NameSource::Command) if is_same_command == Truth::Unknown => {
            Some(doubt())
        }
        (
            GuardedInstance::Another,
            NameSource::Given | NameSource::Token,
            NameSource::Given | NameSource::Token,
        ) if guard.instance != me.instance => {
            Some(CounterEvidence::AnotherBot(AnotherBot::Guard(guard.instance.clone())))
        }
        (GuardedInstance::Another, NameSource::Given | NameSource::Token, NameSource::Command) => {
            None
        }
        (GuardedInstance::Another, _, NameSource::Given | NameSource::Token)
        | (GuardedInstance::Another, NameSource::Command, NameSource::Command) => Some(doubt()),
    }
}

/// Returns whether a process may have the tokens of several bots: its own, or those in the
/// `env_file` of the caller's folder, if it runs there.
fn has_several_bots(me: &Caller, process: &Process) -> bool {
    process.tokens.count >= 2 || process.is_in(me.cwd.as_deref()) != Truth::False
}
