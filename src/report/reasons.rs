//! Words for the engine's reasons, and for failures to end a conflict.

use std::time::Duration;

use crate::engine::counter_evidence::{AnotherBot, CounterEvidence, Doubt};
use crate::engine::evidence::Evidence;
use crate::engine::explain::Explanation;
use crate::engine::ladder::WaitLimit;
use crate::engine::likeness::{CommandDifference, CommandDoubt};
use crate::engine::near_miss::NearMissReason;
use crate::engine::plan::{Conflict, DecidedBy, Plan, UncertainRule};
use crate::engine::policy::Purpose;
use crate::engine::process::{Launcher, Process};
use crate::engine::reason::{RefusalCause, RefusalReason};
use crate::engine::respawn::Restarter;
use crate::engine::shield::Shield;
use crate::engine::signal_sequence::GiveUpReason;
use crate::guard::not_started::StartRefusal;
use crate::report::doubt_text::{self, SET_TOKEN, Settle};
use crate::report::format;
use crate::report::manager_remedy::remedy;
use crate::telegram::Webhook;
use crate::terminate::execute::NotEnded;
use crate::text::{count, join_and, sanitize};

/// The evidence against a suspect, to follow "has".
pub const SUSPECT: &str = "the same token in its environment";

pub fn plan_reason(plan: &Plan, purpose: Purpose) -> String {
    if let Some(reason) = &plan.refusal {
        return refusal_reason(reason, plan, purpose);
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

fn refusal_reason(reason: &RefusalReason, plan: &Plan, purpose: Purpose) -> String {
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
            let decisive = plan.decisive_conflict();
            decisive.and_then(|it| conflict_refusal(it, purpose)).unwrap_or_default()
        }
        RefusalReason::Webhook { host } => Webhook::objection(host),
    }
}

/// Returns whether a conflict was found by a `match` entry.
pub(super) fn found_by_entries(plan: &Plan) -> bool {
    let mut evidence = plan.conflicts.iter().flat_map(|conflict| &conflict.evidence);
    evidence.any(|it| matches!(it, Evidence::Match(_)))
}

pub fn conflict_refusal(conflict: &Conflict, purpose: Purpose) -> Option<String> {
    let who = name(conflict);
    let decider = decider(&conflict.decided_by);
    let doubt = |why| {
        let settle = Settle::new(purpose, conflict.root.as_ref(), &conflict.tree);
        doubt_text::doubt(why, &settle)
    };
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
            format!("{who} seems to be between two runs of this bot: {}", doubt(why))
        }
        RefusalCause::InDoubt(why) => {
            format!("{who} may be another bot's: {}", doubt(why))
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
            format!("{who} comes back: {}", restarted(restarted_by, purpose))
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

fn restarted(by: &Restarter, purpose: Purpose) -> String {
    let then = match purpose {
        Purpose::Start => "start the bot again",
        Purpose::Stop => "repeat this",
    };
    match by {
        Restarter::Manager(manager) => {
            format!("{manager} restarts it; {}", remedy(manager))
        }
        Restarter::Launcher(Launcher { id, command }) => {
            let how = if runs_script(command) {
                format!(" (`kill {}`)", id.pid)
            } else {
                ", where it was started".to_owned()
            };
            format!("`{command}` (pid {}) restarts it; end that first{how}, then {then}", id.pid)
        }
        Restarter::Unknown => format!(
            "another process restarts it, such as a loop or a service manager; find that and end \
             it first, then {then}"
        ),
    }
}

/// Returns whether a command is a shell that runs a line or a script. Any other launcher may be in
/// use, such as a shell in which somebody types, and no signal is suggested.
fn runs_script(command: &str) -> bool {
    const SHELLS: [&str; 6] = ["ash", "bash", "dash", "ksh", "sh", "zsh"];
    let mut words = command.split(' ');
    let program = words.next().unwrap_or_default();
    let is_shell = SHELLS.contains(&program.rsplit('/').next().unwrap_or_default());
    let runs = match words.next() {
        None | Some("" | "…") => false,
        Some(word) => match word.strip_prefix('-') {
            Some(flags) => flags.ends_with('c') && !flags.contains(['-', 'i']),
            None => true,
        },
    };
    is_shell && runs
}

/// Describes the evidence that a process is not this bot, and what would settle it; `None` if there
/// is none.
pub(super) fn against(it: &Explanation<'_>, purpose: Purpose) -> Option<String> {
    match &it.against {
        CounterEvidence::Nothing => None,
        CounterEvidence::Doubt(why) => {
            let tree = it.conflict.map_or(&[][..], |conflict| &conflict.tree);
            Some(doubt_text::doubt(why, &Settle::new(purpose, Some(it.process), tree)))
        }
        CounterEvidence::AnotherBot(another) => Some(another_bot(another)),
    }
}

/// The evidence alone, for a process that is never ended whatever the user does.
pub(super) fn against_without_hint(against: &CounterEvidence) -> Option<String> {
    match against {
        CounterEvidence::Doubt(why) => Some(doubt_text::without_hint(why)),
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
                 both with the same `--instance NAME`"
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

pub(crate) fn start_refusal(refusal: &StartRefusal, purpose: Purpose) -> String {
    match refusal {
        StartRefusal::Plan(plan) => plan_reason(plan, purpose),
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
