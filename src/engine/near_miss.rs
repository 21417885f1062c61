//! Near misses: processes that are almost the same command. They are listed but never acted on.

use crate::engine::counter_evidence::{AnotherBot, CounterEvidence};
use crate::engine::fact::{Fact, Truth};
use crate::engine::instance::NameSource;
use crate::engine::likeness::{CommandDifference, CommandLikeness};
use crate::engine::pattern::{ContainerLimit, UserLimit};
use crate::engine::process::{Process, Relation, Role};
use crate::engine::shield::{self, Shield};
use crate::engine::snapshot::Caller;

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NearMissReason {
    Command(CommandDifference),
    /// This other user runs the same command.
    OtherUser(String),
    /// This other instance runs the same command, and only one of both names is that of a token.
    OtherInstance(String),
    /// The process runs in the caller's folder and is connected to the Bot API.
    Connected,
    /// The process is connected and belongs to COMMAND's project, or the `.env` of its folder names
    /// this bot, but it runs in another folder.
    ConnectedNearby,
}

/// Returns why a process that runs the same command under another instance is a near miss: with a
/// given name and that of a token, both may be this bot.
pub(super) fn of_other_instance(me: &Caller, against: &CounterEvidence) -> Option<NearMissReason> {
    let CounterEvidence::AnotherBot(AnotherBot::Guard(name)) = against else { return None };
    let is_by_token = |source: NameSource| source == NameSource::Token;
    (is_by_token(me.name_source) != is_by_token(NameSource::by_form(name)))
        .then(|| NearMissReason::OtherInstance(name.clone()))
}

/// Returns why a process without other evidence is a near miss.
pub(super) fn of(me: &Caller, process: &Process) -> Option<NearMissReason> {
    let is_program = process.role == Role::Program
        && process.relation == Fact::Known(Relation::None)
        && shield::other_container(process, ContainerLimit::Same).is_none();
    if !is_program {
        return None;
    }
    let other_user = shield::other_user(process, me, &UserLimit::Same);
    match (&process.likeness, other_user) {
        (Fact::Known(CommandLikeness::Same), Some(Shield::OtherUser(user))) => {
            Some(NearMissReason::OtherUser(user))
        }
        (_, Some(_)) => None,
        (Fact::Known(CommandLikeness::Near(CommandDifference::OtherSubcommand)), None)
            if process.connected != Fact::Known(true) =>
        {
            None
        }
        (Fact::Known(CommandLikeness::Near(near)), None) => Some(NearMissReason::Command(*near)),
        (Fact::Known(CommandLikeness::Same | CommandLikeness::Different) | Fact::Unknown, None) => {
            let is_in_my_folder = process.is_in(me.cwd.as_deref()) == Truth::True;
            match (process.connected, is_in_my_folder) {
                (Fact::Known(true), true) => Some(NearMissReason::Connected),
                (Fact::Known(true), false) if process.is_connected_nearby => {
                    Some(NearMissReason::ConnectedNearby)
                }
                (Fact::Known(_) | Fact::Unknown, _) => None,
            }
        }
    }
}
