//! make: the folder that it enters, and the recipe that it runs as far as its file tells.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::scan::make_rules::{MadeTarget, MakeRules, Value, assignment, is_name};
use crate::scan::passing_failure::is_file;
use crate::scan::settings_files::base_name;
use crate::scan::small_file;

/// Larger files are ignored.
const MAX_LENGTH: u64 = 1 << 20;

/// The names of the file, in make's order.
const FILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// Stands for what is not known: no environment has it, so `shell_expansion` leaves it open.
const UNKNOWN: &str = "$MAKE_UNKNOWN";

/// Variables that use each other more deeply are not expanded.
const MAX_DEPTH: u32 = 4;

/// A longer text is not known.
const MAX_EXPANDED: usize = 64 << 10;

/// Of more other goals, the rest is not compared.
const MAX_GOALS: usize = 64;

/// What `make` runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Shell code.
    pub(super) text: String,
    /// The lines of the recipe alone.
    pub(super) lines: String,
    /// What make runs before: the recipes of the prerequisites.
    pub(super) before: String,
    /// The other goals of the file.
    pub(super) others: Vec<Goal>,
    /// The variables given on the command line. make exports them.
    pub(super) variables: Vec<(String, String)>,
}

/// The lines that make would run for a goal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Goal {
    pub(super) lines: String,
    pub(super) before: String,
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
    let mut environment_first = false;
    let mut args = args.iter().map(|arg| arg.to_str());
    while let Some(arg) = args.next() {
        let arg = arg?;
        let attached = ["--file=", "--makefile=", "-f"].iter().find_map(|it| arg.strip_prefix(it));
        if let Some(attached) = attached {
            file = Some(if attached.is_empty() { args.next()?? } else { attached });
        } else if ["-I", "-W", "-o"].contains(&arg) {
            args.next();
        } else if arg.starts_with('-') {
            environment_first |= prefers_environment(arg);
        } else {
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
        None => FILES.iter().map(|name| folder.join(name)).find(|file| is_file(file))?,
    };
    let text = small_file::text(&file, MAX_LENGTH)?;
    recipe(&text, goal, given, environment_first, &|file| is_file(&folder.join(file)))
}

/// Returns whether make's flags let variables of the environment override those of the file.
fn prefers_environment(flags: &str) -> bool {
    let has_value = |c: char| "CEIWOfjlo".contains(c);
    let short = flags.strip_prefix('-').filter(|it| !it.starts_with('-'));
    flags == "--environment-overrides"
        || short.is_some_and(|it| it.chars().take_while(|c| !has_value(*c)).any(|c| c == 'e'))
}

/// Returns the recipe of a goal, or of the first target, after what the file sets for it, and what
/// make runs before.
fn recipe(
    text: &str,
    goal: Option<&str>,
    given: Vec<(String, String)>,
    environment_first: bool,
    is_built: &dyn Fn(&str) -> bool,
) -> Option<Recipe> {
    let text = text.replace("\\\n", " ");
    let rules = MakeRules::read(&text);
    let goal = goal.or(rules.default_goal)?;
    let mut variables: BTreeMap<&str, Value<'_>> =
        given.iter().map(|(name, value)| (&**name, Value::Set(value))).collect();
    let is_given = |name: &str| given.iter().any(|(own, _)| own == name);
    let mut exports = Exports::default();
    for line in &rules.other_lines {
        exports.read(line);
        // A value on the command line comes first.
        let Some((name, value)) = assignment(line).filter(|(name, _)| !is_given(name)) else {
            continue;
        };
        let value = match value {
            _ if variables.contains_key(name) => Value::Unknown,
            Value::Set(value) if environment_first => Value::Default(value),
            value => value,
        };
        variables.insert(name, value);
    }
    let MadeTarget { stem, lines, .. } = rules.target(goal)?;
    let shared = variables;
    for setting in rules.settings_of(goal) {
        if assignment(setting).is_some_and(|(name, _)| !is_given(name)) {
            exports.read(setting);
        }
    }
    let variables = with_settings(&rules, goal, &shared, &given);
    let files = rules.other_lines.iter().flat_map(|line| included_env_files(line));
    let files: Vec<String> = files.filter_map(|it| exports.read_file(it, &variables)).collect();
    let files = files.into_iter().filter(|_| !environment_first);
    let set = variables.iter().filter(|(name, _)| !is_given(name));
    let set = set.filter_map(|(name, value)| exports.line(name, *value, &variables));
    let read = read_by_functions(&lines, &variables, &exports);
    let own = with_target(&variables, goal, stem.as_deref());
    let recipe = lines
        .iter()
        .map(|line| without_prefix(line))
        .filter(|line| lasts(line))
        .map(|line| expand(line, &own, 0));
    let text = files.chain(set).chain(read).chain(recipe).collect::<Vec<_>>().join("\n");
    let names = rules.targets().filter(|name| *name != goal && !name.starts_with('.'));
    let others = names.take(MAX_GOALS).map(|name| of_goal(&rules, name, &shared, &given, is_built));
    let others = others.collect();
    let Goal { lines, before } = of_goal(&rules, goal, &shared, &given, is_built);
    Some(Recipe { text, lines, before, others, variables: given })
}

/// Returns what make runs for a goal, with the variables that are set for it alone. Those that are
/// `given` on the command line come first.
fn of_goal<'a>(
    rules: &MakeRules<'a>,
    goal: &'a str,
    shared: &BTreeMap<&'a str, Value<'a>>,
    given: &[(String, String)],
    is_built: &dyn Fn(&str) -> bool,
) -> Goal {
    let variables = with_settings(rules, goal, shared, given);
    let code = |target: &str, made: &MadeTarget<'_>| {
        let own = with_target(&variables, target, made.stem.as_deref());
        let lines = made.lines.iter().map(|line| expand(without_prefix(line), &own, 0));
        lines.collect::<Vec<_>>().join("\n")
    };
    let lines = rules.target(goal).map(|made| code(goal, &made)).unwrap_or_default();
    let before = rules.before(goal, is_built);
    let before = before.iter().map(|(target, made)| code(target, made));
    let before = before.filter(|lines| !lines.is_empty()).collect::<Vec<_>>().join("\n");
    Goal { lines, before }
}

/// Adds the variables that the file sets for a goal alone.
fn with_settings<'a>(
    rules: &MakeRules<'a>,
    goal: &str,
    shared: &BTreeMap<&'a str, Value<'a>>,
    given: &[(String, String)],
) -> BTreeMap<&'a str, Value<'a>> {
    let mut variables = shared.clone();
    let settings = rules.settings_of(goal).filter_map(assignment);
    variables.extend(settings.filter(|(name, _)| given.iter().all(|(own, _)| own != name)));
    variables
}

/// Adds the variables that make sets for a recipe: `$@`, and `$*` for a pattern rule.
fn with_target<'a>(
    variables: &BTreeMap<&'a str, Value<'a>>,
    target: &'a str,
    stem: Option<&'a str>,
) -> BTreeMap<&'a str, Value<'a>> {
    let mut all = variables.clone();
    all.insert("@", Value::Set(target));
    all.extend(stem.map(|stem| ("*", Value::Set(stem))));
    all
}

/// Returns a line of shell code that reads the variables of the environment that functions of make,
/// such as `$(if $(BOB),bob,alice)`, read for these lines or for what is exported.
fn read_by_functions(
    lines: &[&str],
    variables: &BTreeMap<&str, Value<'_>>,
    exports: &Exports<'_>,
) -> Option<String> {
    let exported = variables.keys().filter(|name| exports.all || exports.names.contains(name));
    let exported = exported.map(|name| format!("$({name})"));
    let mut texts: Vec<(String, bool)> =
        lines.iter().map(|line| (*line).to_owned()).chain(exported).map(|it| (it, false)).collect();
    let (mut seen, mut read) = (BTreeSet::new(), BTreeSet::new());
    while let Some((text, is_in_function)) = texts.pop() {
        let mut rest = text.as_str();
        while let Some((_, after)) = rest.split_once('$') {
            let Some((name, after)) = reference(after) else {
                rest = after.strip_prefix('$').unwrap_or(after);
                continue;
            };
            rest = after;
            match variables.get(name) {
                _ if !is_name(name) => texts.push((name.to_owned(), true)),
                Some(Value::Set(value) | Value::Default(value))
                    if seen.insert((name.to_owned(), is_in_function)) =>
                {
                    texts.push(((*value).to_owned(), is_in_function));
                }
                None if is_in_function => {
                    read.insert(format!("\"${{{name}}}\""));
                }
                Some(_) | None => {}
            }
        }
    }
    let words: Vec<String> = read.into_iter().collect();
    (!words.is_empty()).then(|| format!(": {}", words.join(" ")))
}

/// Splits `(NAME) rest`, as it follows a `$`, at the bracket that closes it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (open, close) = match text.chars().next()? {
        '(' => ('(', ')'),
        '{' => ('{', '}'),
        _ => return None,
    };
    let mut depth = 0_u32;
    let end = text.char_indices().find_map(|(at, c)| {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
        }
        (depth == 0).then_some(at)
    })?;
    Some((&text[1..end], &text[end + 1..]))
}

/// Returns the files of variables that a line of a Makefile includes.
fn included_env_files(line: &str) -> impl Iterator<Item = &str> {
    let mut words = line.split_whitespace();
    let includes = words.next().is_some_and(|it| ["include", "-include", "sinclude"].contains(&it));
    words.filter(move |file| includes && base_name(file).contains("env"))
}

fn without_prefix(line: &str) -> &str {
    line.trim().trim_start_matches(['@', '-', '+']).trim()
}

/// The variables that make hands to its recipes.
#[derive(Default)]
struct Exports<'a> {
    all: bool,
    names: Vec<&'a str>,
}

impl<'a> Exports<'a> {
    fn read(&mut self, line: &'a str) {
        self.all |= line == "export" || line.starts_with(".EXPORT_ALL_VARIABLES");
        let Some(rest) = line.strip_prefix("export ") else { return };
        // `export $(shell sed 's/=.*//' .env)`
        self.all |= rest.trim_start().starts_with("$(shell ");
        match assignment(rest) {
            Some((name, _)) => self.names.push(name),
            None => self.names.extend(rest.split_whitespace()),
        }
    }

    /// Returns a line of shell code that sets the variables of an included file as make does. Those
    /// of `.env` also count where they are not exported: they replace those of the environment, and
    /// a loader reads the others.
    fn read_file(&self, file: &str, variables: &BTreeMap<&str, Value<'_>>) -> Option<String> {
        let file = expand(file, variables, 0);
        let here = if file.contains('/') { "" } else { "./" };
        let is_read = self.all || !self.names.is_empty() || base_name(&file) == ".env";
        is_read.then(|| format!("set -a; . {here}{file}; set +a"))
    }

    /// Returns a line of shell code that sets a variable as make does. One that comes from the
    /// environment stays exported, with the value of the file.
    fn line(
        &self,
        name: &str,
        value: Value<'_>,
        variables: &BTreeMap<&str, Value<'_>>,
    ) -> Option<String> {
        let is_exported = self.all || self.names.contains(&name);
        let value = match value {
            Value::Set(value) if is_plain(value) => expand(value, variables, 0),
            Value::Default(default) if is_plain(default) => {
                let default = expand(default, variables, 0);
                format!("${{{name}:-{default}}}")
            }
            Value::Set(_) | Value::Default(_) | Value::Unknown => UNKNOWN.to_owned(),
        };
        let is_for_others = !value.contains('$') && !value.is_empty();
        let export = if is_exported { "export " } else { "" };
        (is_exported || is_for_others).then(|| format!("{export}{name}=\"{value}\""))
    }
}

/// Returns whether a value means the same in double quotes.
fn is_plain(value: &str) -> bool {
    !value.contains(['"', '\\', '`']) && !value.contains("$$")
}

/// Returns whether a line does more than set something for its own shell.
fn lasts(line: &str) -> bool {
    let is_setting = ["cd ", "export ", "set "].iter().any(|start| line.starts_with(start));
    !is_setting || line.contains("&&") || line.contains(';')
}

/// Expands make's variables. One that the file does not set is that of the environment.
fn expand(line: &str, variables: &BTreeMap<&str, Value<'_>>, depth: u32) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('$') {
        // Variables that use each other several times grow fast.
        if text.len() > MAX_EXPANDED {
            return UNKNOWN.to_owned();
        }
        text.push_str(before);
        let (name, after) = if let Some(after) = after.strip_prefix('$') {
            text.push('$');
            rest = after;
            continue;
        } else if let Some(parts) = reference(after) {
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
            (Some("bot"), Some("cd app && ./bot alice $MAKE_UNKNOWN $HOME $MAKE_UNKNOWN")),
            (Some("line"), Some("./bot    --all")),
            (Some("none"), None),
        ] {
            let expected = expected.map(|text| format!("FLAGS=\"-u\"\nexport X=\"y\"\n{text}"));
            assert_eq!(
                recipe(FILE, goal, given.to_vec(), false, &|_| false).map(|it| it.text),
                expected,
                "{goal:?}"
            );
        }
        let read = |text: &str| recipe(text, None, Vec::new(), false, &|_| false).unwrap().text;
        let own = [("X".to_owned(), "pypy".to_owned()), ("FLAGS".to_owned(), "-v".to_owned())];
        let text = recipe(FILE, None, own.to_vec(), false, &|_| false).map(|it| it.text);
        assert_eq!(text.as_deref(), Some("${PYTHON:-python3} -v main.py"));
        assert_eq!(read("a:\n\t./a $(B)"), "./a ${B}");
    }

    #[test]
    fn the_recipes_of_prerequisites_run_before() {
        let file = ".PHONY: bob\nbob: WHO := bob\nbob: venv env-$(X) env | out.env\n\t./bot\n\
            env: base\n\t@cp .env.$(WHO) .env\nbase: ; mkdir a\nalice:\n\tcp .env.alice .env\n\
            venv:\n\tpython3 -m venv venv\nout.env:\n\tcp b.env out.env\n";
        let before = |goal| {
            let recipe = recipe(file, Some(goal), Vec::new(), false, &|it| it == "out.env");
            recipe.unwrap().before
        };
        assert_eq!(before("bob"), "python3 -m venv venv\ncp .env.bob .env\nmkdir a");
        assert_eq!(before("alice"), "");
    }

    #[test]
    fn what_a_makefile_exports_is_set_for_its_recipe() {
        let read = |text: &str, environment_first| {
            let text = format!("{text}\na:\n\t./a");
            let recipe = recipe(&text, None, Vec::new(), environment_first, &|_| false).unwrap();
            recipe.text.strip_suffix("./a").unwrap().to_owned()
        };
        for (text, expected) in [
            ("export A = x y", "export A=\"x y\"\n"),
            ("A = x\nexport A", "export A=\"x\"\n"),
            ("B = x\nexport A ?= $(B)\n", "export A=\"${A:-x}\"\nB=\"x\"\n"),
            ("export\nA = x", "export A=\"x\"\n"),
            (".EXPORT_ALL_VARIABLES:\nA = x", "export A=\"x\"\n"),
            ("export A = $$B", "export A=\"$MAKE_UNKNOWN\"\n"),
            ("export A = x\nA += y", "export A=\"$MAKE_UNKNOWN\"\n"),
            ("A ?= x\nB = $(C)", ""),
            ("a: export A = x\nb: export A = y", "export A=\"x\"\n"),
            ("A = z\na b: A := x\nexport A", "export A=\"x\"\n"),
            ("b: export A = y", ""),
            ("include .env\nexport", "set -a; . ./.env; set +a\n"),
            (
                "B = x\n-include envs/$(B).env common.mk\nexport $(shell sed 's/=.*//' .env)",
                "set -a; . envs/x.env; set +a\nexport B=\"x\"\n",
            ),
            (
                "ifneq (,$(wildcard .env))\n  include .env\n  export\nendif",
                "set -a; . ./.env; set +a\n",
            ),
            ("include .env", "set -a; . ./.env; set +a\n"),
            ("include bob.env", ""),
            ("include bob.env\nexport BOT_TOKEN", "set -a; . ./bob.env; set +a\n"),
        ] {
            assert_eq!(read(text, false), expected, "{text}");
        }
        assert_eq!(read("include .env\nexport", true), "");
        assert_eq!(read("export A = x", true), "export A=\"${A:-x}\"\n");
        assert_eq!(read("A = x", true), "");
    }

    #[test]
    fn what_functions_of_make_read_is_read() {
        let read = |text: &str| recipe(text, None, Vec::new(), false, &|_| false).unwrap().text;
        for (text, expected) in [
            ("a:\n\t./a $(if $(B),x,$(or ${C},y)) z", ": \"${B}\" \"${C}\"\n./a $MAKE_UNKNOWN z"),
            ("W = $(if $(B),x,y)\na:\n\t./a $(W)", ": \"${B}\"\n./a $MAKE_UNKNOWN"),
            ("W := $(shell echo $(V))\nV = $(B)\na:\n\t./a $(W)", ": \"${B}\"\n./a $MAKE_UNKNOWN"),
            (
                "export W := $(if $(B),x,y)\na:\n\t./a",
                "export W=\"$MAKE_UNKNOWN\"\n: \"${B}\"\n./a",
            ),
            ("W = $(if $(B),x,y)\na:\n\t./a", "./a"),
            ("a:\n\t./a $(shell id)", "./a $MAKE_UNKNOWN"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn make_may_be_told_to_prefer_the_environment() {
        for (flags, expected) in [
            ("-e", true),
            ("-ke", true),
            ("--environment-overrides", true),
            ("-Oline", false),
            ("--silent", false),
            ("-fe.mk", false),
        ] {
            assert_eq!(prefers_environment(flags), expected, "{flags}");
        }
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
