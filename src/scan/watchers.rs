//! Programs that start the bot again when it ends or when a file changes: nodemon, pm2-runtime,
//! watchexec. They are the command themselves, and so is what they start.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::scan::command::Command;
use crate::scan::command_context::CommandContext;
use crate::scan::passing_failure::is_file;
use crate::scan::script_command::{ScriptCommand, ScriptRole, UnknownSettings};
use crate::scan::shell_words::simple_command;
use crate::scan::small_file;

/// Larger files are ignored.
const MAX_LENGTH: u64 = 1 << 20;

/// Returns the name of a watcher, by its program or script.
pub(super) fn watcher_name(program: &str) -> Option<&'static str> {
    Some(match program.strip_suffix(".js").unwrap_or(program) {
        "nodemon" => "nodemon",
        "pm2-runtime" | "pm2-docker" | "pm2-dev" => "pm2-runtime",
        "watchexec" => "watchexec",
        _ => return None,
    })
}

/// Returns what COMMAND keeps running, if it is a watcher.
pub(super) fn started(command: &Command) -> Vec<ScriptCommand> {
    let name = command.target_name();
    let args: Option<Vec<&str>> = command.runs.args.iter().map(|arg| arg.to_str()).collect();
    let Some(args) = args else { return Vec::new() };
    let folder = &command.runs_in;
    match watcher_name(&name) {
        Some("nodemon") => nodemon(&args, folder).into_iter().collect(),
        Some("pm2-runtime") => pm2(&args, folder),
        Some("watchexec") => watchexec(&args).into_iter().collect(),
        Some(_) | None => Vec::new(),
    }
}

fn command(words: Vec<OsString>, context: CommandContext) -> ScriptCommand {
    ScriptCommand {
        words,
        context,
        knows_folder: true,
        environment: None,
        role: ScriptRole::Certain,
        unknown: UnknownSettings::Same,
    }
}

/// The options of nodemon with a value.
const NODEMON_VALUES: [&str; 17] = [
    "--polling-interval",
    "-P",
    "--config",
    "--watch",
    "-w",
    "--ignore",
    "-i",
    "--delay",
    "-d",
    "--exec",
    "-x",
    "--ext",
    "-e",
    "--signal",
    "-s",
    "--cwd",
    "--help",
];

/// The options of nodemon without one. All others belong to what it starts.
const NODEMON_FLAGS: [&str; 16] = [
    "--no-update-notifier",
    "--spawn",
    "--dump",
    "--verbose",
    "-V",
    "--legacy-watch",
    "-L",
    "--js",
    "--quiet",
    "-q",
    "--exitcrash",
    "--no-stdin",
    "-I",
    "--on-change-only",
    "-C",
    "-h",
];

fn nodemon(args: &[&str], folder: &Path) -> Option<ScriptCommand> {
    let mut context = CommandContext::default();
    let mut folder = folder.to_owned();
    let (mut script, mut exec, mut config) = (None, None, "nodemon.json");
    // What belongs to the command, and where its script was.
    let (mut rest, mut place, mut is_own): (Vec<OsString>, _, _) = (Vec::new(), None, true);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if script.is_none() && (*arg == "." || folder.join(arg).exists()) {
            script = Some((*arg).to_owned());
            place = Some(rest.len());
        } else if is_own && *arg == "--" {
            is_own = false;
            place = Some(rest.len());
        } else if is_own && NODEMON_VALUES.contains(arg) {
            let value = *args.next()?;
            match *arg {
                "--exec" | "-x" => exec = Some(value.to_owned()),
                "--config" => config = value,
                "--cwd" => {
                    context.enter(Path::new(value));
                    folder.push(value);
                }
                _ => {}
            }
        } else if !(is_own && (NODEMON_FLAGS.contains(arg) || arg.starts_with("--no-colo"))) {
            rest.push((*arg).into());
        }
    }
    let files = NodemonFiles::read(&folder, config);
    exec = exec.or_else(|| text(&files.config, "exec"));
    script = script.or_else(|| text(&files.config, "script"));
    if exec.is_none() && script.is_none() {
        (exec, script) = files.default_command();
    }
    set_variables(&files.config, &mut context);
    let line = exec.unwrap_or_else(|| files.interpreter(script.as_deref()));
    let (mut words, inner) = simple_command(&line)?;
    if let Some(script) = script {
        rest.insert(place.unwrap_or(rest.len()), script.into());
    }
    words.extend(rest);
    Some(command(words, context.with(inner)))
}

struct NodemonFiles {
    config: Value,
    package: Value,
}

impl NodemonFiles {
    fn read(folder: &Path, config: &str) -> NodemonFiles {
        let package = json(&folder.join("package.json")).unwrap_or_default();
        let in_package = || package.get("nodemonConfig").cloned();
        let config = json(&folder.join(config)).or_else(in_package).unwrap_or_default();
        NodemonFiles { config, package }
    }

    /// Returns the line or the script that nodemon runs if it is given none.
    fn default_command(&self) -> (Option<String>, Option<String>) {
        if let Some(script) = text(&self.package, "main") {
            return (None, Some(script));
        }
        let line = self.package.get("scripts").and_then(|scripts| text(scripts, "start"));
        let script = if line.is_none() { Some("index.js".to_owned()) } else { None };
        (line, script)
    }

    fn interpreter(&self, script: Option<&str>) -> String {
        let extension = script.and_then(|it| Path::new(it).extension()?.to_str()).unwrap_or("js");
        let by_config = self.config.get("execMap").and_then(|map| text(map, extension));
        by_config.unwrap_or_else(|| {
            match extension {
                "py" => "python",
                "rb" => "ruby",
                "ts" => "ts-node",
                _ => "node",
            }
            .to_owned()
        })
    }
}

fn text(object: &Value, key: &str) -> Option<String> {
    Some(object.get(key)?.as_str()?.to_owned())
}

fn set_variables(config: &Value, context: &mut CommandContext) {
    for (name, value) in config.get("env").and_then(Value::as_object).into_iter().flatten() {
        context.set(OsStr::new(name), value.as_str().map(OsStr::new));
    }
}

/// The options of pm2-runtime with a value.
const PM2_VALUES: [&str; 20] = [
    "-i",
    "--instances",
    "--secret",
    "--node-args",
    "-n",
    "--name",
    "--max-memory-restart",
    "-c",
    "--cron",
    "--interpreter",
    "--public",
    "--machine-name",
    "--delay",
    "--only",
    "--env",
    "--error",
    "--output",
    "--stop-exit-codes",
    "--interpreter-args",
    "--cwd",
];

/// The names that PM2 gives files of code with a list of programs.
const PM2_LISTS: [&str; 3] = [".config.js", ".config.cjs", ".config.mjs"];

fn pm2(args: &[&str], folder: &Path) -> Vec<ScriptCommand> {
    let (mut file, mut interpreter, mut only) = (None, None, None);
    let mut args = args.iter();
    let mut context = CommandContext::default();
    while let Some(arg) = args.next() {
        let (name, attached) = arg.split_once('=').map_or((*arg, None), |(n, v)| (n, Some(v)));
        if *arg == "--" {
            break;
        } else if PM2_VALUES.contains(&name) {
            let Some(value) = attached.or_else(|| args.next().copied()) else { return Vec::new() };
            match name {
                "--interpreter" => interpreter = Some(value),
                "--only" => only = Some(value),
                "--cwd" => context.enter(Path::new(value)),
                _ => {}
            }
        } else if !arg.starts_with('-') && file.is_none() && *arg != "start" {
            file = Some(*arg);
        }
    }
    let Some(file) = file else { return Vec::new() };
    if Path::new(file).extension() != Some(OsStr::new("json")) {
        let args = args.map(OsString::from).collect();
        let started = command(pm2_words(file, interpreter, args, folder), context);
        // PM2 reads such a file as a list of programs, which only its code tells.
        let is_list = PM2_LISTS.iter().any(|end| file.ends_with(end));
        let role = if is_list { ScriptRole::Other } else { started.role };
        return vec![ScriptCommand { role, ..started }];
    }
    let apps = json(&folder.join(file)).unwrap_or_default();
    let apps = apps.get("apps").unwrap_or(&apps);
    let apps = apps.as_array().cloned().unwrap_or_else(|| vec![apps.clone()]);
    let is_chosen = |app: &&Value| {
        let name = app.get("name").and_then(Value::as_str);
        only.is_none_or(|only: &str| only.split(',').any(|it| Some(it) == name))
    };
    apps.iter().filter(is_chosen).filter_map(|app| pm2_app(app, folder)).collect()
}

fn pm2_app(app: &Value, folder: &Path) -> Option<ScriptCommand> {
    let mut context = CommandContext::default();
    if let Some(folder) = text(app, "cwd") {
        context.enter(Path::new(&folder));
    }
    set_variables(app, &mut context);
    let args = match app.get("args") {
        Some(Value::String(line)) => line.split_whitespace().map(OsString::from).collect(),
        Some(Value::Array(args)) => {
            args.iter().map(|arg| arg.as_str().map(OsString::from)).collect::<Option<_>>()?
        }
        Some(_) | None => Vec::new(),
    };
    let folder = context.folder.as_deref().map_or(folder.to_owned(), |it| folder.join(it));
    let interpreter = text(app, "interpreter").or_else(|| text(app, "exec_interpreter"));
    let words = pm2_words(&text(app, "script")?, interpreter.as_deref(), args, &folder);
    Some(command(words, context))
}

/// Returns the words of a program that PM2 starts, with the interpreter that it chooses.
fn pm2_words(
    script: &str,
    interpreter: Option<&str>,
    args: Vec<OsString>,
    folder: &Path,
) -> Vec<OsString> {
    let path = Path::new(script);
    let by_extension = || {
        Some(match path.extension()?.to_str()? {
            "js" | "mjs" | "cjs" | "ts" | "jsx" | "tsx" => "node",
            "py" => "python3",
            "sh" => "bash",
            "rb" => "ruby",
            "pl" => "perl",
            "php" => "php",
            _ => return None,
        })
    };
    let interpreter = match interpreter {
        Some("none") => None,
        Some(interpreter) => Some(interpreter),
        None => by_extension(),
    };
    let is_here = path.components().count() == 1 && is_file(&folder.join(path));
    let script = match interpreter {
        None if is_here => PathBuf::from(".").join(path),
        Some(_) | None => path.to_owned(),
    };
    interpreter.map(OsString::from).into_iter().chain([script.into()]).chain(args).collect()
}

/// The options of watchexec with a value.
const WATCHEXEC_VALUES: [&str; 30] = [
    "-w",
    "--watch",
    "-W",
    "--watch-non-recursive",
    "-F",
    "--watch-file",
    "-o",
    "--on-busy-update",
    "-s",
    "--signal",
    "--stop-signal",
    "--stop-timeout",
    "--map-signal",
    "-d",
    "--debounce",
    "--delay-run",
    "--poll",
    "--shell",
    "-E",
    "--env",
    "--workdir",
    "-e",
    "--exts",
    "-f",
    "--filter",
    "-i",
    "--ignore",
    "--ignore-file",
    "--color",
    "--project-origin",
];

fn watchexec(args: &[&str]) -> Option<ScriptCommand> {
    let mut context = CommandContext::default();
    let mut at = 0;
    while let Some(arg) = args.get(at).filter(|arg| arg.starts_with('-')) {
        at += 1;
        if *arg == "--" {
            break;
        }
        let (name, attached) = arg.split_once('=').map_or((*arg, None), |(n, v)| (n, Some(v)));
        if !WATCHEXEC_VALUES.contains(&name) {
            continue;
        }
        let value = attached.or_else(|| args.get(at).copied())?;
        at += usize::from(attached.is_none());
        match name {
            "--workdir" => context.enter(Path::new(value)),
            "-E" | "--env" => {
                let (name, value) = value.split_once('=')?;
                context.set(OsStr::new(name), Some(OsStr::new(value)));
            }
            _ => {}
        }
    }
    // A shell gets the words as one line.
    let words: Vec<OsString> = args.get(at..)?.iter().map(OsString::from).collect();
    match words.as_slice() {
        [] => None,
        [line] => {
            let (words, inner) = simple_command(line.to_str()?)?;
            Some(command(words, context.with(inner)))
        }
        _ => Some(command(words, context)),
    }
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_str(&small_file::text(path, MAX_LENGTH)?).ok()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the files that these programs read")]
mod tests {
    use std::fs;

    use super::*;

    fn shown(commands: Vec<ScriptCommand>) -> String {
        let shown = |it: ScriptCommand| {
            let words: Vec<_> = it.words.iter().map(|word| word.to_str().unwrap()).collect();
            let folder = it.context.folder.map(|it| format!(" in {}", it.display()));
            let names = it.context.variables.iter().map(|(name, _)| format!(" {}", name.display()));
            words.join("|") + &folder.unwrap_or_default() + &names.collect::<String>()
        };
        commands.into_iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    fn read(line: &str, folder: &Path) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let args = &words[1..];
        shown(match words[0] {
            "nodemon" => nodemon(args, folder).into_iter().collect(),
            "pm2-runtime" => pm2(args, folder),
            _ => watchexec(args).into_iter().collect(),
        })
    }

    #[test]
    fn each_watcher_starts_what_its_command_line_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["main.js", "main.py", "bot.ts", "bot"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        for (line, expected) in [
            ("nodemon main.js -- --x", "node|main.js|--x"),
            ("nodemon -w src --inspect main.js a", "node|--inspect|main.js|a"),
            ("nodemon main.py", "python|main.py"),
            ("nodemon bot.ts", "ts-node|bot.ts"),
            ("nodemon --exec python3 -q main.py", "python3|main.py"),
            ("nodemon --cwd sub", "node|index.js in sub"),
            ("nodemon", "node|index.js"),
            ("pm2-runtime main.js -- --x", "node|main.js|--x"),
            ("pm2-runtime start main.py --interpreter python -n bot", "python|main.py"),
            ("pm2-runtime -i 2 bot", "./bot"),
            ("pm2-runtime --name=bot npm -- start", "npm|start"),
            ("pm2-runtime", ""),
            ("watchexec -r -e py -- python3 main.py", "python3|main.py"),
            ("watchexec --restart ./bot", "./bot"),
            ("watchexec -E A=b --workdir x ./bot y", "./bot|y in x A"),
            ("watchexec", ""),
        ] {
            assert_eq!(read(line, folder.path()), expected, "{line}");
        }
    }

    #[test]
    fn a_list_of_programs_in_code_is_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        for (file, expected) in [
            ("ecosystem.config.js", ScriptRole::Other),
            ("bots.config.cjs", ScriptRole::Other),
            ("main.js", ScriptRole::Certain),
        ] {
            let started = pm2(&["start", file], folder.path());
            assert_eq!(started.iter().map(|it| it.role).collect::<Vec<_>>(), [expected], "{file}");
        }
    }

    #[test]
    fn a_watcher_reads_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("package.json", r#"{"scripts": {"start": "node dist/bot.js"}}"#);
        assert_eq!(read("nodemon", folder.path()), "node|dist/bot.js");
        write("package.json", r#"{"main": "a.js", "nodemonConfig": {"env": {"A": "b"}}}"#);
        assert_eq!(read("nodemon", folder.path()), "node|a.js A");
        write("nodemon.json", r#"{"exec": "tsx src/bot.ts"}"#);
        assert_eq!(read("nodemon", folder.path()), "tsx|src/bot.ts");
        let apps = r#"{"apps": [
            {"name": "a", "script": "a.js", "args": "-x y", "cwd": "app", "env": {"A": "b"}},
            {"name": "b", "script": "b", "interpreter": "none", "args": ["z"]}]}"#;
        write("pm2.json", apps);
        let all = "node|a.js|-x|y in app A, b|z";
        assert_eq!(read("pm2-runtime start pm2.json", folder.path()), all);
        assert_eq!(read("pm2-runtime pm2.json --only b", folder.path()), "b|z");
    }
}
