//! make: the folder that it enters, and the recipe that it runs as far as its file tells.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::scan::small_file;

/// Larger files are ignored.
const MAX_LENGTH: u64 = 1 << 20;

/// The names of the file, in make's order.
const FILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// Stands for what is not known: no environment has it, so `shell_expansion` leaves it open.
const UNKNOWN: &str = "$MAKE_UNKNOWN";

/// Variables that use each other more deeply are not expanded.
const MAX_DEPTH: u32 = 4;

/// What `make` runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Shell code.
    pub(super) text: String,
    /// The variables given on the command line. make exports them.
    pub(super) variables: Vec<(String, String)>,
}

pub(super) fn is_make(program: &Path) -> bool {
    matches!(program.file_name().and_then(OsStr::to_str), Some("make" | "gmake"))
}

/// Returns the folder that make's options enter, and the other arguments.
pub(super) fn enters(args: &[OsString]) -> (Option<PathBuf>, Vec<OsString>) {
    let (mut folder, mut rest): (Option<PathBuf>, _) = (None, Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let text = arg.to_str().unwrap_or_default();
        let attached = || {
            let long = text.strip_prefix("--directory=");
            long.or_else(|| text.strip_prefix("-C").filter(|it| !it.is_empty()))
        };
        let entered = match text {
            "-C" | "--directory" => args.next().map(PathBuf::from),
            _ => attached().map(PathBuf::from),
        };
        match entered {
            Some(entered) => folder = Some(folder.unwrap_or_default().join(entered)),
            None => rest.push(arg.clone()),
        }
    }
    (folder, rest)
}

/// Returns the recipe that make runs with these arguments.
pub(super) fn read(args: &[OsString], folder: &Path) -> Option<Recipe> {
    let (mut file, mut goal, mut given) = (None, None, Vec::new());
    let mut args = args.iter().map(|arg| arg.to_str());
    while let Some(arg) = args.next() {
        let arg = arg?;
        let attached = ["--file=", "--makefile=", "-f"].iter().find_map(|it| arg.strip_prefix(it));
        if let Some(attached) = attached {
            file = Some(if attached.is_empty() { args.next()?? } else { attached });
        } else if ["-I", "-W", "-o"].contains(&arg) {
            args.next();
        } else if !arg.starts_with('-') {
            match arg.split_once('=') {
                Some((name, value)) => {
                    given.push((name.trim_end_matches(':').to_owned(), value.to_owned()));
                }
                None => goal = Some(arg),
            }
        }
    }
    let file = match file {
        Some(file) => folder.join(file),
        None => FILES.iter().map(|name| folder.join(name)).find(|file| file.is_file())?,
    };
    let text = recipe(&small_file::text(&file, MAX_LENGTH)?, goal, &given)?;
    Some(Recipe { text, variables: given })
}

/// Returns the recipe of a goal, or of the first target.
fn recipe(text: &str, goal: Option<&str>, given: &[(String, String)]) -> Option<String> {
    let text = text.replace("\\\n", " ");
    let mut variables: BTreeMap<&str, Value<'_>> =
        given.iter().map(|(name, value)| (&**name, Value::Set(value))).collect();
    let (mut lines, mut is_wanted): (Option<Vec<&str>>, _) = (None, false);
    for line in text.lines() {
        if let Some(line) = line.strip_prefix('\t') {
            if is_wanted {
                lines.get_or_insert_default().push(line);
            }
            continue;
        }
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some((name, value)) = assignment(line) {
            // A value on the command line comes first.
            if !given.iter().any(|(own, _)| own == name) {
                let value = if variables.contains_key(name) { Value::Unknown } else { value };
                variables.insert(name, value);
            }
        } else if let Some((targets, rest)) = line.split_once(':') {
            let mut targets = targets.split_whitespace();
            is_wanted = match goal {
                Some(goal) => targets.any(|target| target == goal),
                None => lines.is_none() && targets.any(|target| !target.starts_with('.')),
            };
            if is_wanted {
                let first = rest.split_once(';').map(|(_, line)| line.trim());
                lines.get_or_insert_default().extend(first);
            }
        }
    }
    let lines: Vec<String> = lines?
        .into_iter()
        .map(|line| line.trim().trim_start_matches(['@', '-', '+']).trim())
        .filter(|line| lasts(line))
        .map(|line| expand(line, &variables, 0))
        .collect();
    Some(lines.join("\n"))
}

/// Returns whether a line does more than set something for its own shell.
fn lasts(line: &str) -> bool {
    let is_setting = ["cd ", "export ", "set "].iter().any(|start| line.starts_with(start));
    !is_setting || line.contains("&&") || line.contains(';')
}

/// The value of a variable of make.
#[derive(Clone, Copy)]
enum Value<'a> {
    Set(&'a str),
    /// Used if the environment has none: `NAME ?= VALUE`.
    Default(&'a str),
    /// Set more than once.
    Unknown,
}

/// Parses `NAME = VALUE`, with any of make's operators.
fn assignment(line: &str) -> Option<(&str, Value<'_>)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let value = value.trim();
    let (name, value) = match name.strip_suffix('?') {
        Some(name) => (name.trim(), Value::Default(value)),
        None => (name.trim_end_matches(':').trim(), Value::Set(value)),
    };
    is_name(name).then_some((name, value))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Expands make's variables. One that the file does not set is that of the environment.
fn expand(line: &str, variables: &BTreeMap<&str, Value<'_>>, depth: u32) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let bracketed = |open, close| after.strip_prefix(open)?.split_once(close);
        let (name, after) = if let Some(after) = after.strip_prefix('$') {
            text.push('$');
            rest = after;
            continue;
        } else if let Some(parts) = bracketed('(', ')').or_else(|| bracketed('{', '}')) {
            parts
        } else {
            after.split_at(after.chars().next().map_or(0, char::len_utf8))
        };
        match variables.get(name) {
            Some(Value::Set(value)) if depth < MAX_DEPTH => {
                text.push_str(&expand(value, variables, depth + 1));
            }
            Some(Value::Default(value)) if depth < MAX_DEPTH => {
                let value = expand(value, variables, depth + 1);
                text.extend(["${", name, ":-", &value, "}"]);
            }
            None if is_name(name) => text.extend(["${", name, "}"]),
            Some(_) | None => text.push_str(UNKNOWN),
        }
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "PYTHON ?= python3\nFLAGS := -u\nTWICE = a\nTWICE = b\nexport X = y\n\
        .PHONY: run\n\nrun: install # the bot\n\t@$(PYTHON) ${FLAGS} main.py\n\n\
        install:\n\tpip install -r r.txt\n\n\
        app bot:\n\tcd app\n\tcd app && ./$@ $(BOT) $(TWICE) $$HOME $(shell id)\n\n\
        line: ; ./bot \\\n  --all\n";

    #[test]
    fn the_recipe_of_a_goal_is_read_and_expanded() {
        let given = [("BOT".to_owned(), "alice".to_owned())];
        for (goal, expected) in [
            (None, Some("${PYTHON:-python3} -u main.py")),
            (Some("run"), Some("${PYTHON:-python3} -u main.py")),
            (
                Some("bot"),
                Some("cd app && ./$MAKE_UNKNOWN alice $MAKE_UNKNOWN $HOME $MAKE_UNKNOWN"),
            ),
            (Some("line"), Some("./bot    --all")),
            (Some("none"), None),
        ] {
            assert_eq!(recipe(FILE, goal, &given).as_deref(), expected, "{goal:?}");
        }
        let own = [("PYTHON".to_owned(), "pypy".to_owned())];
        assert_eq!(recipe(FILE, None, &own).as_deref(), Some("pypy -u main.py"));
        assert_eq!(recipe("a:\n\t./a $(B)", None, &[]).as_deref(), Some("./a ${B}"));
    }

    #[test]
    fn the_folder_of_make_is_none_of_its_arguments() {
        let words =
            |line: &str| -> Vec<OsString> { line.split_whitespace().map(OsString::from).collect() };
        for (line, folder, rest) in [
            ("run", None, "run"),
            ("-C a run -j2", Some("a"), "run -j2"),
            ("-Ca --directory b run", Some("a/b"), "run"),
            ("run --directory=/a", Some("/a"), "run"),
        ] {
            assert_eq!(enters(&words(line)), (folder.map(PathBuf::from), words(rest)), "{line}");
        }
    }
}
