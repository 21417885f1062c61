//! Compares the output of a command with a page, ignoring what differs from run to run.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// The place where the commands run. Pages show names that a reader would see instead.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) folder: String,
    pub(super) home: String,
    pub(super) user: String,
    pub(super) host: String,
}

/// The names that pages show.
const FOLDER: &str = "/srv/bot";
const HOME: &str = "/home/bot";
const LOCKS: &str = "/home/bot/.local/state/monopoll";

/// Returns whether a page's text matches the output. A line `...` matches any number of lines.
pub(super) fn is_same(shown: &str, printed: &str, place: &Place) -> bool {
    let shown = normalized(shown);
    let printed = normalized(&renamed(printed, place));
    let (mut shown, mut printed): (Vec<_>, Vec<_>) =
        (shown.lines().collect(), printed.lines().collect());
    if matches(&shown, &printed) {
        return true;
    }
    // Two processes that print at the same time do so in any order.
    shown.sort_unstable();
    printed.sort_unstable();
    shown == printed
}

fn matches(shown: &[&str], printed: &[&str]) -> bool {
    match (shown, printed) {
        ([], []) => true,
        (["...", rest @ ..], _) => (0..=printed.len()).any(|at| matches(rest, &printed[at..])),
        ([line, shown @ ..], [other, printed @ ..]) => line == other && matches(shown, printed),
        ([], [_, ..]) | ([_, ..], []) => false,
    }
}

/// Returns the output as a page shows it.
pub(super) fn presented(printed: &str, place: &Place, pids: &mut BTreeMap<String, u32>) -> String {
    let renamed = renamed(printed, place);
    let pid = |found: &Captures<'_>| {
        let next = 4101 + u32::try_from(pids.len()).unwrap();
        format!("{}{}", &found[1], pids.entry(found[2].to_owned()).or_insert(next))
    };
    let mut text = PID.replace_all(&renamed, pid).into_owned();
    text.truncate(text.trim_end().len());
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

static PID: LazyLock<Regex> = LazyLock::new(|| regex(r#"(\bpids? |pid": ?|`kill )(\d+)"#));

/// Replaces files, user and host by the names that pages use, and removes job messages of a
/// non-interactive shell.
fn renamed(text: &str, place: &Place) -> String {
    static LOCK_FOLDER: LazyLock<Regex> = LazyLock::new(|| {
        regex(r"/run/monopoll\b|/home/bot/\.local/state/monopoll\b|/var/tmp/monopoll-\d+")
    });
    static JOB: LazyLock<Regex> =
        LazyLock::new(|| regex(r"(?m)^.*: line \d+: +\d+ (Terminated|Killed)\b.*\n"));
    static INTERPRETER: LazyLock<Regex> =
        LazyLock::new(|| regex(r"/[\w./-]*/bin/python3(\.\d+)?\b"));
    static VERSIONED: LazyLock<Regex> = LazyLock::new(|| regex(r"\bpython3\.\d+\b"));
    let text = text.replace(&place.folder, FOLDER).replace(&place.home, HOME);
    let text = JOB.replace_all(&text, "");
    let text = LOCK_FOLDER.replace_all(&text, LOCKS);
    let text = text.replace(&format!("host {}", place.host), "host box");
    let user = regex::escape(&place.user);
    let user = regex(&format!(r#"\b(user "?|user = "same" +){user}\b"#));
    let text = user.replace_all(&text, "${1}bot");
    let text = INTERPRETER.replace_all(&text, "/usr/bin/python3");
    let text = VERSIONED.replace_all(&text, "python3");
    let json = [("user", place.user.as_str(), "bot"), ("host", place.host.as_str(), "box")];
    json.iter().fold(text.into_owned(), |text, (key, from, to)| {
        text.replace(&format!("\"{key}\": \"{from}\""), &format!("\"{key}\": \"{to}\""))
    })
}

/// Replaces everything that differs from run to run.
fn normalized(text: &str) -> String {
    static EVERY_RUN: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "DATE"),
            (r"DATE \([^)]*\)", "DATE (AGE)"),
            (r"\b(\d+(d|h|m|s) )*\d+(\.\d+)?(ms|us|µs|ns)\b", "TIME"),
            (r"\b(\d+(d|h|m|s) ?)+ (old|ago)\b", "TIME $3"),
            (r"\b(for|in|after) \d+s\b", "$1 TIME"),
            // A process that has just started may not be sleeping yet.
            (r"old, running\b", "old, sleeping"),
            (r#""state": "running""#, "\"state\": \"sleeping\""),
            (r#""(age|took)_ms": ?\d+"#, "\"${1}_ms\": MS"),
            (r"-[0-9a-f]{12}\b", "-HASH"),
            (r#"(monopoll |"monopoll": ")\d+\.\d+\.\d+"#, "${1}VERSION"),
            (r"(?m)[ \t]+$", ""),
            // The width of columns depends on the longest pid.
            (r" {2,}", "  "),
        ]
        .map(|(pattern, word)| (regex(pattern), word))
        .into()
    });
    let text = PID.replace_all(text.trim_end(), "${1}PID").into_owned();
    EVERY_RUN
        .iter()
        .fold(text, |text, (pattern, word)| pattern.replace_all(&text, *word).into_owned())
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap()
}

#[test]
fn only_what_differs_from_run_to_run_is_equal() {
    let place = Place {
        folder: "/tmp/x/bot".into(),
        home: "/tmp/x/home".into(),
        user: "root".into(),
        host: "build-7".into(),
    };
    let same = |shown: &str, printed: &str| is_same(shown, printed, &place);
    assert!(same("pid 1 ended in 7ms\n", "pid 4711 ended in 12ms\n"));
    assert!(same("/srv/bot/main.py", "/tmp/x/bot/main.py"));
    assert!(same(
        "/home/bot/.local/state/monopoll/a-0123456789ab.lock",
        "/run/monopoll/a-0123456789cd.lock"
    ));
    assert!(same("a\n...\nz\n", "a\nb\nc\nz\n"));
    assert!(same("user bot on host box, 2s 5ms old", "user root on host build-7, 90ms old"));
    assert!(!same("SIGTERM (30s)", "SIGTERM (31s)"));
    assert!(!same("a\nb\n", "a\n"));
    assert!(!same("a\n...\nz\n", "a\nb\nc\n"));
    assert_eq!(
        presented("pid 9, pid 8, `kill 9` of user root\n\n", &place, &mut BTreeMap::new()),
        "pid 4101, pid 4102, `kill 4101` of user bot\n"
    );
}
