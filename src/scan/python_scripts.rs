//! The scripts that `pyproject.toml` and `hatch.toml` name for pdm, rye and hatch.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use toml::{Table, Value};

use crate::scan::command_context::{CommandContext, CommandOption};
use crate::scan::small_file;
use crate::scan::wrapper_result::{Entry, EntryLine};
use crate::text::shell_quote;

/// Larger files are ignored.
const MAX_LENGTH: u64 = 1 << 20;

/// Scripts and templates that name each other are followed so far.
const MAX_DEPTH: usize = 8;

/// A script of hatch that names so many commands is ignored.
const MAX_COMMANDS: usize = 256;

/// Returns a script of pdm or rye, in the table `tool.TOOL.scripts`.
pub(super) fn of_tool(tool: &str, name: &str, args: &[OsString], folder: &Path) -> Entry {
    let project = table(&folder.join("pyproject.toml")).unwrap_or_default();
    let Some(scripts) = child(&project, &["tool", tool, "scripts"]) else {
        return Entry::Missing(CommandContext::default());
    };
    let is_pdm = tool == "pdm";
    // The variables and file that pdm has for all scripts and programs.
    let mut context = CommandContext::default();
    let shared = scripts.get("_").filter(|_| is_pdm);
    if let Some(shared) = shared.and_then(Value::as_table) {
        set_options(shared, &mut context);
    }
    let script = scripts.get(name).filter(|_| !(is_pdm && name == "_"));
    let Some((script, line)) = script.and_then(|it| Some((it, line_of(tool, it)?))) else {
        return Entry::Missing(context);
    };
    if let Some(options) = script.as_table() {
        set_options(options, &mut context);
    }
    if !is_pdm {
        return Entry::Line(EntryLine { line, args: args.to_vec(), context });
    }
    let before = scripts.get(&format!("pre_{name}")).and_then(|it| line_of(tool, it));
    let line = before.into_iter().chain([line]).collect::<Vec<_>>().join(" && ");
    let mut rest = args.to_vec();
    let line = with_fields(&line, |field| {
        let (name, default) = field.split_once(':').unwrap_or((field, ""));
        match name {
            "args" => {
                rest.clear();
                Some(arguments_or(default, args))
            }
            "pdm" => Some("pdm".to_owned()),
            _ => None,
        }
    });
    Entry::Line(EntryLine { line, args: rest, context })
}

fn line_of(tool: &str, script: &Value) -> Option<String> {
    match script {
        Value::String(line) => Some(line.clone()),
        Value::Array(words) => {
            let words: Option<Vec<String>> =
                words.iter().map(|word| word.as_str().map(shell_quote)).collect();
            Some(words?.join(" "))
        }
        Value::Table(script) => {
            if let Some(command) = script.get("cmd").or_else(|| script.get("shell")) {
                return line_of(tool, command);
            }
            if let Some(function) = script.get("call").and_then(Value::as_str) {
                let (module, function) = function.split_once(':')?;
                let function =
                    if function.contains('(') { function } else { &format!("{function}()") };
                let code = format!("import sys, {module} as _1;sys.exit(_1.{function})");
                return Some(format!("python -c {}", shell_quote(&code)));
            }
            let scripts = script.get("composite").or_else(|| script.get("chain"))?.as_array()?;
            let started =
                scripts.iter().map(|it| Some(format!("{tool} run {}", line_of(tool, it)?)));
            Some(started.collect::<Option<Vec<_>>>()?.join(" && "))
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => None,
    }
}

/// Adds the folder, the variables and the file of variables of a script.
fn set_options(options: &Table, context: &mut CommandContext) {
    if let Some(folder) = options.get("working_dir").and_then(Value::as_str) {
        context.folder = Some(folder.into());
    }
    set_variables(options.get("env"), context);
    let file = ["env_file", "env-file"].iter().find_map(|key| options.get(*key));
    let file = file.and_then(|it| it.get("override").unwrap_or(it).as_str());
    if let Some(file) = file {
        context.options.retain(|it| it.name != ENV_FILE);
        context.options.push(CommandOption { name: ENV_FILE.to_owned(), value: file.into() });
    }
}

/// A script's key for a file of variables is compared like this option of others.
const ENV_FILE: &str = "--env-file";

fn set_variables(variables: Option<&Value>, context: &mut CommandContext) {
    for (name, value) in variables.and_then(Value::as_table).into_iter().flatten() {
        context.set(OsStr::new(name), value.as_str().map(OsStr::new));
    }
}

/// Returns a script of an environment of hatch. An argument counts only where the script says so.
pub(super) fn of_hatch(environment: &str, name: &str, args: &[OsString], folder: &Path) -> Entry {
    let own = table(&folder.join("hatch.toml"));
    let project = table(&folder.join("pyproject.toml")).unwrap_or_default();
    let own = own.as_ref().and_then(|it| child(it, &["envs"]));
    let Some(all) = own.or_else(|| child(&project, &["tool", "hatch", "envs"])) else {
        return Entry::Missing(CommandContext::default());
    };
    let environments = with_templates(environment, all);
    let mut context = CommandContext::default();
    set_variables(environments.iter().find_map(|it| it.get("env-vars")), &mut context);
    let mut left = MAX_COMMANDS;
    let commands = hatch_commands(name, &environments, &mut Vec::new(), &mut left);
    match commands.filter(|_| left > 0) {
        None => Entry::Missing(context),
        Some(commands) => {
            let value = |field: &str| Some(value_of_hatch(field, args, folder));
            let line = with_fields(&commands.join(" && "), value);
            Entry::Line(EntryLine { line, args: Vec::new(), context })
        }
    }
}

/// Returns an environment and those from which it inherits, nearest first.
fn with_templates<'a>(environment: &'a str, all: &'a Table) -> Vec<&'a Table> {
    let mut environments = Vec::new();
    let mut next = environment;
    while let Some(it) = all.get(next).and_then(Value::as_table)
        && environments.len() < MAX_DEPTH
    {
        environments.push(it);
        let is_detached = it.get("detached").and_then(Value::as_bool) == Some(true);
        let template = it.get("template").and_then(Value::as_str).unwrap_or("default");
        if is_detached || template == next {
            break;
        }
        next = template;
    }
    environments
}

/// Returns the commands of a script. Their first word may be another script, but none of the
/// `active` ones, which have led here. `left` is the number of commands that may still be read.
fn hatch_commands<'a>(
    name: &'a str,
    environments: &[&'a Table],
    active: &mut Vec<&'a str>,
    left: &mut usize,
) -> Option<Vec<String>> {
    if active.contains(&name) || active.len() > MAX_DEPTH {
        return None;
    }
    let tables = ["scripts", "extra-scripts"];
    let mut scripts =
        environments.iter().flat_map(|it| tables.iter().filter_map(|key| it.get(*key)));
    let commands = match scripts.find_map(|scripts| scripts.get(name))? {
        Value::String(command) => vec![command.as_str()],
        Value::Array(commands) => commands.iter().filter_map(Value::as_str).collect(),
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Table(_) => return None,
    };
    active.push(name);
    let mut expanded = Vec::new();
    for command in commands {
        let Some(fewer) = left.checked_sub(1) else { break };
        *left = fewer;
        // Its exit status is ignored.
        let command = command.strip_prefix("- ").unwrap_or(command);
        let (first, rest) = command.split_once(' ').unwrap_or((command, ""));
        match hatch_commands(first, environments, active, left) {
            Some(inner) => {
                expanded.extend(inner.iter().map(|it| format!("{it} {rest}").trim().to_owned()));
            }
            None => expanded.push(command.to_owned()),
        }
    }
    active.pop();
    Some(expanded)
}

/// Returns the value of a field of hatch: `{args}`, `{args:DEFAULT}`, `{root}` or `{env:NAME}`. Any
/// other field becomes a variable without a value.
fn value_of_hatch(field: &str, args: &[OsString], folder: &Path) -> String {
    let (name, modifier) = field.split_once(':').unwrap_or((field, ""));
    match name {
        "args" => arguments_or(modifier, args),
        "root" if modifier.is_empty() => shell_quote(&folder.to_string_lossy()),
        _ => {
            let (name, default) = modifier.split_once(':').unwrap_or((modifier, ""));
            let is_name = field.starts_with("env:") && !name.is_empty();
            let name = if is_name { name } else { "HATCH_FIELD" };
            match default {
                "" => format!("${name}"),
                _ => format!("${{{name}:-{default}}}"),
            }
        }
    }
}

/// Returns arguments as words of a shell, or what a script has for none.
fn arguments_or(default: &str, args: &[OsString]) -> String {
    let words = args.iter().map(|it| shell_quote(&it.to_string_lossy()));
    let words = words.collect::<Vec<_>>().join(" ");
    if words.is_empty() { default.to_owned() } else { words }
}

/// Replaces the fields of a line, such as `{args}`, that have a value. `${NAME}` is the shell's.
fn with_fields(line: &str, mut value: impl FnMut(&str) -> Option<String>) -> String {
    let (mut filled, mut rest) = (String::new(), line);
    while let Some((before, field)) = rest.split_once('{') {
        filled.push_str(before);
        let whole = field.split_once('}').filter(|_| !before.ends_with('$'));
        let known = whole.and_then(|(field, after)| Some((value(field)?, after)));
        if let Some((value, after)) = known {
            filled.push_str(&value);
            rest = after;
        } else {
            filled.push('{');
            rest = field;
        }
    }
    filled.push_str(rest);
    filled.trim().to_owned()
}

fn table(path: &Path) -> Option<Table> {
    small_file::text(path, MAX_LENGTH)?.parse().ok()
}

fn child<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Table> {
    keys.iter().try_fold(table, |table, key| table.get(*key)?.as_table())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the files that these programs read")]
mod tests {
    use std::fs;

    use super::*;

    fn shown(entry: Entry) -> String {
        let (mut shown, context) = match entry {
            Entry::Missing(context) => ("missing".to_owned(), context),
            Entry::Line(EntryLine { line, args, context }) => {
                let args = args.iter().map(|it| format!(" + {}", it.display()));
                (line + &args.collect::<String>(), context)
            }
        };
        for (name, value) in &context.variables {
            let value = value.as_ref().unwrap().display();
            shown = format!("{shown} with {}={value}", name.display());
        }
        for option in &context.options {
            shown = format!("{shown} with {} {}", option.name, option.value.display());
        }
        shown + &context.folder.map(|it| format!(" in {}", it.display())).unwrap_or_default()
    }

    const PROJECT: &str = r#"
        [tool.pdm.scripts]
        start = "python main.py"
        words = {cmd = ["python", "my bot.py"]}
        line = {shell = "cd . && python main.py", working_dir = "app"}
        alice = {cmd = "python main.py {args:-v}", env_file = ".env.alice", env = {A = "b"}}
        bob = {cmd = "python main.py", env_file = {override = ".env.bob"}}
        function = {call = "bot.main:run"}
        all = {composite = ["start", "bob -v"]}
        pre_bob = "cp .env.bob .env"
        json = """python main.py --opts '{"bot":"alice"}' {env:A} {root}"""
        json_args = """python main.py '{"bot":"{args}"}' {pdm}"""
        _own = "python main.py"
        _.env_file = ".env"

        [tool.rye.scripts]
        start = ["python", "main.py"]
        alice = {cmd = "python main.py", env-file = ".env.alice"}
        all = {chain = ["start", ["alice", "-v"]]}
        json = """python main.py --opts '{"bot":"alice"}' {args}"""
        pre_json = "cp .env.bob .env"
        _own = "python main.py"
        _.env-file = ".env"

        [tool.hatch.envs.default]
        env-vars = {A = "b"}
        [tool.hatch.envs.default.scripts]
        start = "python main.py {args}"
        plain = "python main.py"
        both = ["- plain", "start -v"]
        here = "python {root}/main.py {env:BOT:alice} {matrix:x}"
        [tool.hatch.envs.prod.scripts]
        plain = "python main.py --prod"
        [tool.hatch.envs.alone]
        detached = true
    "#;

    #[test]
    fn a_script_of_pyproject_says_what_it_starts() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pyproject.toml"), PROJECT).unwrap();
        let args = [OsString::from("x y")];
        let env = " with --env-file .env";
        for (tool, name, expected) in [
            ("pdm", "start", format!("python main.py + x y{env}")),
            ("pdm", "words", format!("python 'my bot.py' + x y{env}")),
            ("pdm", "line", format!("cd . && python main.py + x y{env} in app")),
            ("pdm", "alice", format!("python main.py 'x y' with A=b{env}.alice")),
            ("pdm", "bob", format!("cp .env.bob .env && python main.py + x y{env}.bob")),
            (
                "pdm",
                "function",
                format!("python -c 'import sys, bot.main as _1;sys.exit(_1.run())' + x y{env}"),
            ),
            ("pdm", "all", format!("pdm run start && pdm run bob -v + x y{env}")),
            (
                "pdm",
                "json",
                format!(
                    "python main.py --opts '{{\"bot\":\"alice\"}}' {{env:A}} {{root}} + x y{env}"
                ),
            ),
            ("pdm", "json_args", format!("python main.py '{{\"bot\":\"'x y'\"}}' pdm{env}")),
            ("pdm", "_own", format!("python main.py + x y{env}")),
            ("pdm", "_", format!("missing{env}")),
            ("pdm", "python", format!("missing{env}")),
            ("rye", "start", "python main.py + x y".to_owned()),
            ("rye", "alice", format!("python main.py + x y{env}.alice")),
            ("rye", "all", "rye run start && rye run alice -v + x y".to_owned()),
            ("rye", "json", "python main.py --opts '{\"bot\":\"alice\"}' {args} + x y".to_owned()),
            ("rye", "_own", "python main.py + x y".to_owned()),
            ("uv", "start", "missing".to_owned()),
        ] {
            assert_eq!(shown(of_tool(tool, name, &args, folder.path())), expected, "{tool} {name}");
        }
    }

    #[test]
    fn a_script_of_hatch_says_what_it_starts() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pyproject.toml"), PROJECT).unwrap();
        let read = |environment: &str, name: &str, args: &[OsString]| {
            shown(of_hatch(environment, name, args, folder.path()))
        };
        let args = [OsString::from("x y")];
        let here = folder.path().display();
        for (environment, name, expected) in [
            ("default", "start", "python main.py 'x y' with A=b".to_owned()),
            ("default", "plain", "python main.py with A=b".to_owned()),
            ("default", "both", "python main.py && python main.py 'x y' -v with A=b".to_owned()),
            (
                "default",
                "here",
                format!("python {here}/main.py ${{BOT:-alice}} $HATCH_FIELD with A=b"),
            ),
            ("default", "python", "missing with A=b".to_owned()),
            ("prod", "start", "python main.py 'x y' with A=b".to_owned()),
            ("prod", "plain", "python main.py --prod with A=b".to_owned()),
            ("alone", "plain", "missing".to_owned()),
            ("none", "plain", "missing".to_owned()),
        ] {
            assert_eq!(read(environment, name, &args), expected, "{environment} {name}");
        }
        assert_eq!(read("default", "start", &[]), "python main.py with A=b");
        fs::write(folder.path().join("hatch.toml"), "[envs.default.scripts]\nstart = \"a\"\n")
            .unwrap();
        assert_eq!(read("default", "start", &[]), "a");
    }

    #[test]
    fn scripts_of_hatch_that_start_each_other_do_not_grow_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hatch.toml");
        let read = |text: &str| {
            fs::write(&file, format!("[envs.default.scripts]\n{text}")).unwrap();
            shown(of_hatch("default", "a", &[], folder.path()))
        };
        let four = |name: &str| format!("[\"{name}\", \"{name}\", \"{name}\", \"{name}\"]");
        assert_eq!(read("a = [\"b\", \"./bot\"]\nb = \"a x\""), "a x && ./bot");
        assert_eq!(read(&format!("a = {}", four("a"))), "a && a && a && a");
        let pairs = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "./bot")];
        let chain = |from: usize| {
            let lines = pairs[from..].iter().map(|(name, inner)| {
                let name = if *name == pairs[from].0 { "a" } else { name };
                format!("{name} = {}\n", four(inner))
            });
            lines.collect::<String>()
        };
        assert_eq!(read(&chain(1)).matches("./bot").count(), 64);
        assert_eq!(read(&format!("{}x = \"y\"", chain(0))), "missing");
    }
}
