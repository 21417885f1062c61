//! The processes that are only listed: suspects, and near misses with an entry that would match
//! them.

use crate::engine::counter_evidence::CounterEvidence;
use crate::engine::likeness::CommandDifference;
use crate::engine::near_miss::NearMissReason;
use crate::engine::plan::{NearMiss, Plan};
use crate::engine::process::Process;
use crate::report::reasons::SUSPECT;
use crate::report::{format, reasons, typed};
use crate::text::{MASK, count, join_and, printable, sanitize};

/// Returns the fields of a `match` entry, as TOML, that matches this process and as little else as
/// possible: anchored, and in the same folder. `None` if there is evidence against it, or if a key
/// other than `match` decides.
pub fn match_fields(it: &NearMiss) -> Option<[String; 2]> {
    match (&it.against, &it.reason) {
        (
            CounterEvidence::Nothing,
            NearMissReason::OtherUser(_)
            | NearMissReason::OtherInstance(_)
            | NearMissReason::Command(CommandDifference::OtherSubcommand),
        )
        | (CounterEvidence::Doubt(_) | CounterEvidence::AnotherBot(_), _) => return None,
        (
            CounterEvidence::Nothing,
            NearMissReason::Command(_)
            | NearMissReason::Connected
            | NearMissReason::ConnectedNearby,
        ) => {}
    }
    let (args, cwd) = (it.process.args.known()?, it.process.cwd.known()?.to_str()?);
    let cmdline = format!("^{}$", regex::escape(&args.join(" ")));
    let folder = globset::escape(cwd);
    // Secrets are not printed, and a text that needs escapes is not worth an entry.
    let is_plain = |text: &str| !text.contains(['\'', '\n']) && !text.contains(MASK);
    let is_shown = sanitize(&args.join(" ")) == args.join(" ");
    (is_shown && is_plain(&cmdline) && is_plain(&folder))
        .then(|| [format!("cmdline = '{cmdline}'"), format!("cwd = '{folder}'")])
}

/// The most near misses that a start lists.
const MAX_NAMED: usize = 3;

/// Describes the processes that a start does not touch: one line for all suspects, and one for each
/// of the first near misses. `command` is COMMAND as typed.
pub fn lines(plan: &Plan, command: Option<&str>) -> Vec<String> {
    let near_miss = |it: &NearMiss| {
        let pid = it.process.id.pid;
        let found = format::short_command(&it.process);
        let reason = sanitize(&reasons::near_miss(&it.reason));
        let next = match match_fields(it) {
            Some(_) => {
                let plan = typed("plan", command);
                format!("{plan} prints the `[[match]]` entry that includes it")
            }
            None => format!("{} explains it", typed(&format!("explain {pid}"), command)),
        };
        format!("`{found}` (pid {pid}) may be a second poller: {reason}; it keeps running; {next}")
    };
    let named = plan.near_misses.iter().take(MAX_NAMED).map(near_miss);
    let more = plan.near_misses.len().saturating_sub(MAX_NAMED);
    let rest = (more > 0).then(|| {
        let more = count(more, "more process is", "more processes are");
        format!("{more} almost the same command; {} lists all", typed("plan", command))
    });
    suspects(&plan.suspects).into_iter().chain(named).chain(rest).collect()
}

fn suspects(suspects: &[Process]) -> Option<String> {
    let named = suspects.iter().take(MAX_NAMED).map(|it| {
        let name = it.name.known().map_or("?", String::as_str);
        format!("`{}` (pid {})", format::shorten(&printable(name)), it.id.pid)
    });
    let more = suspects.len().saturating_sub(MAX_NAMED);
    let others = (more > 0).then(|| count(more, "other process", "other processes"));
    let all: Vec<String> = named.chain(others).collect();
    let has = match all.len() {
        0 => return None,
        1 => format!("has {SUSPECT}"),
        _ => "have the same token in their environment".to_owned(),
    };
    Some(format!("{} {has}; left running", join_and(&all)))
}
