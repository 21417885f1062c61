//! strace(1): counts the calls of a process, or makes one of them fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fmt, fs};

use super::calls::{self, is_signal};

/// A fault: an error or a signal, at the n-th use of a call, in each thread that gets that far.
/// An error that ends with `+` lasts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    pub(super) call: String,
    pub(super) kind: String,
    pub(super) nth: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.call, self.kind, self.nth)
    }
}

/// Returns the command line of strace before `-p PID` or a program. It leaves each process that
/// executes another program: COMMAND is not traced.
pub(super) fn strace(fault: Option<&Fault>, output: &Path) -> Vec<String> {
    let output = output.to_str().unwrap();
    let mut line: Vec<String> =
        ["strace", "-f", "-qq", "-b", "execve", "-o", output].map(ToOwned::to_owned).into();
    let Some(Fault { call, kind, nth }) = fault else {
        line.push("-y".to_owned());
        return line;
    };
    let effect = if is_signal(kind) { "signal" } else { "error" };
    line.extend(["-e".to_owned(), format!("trace={call}")]);
    let (kind, more) = kind.strip_suffix('+').map_or((&**kind, ""), |kind| (kind, "+"));
    line.extend(["-e".to_owned(), format!("inject={call}:{effect}={kind}:when={nth}{more}")]);
    line
}

/// Returns whether the fault happened.
pub(super) fn was_injected(fault: &Fault, output: &Path) -> bool {
    let text = fs::read_to_string(output).unwrap_or_default();
    if is_signal(&fault.kind) {
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        calls(&text).for_each(|(thread, ..)| *uses.entry(thread).or_default() += 1);
        return uses.values().any(|uses| *uses >= fault.nth);
    }
    text.contains("(INJECTED)")
}

/// Returns the calls that failed.
pub(super) fn injected(output: &Path) -> String {
    let text = fs::read_to_string(output).unwrap_or_default();
    text.split_inclusive('\n').filter(|line| line.contains("INJECTED")).collect()
}

/// Reads the calls that were made without a fault, and returns the faults of each. Those of the
/// dynamic loader, in a program that strace started, are not monopoll's.
pub(super) fn faults_of_calls(output: &Path, has_loader: bool) -> BTreeSet<Fault> {
    let text = fs::read_to_string(output).unwrap();
    let mut all: BTreeMap<(&str, usize), BTreeSet<&str>> = BTreeMap::new();
    let mut uses: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut uses_of_loader: BTreeMap<&str, usize> = BTreeMap::new();
    let mut is_loading = has_loader;
    for (thread, call, arguments) in calls(&text) {
        // monopoll first asks which standard streams are closed.
        is_loading &= call != "fcntl";
        let nth = uses.entry((thread, call)).or_default();
        *nth += 1;
        if is_loading {
            uses_of_loader.insert(call, *nth);
        } else if uses_of_loader.get(call).is_none_or(|uses| *nth > *uses) {
            let kinds = calls::faults(call, arguments);
            let kinds = kinds.unwrap_or_else(|| panic!("`{call}` is missing in `calls.rs`"));
            // A guard takes those that strace sends for a terminal's, which COMMAND gets too.
            let kinds = kinds.iter().copied().filter(|kind| has_loader || *kind != "SIGTERM");
            let kinds: BTreeSet<&str> = kinds.collect();
            // The fault must fit in each thread that gets that far.
            let possible = all.entry((call, *nth)).or_insert_with(|| kinds.clone());
            possible.retain(|kind| kinds.contains(kind));
        }
    }
    let fault = |call: &str, nth, kind: String| Fault { call: call.to_owned(), kind, nth };
    let all = all.into_iter().flat_map(|((call, nth), kinds)| {
        // A guard that cannot read its tree waits until it can.
        let lasting = kinds.iter().filter_map(|kind| calls::lasting(call, kind));
        let lasting: Vec<String> = lasting.filter(|_| has_loader).collect();
        let kinds = kinds.into_iter().map(ToOwned::to_owned).chain(lasting);
        kinds.map(move |kind| fault(call, nth, kind)).collect::<Vec<_>>()
    });
    all.collect()
}

/// Returns the threads, the calls that they made, and the arguments, in order.
fn calls(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    text.lines().filter_map(|line| {
        let (thread, rest) = line.split_once(' ')?;
        let (call, arguments) = rest.trim_start().split_once('(')?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (!call.is_empty() && call.bytes().all(is_name)).then_some((thread, call, arguments))
    })
}
