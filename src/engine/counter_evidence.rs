//! The evidence against a process being my bot.

use crate::engine::fact::{Fact, Truth};
use crate::engine::instance::{BotId, Instance, NameSource};
use crate::engine::policy::Purpose;
use crate::engine::process::{GuardedInstance, OtherGuard, Process, Role};
use crate::engine::snapshot::Caller;
use crate::engine::token::MyToken;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CounterEvidence {
    Nothing,
    Doubt(Doubt),
    AnotherBot(AnotherBot),
}

/// Proof that a process is another bot's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AnotherBot {
    /// The process carries the token of a bot that I do not have, and none of mine.
    Token(BotId),
    /// The process is below a living guard of this instance, and both instances have a name.
    Guard(String),
}

/// A reason to doubt that a process is my bot, each with what would settle it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Doubt {
    /// The process carries this bot's token as well as mine.
    AlsoAnotherToken(BotId),
    /// The process carries this bot's token, and I have none.
    NoTokenOfMine(BotId),
    /// The process is below a guard of this instance, and my own name is only a guess, or the same
    /// with another lock.
    BelowGuard(String),
    /// This variable, which chooses among bots, has another value.
    Variable(&'static str),
    /// This option of an interpreter or a wrapper, which may choose among bots, has another value.
    Option(String),
    /// Both have the tokens of several bots, and run different scripts.
    SeveralBots,
    UnreadableEnvironment,
}

impl Doubt {
    /// Returns whether it also holds for a process that is only below a candidate, and that no
    /// evidence found: a child may run anything, with any environment.
    pub(super) fn holds_for_members(&self) -> bool {
        match self {
            Doubt::AlsoAnotherToken(_) | Doubt::NoTokenOfMine(_) | Doubt::UnreadableEnvironment => {
                true
            }
            Doubt::BelowGuard(_) | Doubt::Variable(_) | Doubt::Option(_) | Doubt::SeveralBots => {
                false
            }
        }
    }
}

/// Weighs the facts of one process.
pub fn weigh_against(me: &Caller, process: &Process) -> CounterEvidence {
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
    if let Some(another @ CounterEvidence::AnotherBot(_)) = below_guard {
        return another;
    }
    // The bot was chosen already where it has my token.
    let is_variable_unknown = process.other_variable == Fact::Unknown && !has_my_token;
    // My instance has one bot, however that was started before.
    let is_of_my_instance = process.holds_lock == Fact::Known(true)
        || above.is_some_and(|guard| guard.guards == GuardedInstance::Mine);
    let is_option_unknown =
        process.other_option == Fact::Unknown && !has_my_token && !is_of_my_instance;
    if process.tokens.other == Fact::Unknown
        || process.guard == Fact::Unknown
        || is_variable_unknown
        || is_option_unknown
    {
        return CounterEvidence::Doubt(Doubt::UnreadableEnvironment);
    }
    if let Some(doubt) = below_guard {
        return doubt;
    }
    if let Fact::Known(Some(variable)) = process.other_variable
        && !has_my_token
    {
        return CounterEvidence::Doubt(Doubt::Variable(variable));
    }
    if let Fact::Known(Some(option)) = &process.other_option
        && !has_my_token
        && !is_of_my_instance
    {
        return CounterEvidence::Doubt(Doubt::Option(option.clone()));
    }
    // The program of a guard is below it, and in its record.
    if process.role != Role::Monopoll
        && me.bots >= 2
        && has_several_bots(me, process)
        && process.same_program != Fact::Known(true)
    {
        return CounterEvidence::Doubt(Doubt::SeveralBots);
    }
    CounterEvidence::Nothing
}

/// Returns whether my given name says that a process is my bot, although I do not have its token:
/// the name is the bot's, or a person stops what holds the lock of that name.
fn is_named(me: &Caller, process: &Process, bot: BotId) -> bool {
    let is_given = me.bots == 0 && me.name_source == NameSource::Given;
    let holds_lock = process.holds_lock == Fact::Known(true)
        || process
            .guard
            .known()
            .and_then(Option::as_ref)
            .is_some_and(|guard| guard.guards == GuardedInstance::Mine);
    is_given
        && (me.instance == Instance::of_bot(bot).as_str()
            || me.purpose == Purpose::Stop && holds_lock)
}

/// A guard with a guessed name that runs my very command is the same bot's, and no objection.
fn below_guard(me: &Caller, process: &Process, guard: &OtherGuard) -> Option<CounterEvidence> {
    let is_same_command = process.is_same_command();
    let doubt = || CounterEvidence::Doubt(Doubt::BelowGuard(guard.instance.clone()));
    match (guard.guards, me.name_source, guard.name_source) {
        (GuardedInstance::Mine, ..) => None,
        (GuardedInstance::Another, _, NameSource::Command) if is_same_command == Truth::True => {
            None
        }
        // The guard might be asked to end, but not signaled.
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

/// Returns whether a process may have several bots' tokens: its own, or those of the `env_file` of
/// my folder, which it shares.
fn has_several_bots(me: &Caller, process: &Process) -> bool {
    process.tokens.count >= 2 || process.is_in(me.cwd.as_deref()) != Truth::False
}
