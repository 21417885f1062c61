//! Words for the engine's reasons, and for failures to end a conflict.

use std::time::Duration;

use crate::engine::changed_settings::SettingsLink;
use crate::engine::counter_evidence::{AnotherBot, CounterEvidence, Doubt};
use crate::engine::evidence::Evidence;
use crate::engine::explain::Explanation;
use crate::engine::ladder::WaitLimit;
use crate::engine::likeness::{CommandDifference, CommandDoubt};
use crate::engine::near_miss::NearMissReason;
use crate::engine::plan::{Conflict, DecidedBy, Plan, UncertainRule};
use crate::engine::process::{Launcher, OtherGuard, Process, Role};
use crate::engine::reason::{RefusalCause, RefusalReason};
use crate::engine::respawn::Restarter;
use crate::engine::shield::Shield;
use crate::engine::signal_sequence::GiveUpReason;
use crate::guard::not_started::StartRefusal;
use crate::report::format;
use crate::report::manager_remedy::remedy;
use crate::telegram::Webhook;
use crate::terminate::execute::NotEnded;
use crate::text::{count, join_and, sanitize, shell_quote};

/// The evidence against a suspect, to follow "has".
pub const SUSPECT: &str = "the same token in its environment";

pub fn plan_reason(plan: &Plan) -> String {
    if let Some(reason) = &plan.refusal {
        return refusal_reason(reason, plan);
    }
    match (plan.waits().count(), plan.conflicts_to_end().count()) {
        (0, 0) => "no conflicts".to_owned(),
        (0, ended) => format!("ends {} first", conflicts(ended)),
        (waits, 0) => format!("waits for {} to end", conflicts(waits)),
        (waits, ended) => {
            let (waits, ended) = (conflicts(waits), conflicts(ended));
            format!("waits for {waits} to end, then ends {ended}")
        }
    }
}

fn conflicts(number: usize) -> String {
    count(number, "conflict", "conflicts")
}

fn refusal_reason(reason: &RefusalReason, plan: &Plan) -> String {
    match reason {
        RefusalReason::TooManyConflicts { conflicts: number, allowed } => {
            let blame =
                if found_by_entries(plan) { "; the `match` entries may be too broad" } else { "" };
            let are = if *number == 1 { "is" } else { "are" };
            let conflicts = conflicts(*number);
            format!("{conflicts} {are} more than `limits.max_targets` = {allowed} allows{blame}")
        }
        RefusalReason::TooManyTakeovers { allowed: 0, .. } => {
            "`limits.max_takeovers` is 0, so no start takes over; stop the running bot first, or \
             raise it"
                .to_owned()
        }
        RefusalReason::TooManyTakeovers { allowed, window } => {
            let window = humantime::format_duration(*window);
            let takeovers = count(*allowed, "takeover", "takeovers");
            format!(
                "{takeovers} within {window}, and `limits.max_takeovers` allows no more; find out \
                 what starts the bot again and again, then run `monopoll stop` and start it once, \
                 or start nothing for {window}"
            )
        }
        RefusalReason::Conflict => {
            plan.decisive_conflict().and_then(conflict_refusal).unwrap_or_default()
        }
        RefusalReason::Webhook { host } => Webhook::objection(host),
    }
}

/// Returns whether a conflict was found by a `match` entry.
pub(super) fn found_by_entries(plan: &Plan) -> bool {
    let mut evidence = plan.conflicts.iter().flat_map(|conflict| &conflict.evidence);
    evidence.any(|it| matches!(it, Evidence::Match(_)))
}

pub fn conflict_refusal(conflict: &Conflict) -> Option<String> {
    let who = name(conflict);
    let decider = decider(&conflict.decided_by);
    let end_it = || end_it(conflict.root.as_ref(), &conflict.tree);
    Some(match conflict.refusal.as_ref()? {
        RefusalCause::PolicyRefuses if conflict.decided_by == DecidedBy::SameToken => format!(
            "{who} carries the same bot token and is found only by it, so `same_token` (refuse) \
             applies instead of `on_conflict`"
        ),
        RefusalCause::PolicyRefuses => {
            format!("{who} {}, and {decider} says refuse", claim(conflict))
        }
        RefusalCause::RuleForbidsEnding => {
            format!("{who} {}, and {decider} forbids ending it", claim(conflict))
        }
        RefusalCause::UndecidableRule => {
            let unknown = conflict
                .uncertain_rules
                .last()
                .map_or_else(|| "one of its conditions is unknown".to_owned(), unknown_conditions);
            format!("{decider} cannot be decided for {who}, because {unknown}")
        }
        RefusalCause::WaitedTooLong(WaitLimit::For(Duration::ZERO)) => {
            format!("{who} still runs, and `timeouts.wait` is 0s")
        }
        RefusalCause::WaitedTooLong(WaitLimit::For(_) | WaitLimit::Forever) => {
            format!("waited too long for {who} to end")
        }
        RefusalCause::HolderIgnored => {
            format!("{who} holds the lock, and a holder of the lock cannot be ignored")
        }
        RefusalCause::Shielded { shield: reason, permission: _ } => {
            format!("{who} must not be signaled: {}", shield(reason))
        }
        RefusalCause::InDoubt(Doubt::NoTokenOfMine(bot)) => format!(
            "no bot token is set here, but {who} carries the token of bot {bot}; {SET_TOKEN}"
        ),
        RefusalCause::InDoubt(why @ Doubt::Command(CommandDoubt::StartsAgain)) => {
            format!("{who} seems to be between two runs of this bot: {}", doubt(why, &end_it()))
        }
        RefusalCause::InDoubt(why) => {
            format!("{who} may be another bot's: {}", doubt(why, &end_it()))
        }
        RefusalCause::Supervised(manager) => format!(
            "{who} {}, and {manager} would start it again; {}",
            claim(conflict),
            remedy(manager)
        ),
        RefusalCause::NewerStart => format!("superseded: {who} is a newer start"),
        RefusalCause::HolderUnidentified => {
            "the lock is held, but its holder cannot be identified".to_owned()
        }
        RefusalCause::ParentUnknown { pid } => {
            format!("the parent of pid {pid} cannot be read, so it may belong to the tree of {who}")
        }
        RefusalCause::ParentsInCircle { pid } => {
            format!("the parents of pid {pid} changed while they were read, so its tree is unknown")
        }
        RefusalCause::MonopollInTree { pid } => {
            format!("the tree of {who} contains a monopoll process (pid {pid})")
        }
        RefusalCause::NotPermitted { pid, owner } => {
            let owner = owner
                .as_ref()
                .map_or_else(|| "an unknown user".to_owned(), |name| format!("user {name}"));
            format!("not permitted to signal pid {pid}: it belongs to {owner}")
        }
        RefusalCause::OnlyForceEnds => {
            format!("{who} cannot be asked to end on this system, only killed")
        }
        RefusalCause::ComesBack { restarted_by } => {
            format!("{who} comes back: {}", restarted(restarted_by))
        }
    })
}

/// Names the unknown conditions of a rule, as a clause.
pub(super) fn unknown_conditions(rule: &UncertainRule) -> String {
    let keys: Vec<String> = rule.unknown.iter().map(|key| format!("`{key}`")).collect();
    let are = if keys.len() == 1 { "is" } else { "are" };
    format!("{} {are} unknown", join_and(&keys))
}

/// Describes a guard whose record was read, but whose process was gone a moment later.
pub(super) const ENDED: &str = "ended just now";

/// Names a conflict by its command and pid, masked and printable.
pub(crate) fn name(conflict: &Conflict) -> String {
    let runs = |command: &str| format::shorten(&sanitize(command));
    match (&conflict.root, &conflict.guard) {
        (Some(root), Some(guard)) => {
            format!("the guard of `{}` (pid {})", runs(&guard.command), root.id.pid)
        }
        (Some(root), None) => named(root.id.pid, Some(root)),
        (None, Some(guard)) => match guard.process {
            Some(process) => {
                format!("the guard of `{}` (pid {}, {ENDED})", runs(&guard.command), process.pid)
            }
            None => format!(
                "the guard of `{}` in another PID namespace (host {})",
                runs(&guard.command),
                sanitize(&guard.host)
            ),
        },
        (None, None) => "an unknown process".to_owned(),
    }
}

/// Returns the strongest evidence as a predicate.
fn claim(conflict: &Conflict) -> &'static str {
    if conflict.holds_lock() {
        "holds the lock"
    } else if conflict.evidence.iter().all(|it| *it == Evidence::Token) {
        "carries the same bot token"
    } else {
        "is already running"
    }
}

/// Describes a piece of evidence, to follow "it".
pub(super) fn evidence(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Lock => "holds the lock".to_owned(),
        Evidence::Token => "carries this bot's token".to_owned(),
        Evidence::Match(index) => format!("meets match[{index}]"),
        Evidence::Command => "is the same command in the same folder".to_owned(),
    }
}

pub(super) fn decider(decided_by: &DecidedBy) -> String {
    match decided_by {
        DecidedBy::Rule(name) => format!("rule `{name}`"),
        DecidedBy::OnConflict => "`on_conflict`".to_owned(),
        DecidedBy::SameToken => "`same_token`".to_owned(),
        DecidedBy::Supervised => "the built-in rule `supervised`".to_owned(),
        DecidedBy::SafetyRule => "a built-in safety rule".to_owned(),
    }
}

fn restarted(by: &Restarter) -> String {
    match by {
        Restarter::Manager(manager) => {
            format!("{manager} restarts it; {}", remedy(manager))
        }
        Restarter::Launcher(Launcher { id, command }) => format!(
            "`{command}` (pid {}) restarts it; stop that first, in the terminal or the service \
             manager that it belongs to",
            id.pid
        ),
        Restarter::Unknown => {
            "another process restarts it; find that process and stop it first, in the terminal or \
             the service manager that it belongs to"
                .to_owned()
        }
    }
}

/// Describes the evidence that a process is not this bot, and what would settle it; `None` if there
/// is none.
pub(super) fn against(it: &Explanation<'_>) -> Option<String> {
    match &it.against {
        CounterEvidence::Nothing => None,
        CounterEvidence::Doubt(why) => {
            let tree = it.conflict.map_or(&[][..], |conflict| &conflict.tree);
            Some(doubt(why, &end_it(Some(it.process), tree)))
        }
        CounterEvidence::AnotherBot(another) => Some(another_bot(another)),
    }
}

/// The evidence alone, for a process that is never ended whatever the user does.
pub(super) fn against_without_hint(against: &CounterEvidence) -> Option<String> {
    match against {
        CounterEvidence::Doubt(why) => Some(doubt_and_hint(why, "").0),
        CounterEvidence::AnotherBot(another) => Some(another_bot(another)),
        CounterEvidence::Nothing => None,
    }
}

fn another_bot(another: &AnotherBot) -> String {
    match another {
        AnotherBot::Token(bot) => format!("another bot's process (bot {bot})"),
        AnotherBot::Guard(instance) => format!("a process of another instance ({instance})"),
    }
}

/// The ways to tell monopoll which bot this is.
const SET_TOKEN: &str = "set this bot's token here too, in `BOT_TOKEN`, in `.env` or in another \
                         variable of `token_env`";

/// Returns how to end a process that may be another bot's; `tree` is what runs below it.
fn end_it(process: Option<&Process>, tree: &[Process]) -> String {
    let above = |it: &Process| it.guard.known().and_then(Clone::clone);
    let is_of = |guard: &OtherGuard| process.is_some_and(|it| it.id == guard.process);
    // A guard is known by what it has started.
    let guard = process
        .and_then(above)
        .or_else(|| tree.iter().filter_map(above).find(is_of))
        .map(|it| it.instance);
    // The folder may have a configuration with other `lock.paths`.
    let stop =
        |name: &str| format!("end that one with `monopoll stop --instance {name}` in its folder");
    match (guard, process.map(|it| it.role)) {
        (Some(name), _) => stop(&shell_quote(&sanitize(&name))),
        (None, None | Some(Role::Monopoll)) => {
            format!("{} (`monopoll status` lists the names)", stop("NAME"))
        }
        (None, Some(_)) => {
            "end that process once: a bot that runs under monopoll is recognized".to_owned()
        }
    }
}

/// Describes the doubt, and the least harmful ways to settle it, of which `end_it` is the last.
fn doubt(doubt: &Doubt, end_it: &str) -> String {
    let (what, hint) = doubt_and_hint(doubt, end_it);
    format!("{what}; {hint}")
}

/// The doubt, and the least harmful ways to settle it.
fn doubt_and_hint(doubt: &Doubt, end_it: &str) -> (String, String) {
    let settle = |how| settled(how, end_it);
    match doubt {
        Doubt::AlsoAnotherToken(bot) => {
            (format!("it carries the token of bot {bot} as well as this bot's"), settle(None))
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
            settle(None),
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
            settle(None),
        ),
        Doubt::CopiedConfiguration { file, instance } => (
            format!(
                "its folder has a copy of its own of the configuration that names this instance \
                 (`{}`), and nothing shows which bot it is",
                sanitize(&file.to_string_lossy())
            ),
            format!(
                "if it is this bot, start with `--instance {}`, or {end_it}; if it is another \
                 one, write another `instance` into one of the two files",
                shell_quote(&sanitize(instance))
            ),
        ),
        Doubt::ChangedEnvFile { name, other_place, bot } => (
            format!(
                "it shows no token and may have read `{name}` before the last change of that \
                 file, when it may have named bot {bot}, whose token is in `{other_place}`"
            ),
            settle(None),
        ),
        Doubt::BelowGuard(instance) => (
            format!("it runs under the guard of instance {instance}, which has another lock"),
            format!(
                "if it is the same bot, set `instance=\"{instance}\"` with the same `lock.paths`, \
                 else give this one a name of its own with `instance`"
            ),
        ),
        Doubt::BesideAnotherProgram { name, pid } => {
            let name = name.as_ref().map_or_else(
                || format!("pid {pid}"),
                |name| format!("`{}` (pid {pid})", format::shorten(&sanitize(name))),
            );
            (
                format!("it also runs {name}, which may be another bot"),
                format!("start each bot with a `monopoll run` of its own, or {end_it}"),
            )
        }
        Doubt::Variable(name) => (
            format!("it has another value of ${name}"),
            settle(Some("start it with the same value")),
        ),
        Doubt::Command(doubt) => command_doubt_and_hint(doubt, end_it),
        Doubt::SeveralBots => (
            "both have the tokens of several bots, and do not run the same command".to_owned(),
            settle(None),
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

/// Returns how to settle a doubt, by which bot it is. `how` is what settles it without an end.
fn settled(how: Option<&str>, end_it: &str) -> String {
    let how = how.map(|how| format!("{how}, or ")).unwrap_or_default();
    format!(
        "if it is this bot, {how}{end_it}; if it is another one, start both with monopoll, each \
         with a name of its own (`instance`)"
    )
}

/// The doubt about what a launcher does before the bot.
fn setup(verb: &str, what: &str, end_it: &str) -> (String, String) {
    let what = sanitize(what);
    (
        format!(
            "COMMAND, or what started this process, first {verb} `{what}`, which may choose \
             another bot"
        ),
        settled(Some("start it with the same command line"), end_it),
    )
}

/// The doubt about a process that runs the same command, and the least harmful ways to settle it.
fn command_doubt_and_hint(doubt: &CommandDoubt, end_it: &str) -> (String, String) {
    let settle = |how| settled(how, end_it);
    match doubt {
        CommandDoubt::Option(name) => (
            format!("it has another `{}`", sanitize(name)),
            settle(Some("start it with the same option")),
        ),
        CommandDoubt::Setup(file) => setup("writes", file, end_it),
        CommandDoubt::SetupCommand(line) => setup("runs", line, end_it),
        CommandDoubt::Modules => (
            "it has another virtual environment or another $PYTHONPATH, so its module may be \
             another one"
                .to_owned(),
            settle(Some("start it with the same ones")),
        ),
        CommandDoubt::EntryPoint => (
            "it or COMMAND runs a script that starts the same Python program, as far as names show"
                .to_owned(),
            settle(Some("start it with the same command line")),
        ),
        CommandDoubt::GoRun => (
            "either it or COMMAND is started by `go run`, and the other is a built program that \
             may have the same source"
                .to_owned(),
            settle(Some("start it with the same command line")),
        ),
        CommandDoubt::ScriptName => (
            "it runs the same file by a link with another name or in another folder, or under \
             another name, which may choose the bot"
                .to_owned(),
            settle(Some("start it by the same path")),
        ),
        CommandDoubt::Script => (
            "COMMAND's script starts the same command, but has lines that may choose another bot, \
             such as a condition or `. ./.env`"
                .to_owned(),
            settle(None),
        ),
        CommandDoubt::PartOfScript => (
            "COMMAND's script starts several programs, and this one may not be the bot".to_owned(),
            settle(None),
        ),
        CommandDoubt::Variable(name) => (
            format!(
                "it has another value of ${} than COMMAND would give it, or none",
                sanitize(name)
            ),
            settle(Some("start it with the same value")),
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
            settle(Some("start it without that program")),
        ),
        CommandDoubt::Folder => (
            "it runs in another folder, and only its $PWD says that it was started in this one"
                .to_owned(),
            settle(None),
        ),
        CommandDoubt::CallerFolder => (
            "COMMAND's script reads the folder in which it is started, and this process may have \
             been started in another one"
                .to_owned(),
            settle(Some("start it in the same folder")),
        ),
        CommandDoubt::Question => (
            "COMMAND's script reads its standard input, and the answer may choose another bot"
                .to_owned(),
            settle(None),
        ),
        CommandDoubt::StartsAgain => (
            "it starts the same command, now or again".to_owned(),
            settle(None),
        ),
        CommandDoubt::OtherFolder => (
            "it runs the same script from another folder".to_owned(),
            settle(Some("start it in the same folder")),
        ),
        CommandDoubt::RemovedRelease => (
            "its script was removed; it was in a folder beside COMMAND's, as in an older release"
                .to_owned(),
            settle(None),
        ),
        CommandDoubt::UnreadableFolder => (
            "its folder cannot be read, so it may run in another one".to_owned(),
            settle(None),
        ),
    }
}

/// Describes a near miss, to follow "it".
pub fn near_miss(reason: &NearMissReason) -> String {
    match reason {
        NearMissReason::Command(CommandDifference::OtherFolder) => {
            "the same script in another folder"
        }
        NearMissReason::Command(CommandDifference::OtherArguments) => {
            "the same script in this folder, with other arguments"
        }
        NearMissReason::Command(CommandDifference::OtherSubcommand) => {
            "the same script in this folder, with another subcommand, and connected to the Bot API"
        }
        NearMissReason::Command(CommandDifference::OtherVersion) => {
            "the same program in this folder, with another version in its name"
        }
        NearMissReason::Command(CommandDifference::OtherBuild) => {
            "the same program in this folder, before or after it was compiled"
        }
        NearMissReason::Command(CommandDifference::PartOfScript) => {
            "one of the commands of COMMAND's script, in this folder"
        }
        NearMissReason::Command(CommandDifference::RewrittenTitle) => {
            "in this folder with the same interpreter, under a title that cannot be compared"
        }
        NearMissReason::OtherUser(user) => return format!("the same command, run by user {user}"),
        NearMissReason::OtherInstance(name) => {
            let name = sanitize(name);
            return format!(
                "the same command in the same folder, as instance {name}; if it is this bot, start \
                 both with the same `instance`"
            );
        }
        NearMissReason::Connected => "in this folder, and connected to the Bot API",
        NearMissReason::ConnectedNearby => {
            "in COMMAND's project (by its folder, its `PWD` or a path on its command line) or in a \
             folder whose `.env` names this bot, and connected to the Bot API"
        }
    }
    .to_owned()
}

pub fn shield(shield: &Shield) -> String {
    match shield {
        Shield::Myself => "monopoll itself".to_owned(),
        Shield::Ancestor => "it started monopoll".to_owned(),
        Shield::Descendant => "monopoll started it".to_owned(),
        Shield::Init => "PID 1".to_owned(),
        Shield::Kernel => "a kernel thread".to_owned(),
        Shield::UnknownRelation => {
            "its ancestors cannot be read, so it may have started monopoll".to_owned()
        }
        Shield::AnotherBot(another) => another_bot(another),
        Shield::OtherUser(user) => format!("another user ({user})"),
        Shield::UnknownUser => "its user cannot be read".to_owned(),
        Shield::OtherContainer(id) => format!("another container ({id})"),
        Shield::UnknownContainer => "its container cannot be read".to_owned(),
    }
}

pub(crate) fn start_refusal(refusal: &StartRefusal) -> String {
    match refusal {
        StartRefusal::Plan(plan) => plan_reason(plan),
        StartRefusal::NotEnded { why, process } => not_ended(*why, process.as_deref()),
        StartRefusal::Queued => "another start is in progress; try again".to_owned(),
    }
}

/// Describes the failure to end a conflict; `process` is the member that is left.
pub fn not_ended(why: NotEnded, process: Option<&Process>) -> String {
    match why {
        NotEnded::Denied { pid } => {
            let who = named(pid, process);
            format!("not permitted to signal {who}; run monopoll as the user that owns it")
        }
        NotEnded::GaveUp(reason @ GiveUpReason::OutlivedSignal(_)) => {
            format!("{}; raise `timeouts.graceful`, or end it yourself", gave_up(reason, process))
        }
        NotEnded::GaveUp(reason) => gave_up(reason, process),
        NotEnded::OutOfTime => {
            "a conflict did not end in time; raise `timeouts.graceful`, or end it yourself"
                .to_owned()
        }
        NotEnded::StartedAtEnd { pid } => format!(
            "{} began in the process group of what was ended, while it ended, and may poll; end \
             it, or start again if it is harmless",
            named(pid, process)
        ),
        NotEnded::NoAnswer { guard } => {
            let guard = guard.map_or_else(
                || "the guard in another PID namespace".to_owned(),
                |pid| format!("the guard (pid {pid})"),
            );
            format!("{guard} did not answer, and cannot be signaled from here")
        }
        NotEnded::NotAsked { guard, error } => {
            let guard = guard
                .map_or_else(|| "the guard".to_owned(), |pid| format!("the guard (pid {pid})"));
            format!("{guard} cannot be asked to end: cannot write the request ({error})")
        }
    }
}

/// Describes the failure to end a tree; `process` is the member that is left.
pub fn gave_up(reason: GiveUpReason, process: Option<&Process>) -> String {
    let why = match reason {
        GiveUpReason::OutlivedSignal(_) => {
            "still runs after the signal, and `kill.escalate` is false"
        }
        GiveUpReason::OutlivedKill(_) => "still runs after SIGKILL: it is blocked in the kernel",
        GiveUpReason::Unpinned(_) => {
            "still runs, and no file descriptor is left to signal it through"
        }
    };
    format!("{} {why}", named(reason.id().pid, process))
}

/// Names a process by its command, if known, and pid.
fn named(pid: u32, process: Option<&Process>) -> String {
    match process.and_then(format::known_command) {
        Some(command) => format!("`{command}` (pid {pid})"),
        None => format!("pid {pid}"),
    }
}
