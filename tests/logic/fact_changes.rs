//! Changes of single facts about a process: hidden, or evidence for and against.

use std::path::PathBuf;

use crate::fixture::*;

use monopoll::internals::engine::fact::Fact::{Known, Unknown};
use monopoll::internals::engine::instance::{BotId, NameSource};
use monopoll::internals::engine::likeness::{CommandDoubt, CommandLikeness};
use monopoll::internals::engine::process::{GuardedInstance, OtherGuard, Process};

/// Changes one fact.
pub(crate) type FactChange = fn(&mut Process);

/// Hides the facts of a process, by name. `connected` is missing because an unknown connection of
/// this bot's program counts as one, and `same_token = "act"` then ends the process. `managed_by`
/// is missing because only a known supervisor causes a refusal.
pub(crate) const FACTS: [(&str, FactChange); 20] = [
    ("parent", |it| it.parent = Unknown),
    ("name", |it| it.name = Unknown),
    ("args", |it| it.args = Unknown),
    ("exe", |it| it.exe = Unknown),
    ("cwd", |it| it.cwd = Unknown),
    ("user", |it| it.user = Unknown),
    ("container", |it| it.container = Unknown),
    ("state", |it| it.state = Unknown),
    ("age", |it| it.age = Unknown),
    ("launchers", |it| it.launchers = Unknown),
    ("orphaned", |it| it.orphaned = Unknown),
    ("holds_lock", |it| it.holds_lock = Unknown),
    ("tokens", |it| it.tokens = UNREADABLE),
    ("other_variable", |it| it.other_variable = Unknown),
    ("command_doubt", |it| it.command_doubt = Unknown),
    ("guard", |it| it.guard = Unknown),
    ("same_program", |it| it.same_program = Unknown),
    ("may_be_spawned", |it| it.may_be_spawned = Unknown),
    ("likeness", |it| it.likeness = Unknown),
    ("relation", |it| it.relation = Unknown),
];

/// Adds evidence that a process is this bot.
pub(crate) const FOR: [(&str, FactChange); 4] = [
    ("likeness", |it| it.likeness = Known(CommandLikeness::Same)),
    ("tokens", |it| it.tokens.mine = MINE.mine),
    ("holds_lock", |it| it.holds_lock = Known(true)),
    ("connected", |it| it.connected = Known(true)),
];

/// Adds evidence against it, if there was none.
pub(crate) const AGAINST: [(&str, FactChange); 7] = [
    ("tokens", |it| {
        if it.tokens.other == Known(None) {
            it.tokens.other = ANOTHER_BOTS.other;
        }
    }),
    ("env_file_bot", |it| it.env_file_bot = Known(Some(BotId(8)))),
    ("copied_configuration", |it| {
        it.copied_configuration = Some(PathBuf::from("/srv/alice/monopoll.toml"));
    }),
    ("moved_folder", |it| it.moved_folder = Some(PathBuf::from("/srv/old"))),
    ("other_variable", |it| {
        if it.other_variable == Known(None) {
            it.other_variable = Known(Some("BOT_PROFILE".to_owned()));
        }
    }),
    ("command_doubt", |it| {
        if it.command_doubt == Known(None) {
            it.command_doubt = Known(Some(CommandDoubt::Modules));
        }
    }),
    ("guard", |it| {
        if it.guard == Known(None) {
            let (instance, process) = ("admin".to_owned(), it.id);
            let guards = GuardedInstance::Another;
            let guard = OtherGuard { instance, name_source: NameSource::Given, process, guards };
            it.guard = Known(Some(guard));
        }
    }),
];
