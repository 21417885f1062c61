//! What a launcher runs before the bot: the `pre` script of a package, or the recipes of a target's
//! prerequisites. If it writes the file that the bot reads, such as `.env`, it chooses the bot.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::scan::command_context::{CommandOption, ONE_OF_SETUPS, SETUP};
use crate::scan::project_scripts;
use crate::scan::shell_redirection::output_files;
use crate::scan::shell_statements::{Place, Separator, Statement, statements};
use crate::scan::small_file;
use crate::text::shell_quote;

/// A longer shell script does more than writing settings.
const MAX_LENGTH: u64 = 4 << 10;

/// Limits scripts that run each other, and how many.
const MAX_DEPTH: u32 = 3;
const MAX_TEXT: usize = 64 << 10;

/// Programs whose last argument is the file or link that they write.
const COPY: [&str; 6] = ["cp", "mv", "ln", "install", "rsync", "scp"];

/// Programs that write no settings into the files in their arguments.
#[rustfmt::skip]
const READERS: [&str; 24] = [
    ".", ":", "[", "[[", "cat", "chmod", "command", "diff", "dotenv", "dotenvx", "echo", "env-cmd",
    "export", "git", "grep", "head", "ls", "mkdir", "printf", "set", "source", "test", "touch",
    "which",
];

/// Beginnings of the names of files with settings.
const SETTINGS: [&str; 8] =
    ["config", "settings", "conf", "secrets", "bot", "local", "application", "env"];

/// The extensions of such files.
#[rustfmt::skip]
const EXTENSIONS: [&str; 13] = [
    "toml", "json", "json5", "yaml", "yml", "ini", "cfg", "conf", "properties", "py", "js", "ts",
    "rb",
];

/// Returns what a script of a package runs before it, if that writes settings.
pub(super) fn of_package_script(name: &OsStr, folder: &Path) -> Option<CommandOption> {
    let name = name.to_str()?;
    let scripts = project_scripts::package_scripts(folder);
    let before = |name: &str| {
        let (_, line) = scripts.iter().find(|(it, _)| *it == format!("pre{name}"))?;
        Some(with_inner_scripts(line, &scripts, folder, MAX_DEPTH)).filter(|it| writes_settings(it))
    };
    let text = before(name)?;
    let mut others = scripts.iter().filter_map(|(name, _)| before(name));
    let is_one_of_several = others.any(|other| other != text);
    let name = if is_one_of_several { ONE_OF_SETUPS } else { SETUP };
    Some(CommandOption { name: name.to_owned(), value: text.into() })
}

/// Returns what ran before the package script that started a process, by its environment.
pub(super) fn of_environment(
    environ: &[(OsString, OsString)],
    folder: Option<&Path>,
) -> Option<CommandOption> {
    let value = |wanted: &str| environ.iter().find(|(name, _)| name == wanted).map(|(_, it)| it);
    let script = value("npm_lifecycle_event")?;
    let package = value("npm_package_json").and_then(|file| Path::new(file).parent());
    of_package_script(script, package.or(folder)?)
}

/// Returns the recipes that make runs before that of its goal, if they write settings.
pub(super) fn of_recipes(text: &str) -> Option<CommandOption> {
    let option = || CommandOption { name: SETUP.to_owned(), value: text.into() };
    writes_settings(text).then(option)
}

/// Adds the text of the scripts that a line runs.
fn with_inner_scripts(
    line: &str,
    scripts: &[(String, String)],
    folder: &Path,
    depth: u32,
) -> String {
    let Some(depth) = depth.checked_sub(1) else { return line.to_owned() };
    let mut text = line.to_owned();
    for Statement { text: statement, .. } in statements(line) {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let name = match &words[..] {
            ["npm" | "pnpm" | "yarn" | "bun", "run" | "run-script", name, ..]
            | ["pnpm" | "yarn" | "bun", name, ..] => Some(*name),
            _ => None,
        };
        let inner = scripts.iter().find(|(it, _)| Some(it.as_str()) == name);
        let shell_file =
            words.iter().take(2).find(|word| matches!(word.rsplit_once('.'), Some((_, "sh"))));
        let added = match (inner, shell_file) {
            (Some((_, inner)), _) => Some(with_inner_scripts(inner, scripts, folder, depth)),
            (None, Some(file)) => small_file::text(&folder.join(file), MAX_LENGTH),
            (None, None) => None,
        };
        if let Some(added) = added {
            text.push('\n');
            text.push_str(&added);
        }
        if text.len() > MAX_TEXT {
            break;
        }
    }
    text
}

fn writes_settings(text: &str) -> bool {
    written_settings(text).is_some()
}

/// Returns the name of the file with settings that these lines write.
pub(super) fn written_settings(text: &str) -> Option<String> {
    let statements = statements(text);
    statements.iter().enumerate().find_map(|(at, statement)| {
        let before = at.checked_sub(1).and_then(|before| statements.get(before));
        let written = written_by(&statement.text)?;
        let is_missing = before.is_some_and(|test| is_only_if_missing(test, statement, written));
        (!is_missing).then(|| shell_quote(written))
    })
}

/// Returns whether a statement runs only if its file is missing: `[ -f .env ] || cp …`.
fn is_only_if_missing(test: &Statement, statement: &Statement, file: &str) -> bool {
    let words: Vec<&str> = test.text.split_whitespace().map(unquoted).collect();
    let is_test = words.first().is_some_and(|word| ["[", "[[", "test"].contains(word));
    let is_negated = words.contains(&"!");
    let ends = match test.end {
        Separator::Or => !is_negated,
        Separator::And | Separator::Line => is_negated,
        Separator::Pipe | Separator::Background | Separator::Open | Separator::Close => false,
    };
    is_test && ends && statement.place == Place::Perhaps && words.contains(&file)
}

fn written_by(statement: &str) -> Option<&str> {
    let mut outputs = output_files(statement).into_iter().map(unquoted);
    if let Some(file) = outputs.find(|file| is_settings(file)) {
        return Some(file);
    }
    let mut words = statement.split_whitespace().map(unquoted);
    let first = words.find(|word| !word.contains('='))?;
    let first = first.trim_start_matches(['@', '-', '+']);
    let rest: Vec<&str> = words.collect();
    let keeps = ["-n", "--no-clobber", "--update=none", "--ignore-existing"];
    if COPY.contains(&first) {
        let is_kept = rest.iter().any(|word| keeps.contains(word));
        return rest.last().copied().filter(|file| is_settings(file) && !is_kept);
    }
    let is_reader = READERS.contains(&first)
        || first == "sed" && !rest.iter().any(|word| word.starts_with("-i"));
    // What a program does with `.env.bob` is not known. It reads a plain `.env`, as the bot does.
    let is_written = |file: &&str| match first {
        "sed" | "perl" | "tee" | "truncate" => is_settings(file),
        _ => is_settings(file) && base_name(file).starts_with(".env."),
    };
    let is_example = |file: &str| {
        ["example", "sample", "template", "dist"].iter().any(|end| file.ends_with(end))
    };
    rest.into_iter().filter(|_| !is_reader).find(|file| is_written(file) && !is_example(file))
}

fn unquoted(word: &str) -> &str {
    word.trim_matches(['\'', '"', ';', ')'])
}

fn base_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Returns whether a file has the name of one with settings.
pub(super) fn is_settings(file: &str) -> bool {
    let name = base_name(file);
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let stem = stem.trim_start_matches('.');
    name.starts_with(".env")
        || extension == "env"
        || EXTENSIONS.contains(&extension) && SETTINGS.iter().any(|start| stem.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_write_settings_are_known_from_those_that_only_build() {
        for (text, expected) in [
            ("cp .env.bob .env", Some(".env")),
            ("cp -f envs/bob.env ./.env", Some("./.env")),
            ("ln -sfn .env.bob .env && tsc", Some(".env")),
            ("cat base.env bob.env > .env", Some(".env")),
            ("echo WHO=bob >> '.env'", Some(".env")),
            ("echo WHO=bob > .env 2>/dev/null", Some(".env")),
            ("sed s/x/bob/ config.tmpl.yaml >config.yaml", Some("config.yaml")),
            ("sed -i s/alice/bob/ settings.toml", Some("settings.toml")),
            ("cp config_bob.py config.py", Some("config.py")),
            ("envsubst <a | tee config.json", Some("config.json")),
            ("node switch.js .env.bob", Some(".env.bob")),
            ("[ -f .env.bob ] && cp .env.bob .env", Some(".env")),
            ("if [ -n \"$B\" ]; then cp .env.bob .env; fi", Some(".env")),
            // These keep a file that is there.
            ("cp -n .env.example .env", None),
            ("[ -f .env ] || cp .env.example .env", None),
            ("test -e .env || cp .env.example .env", None),
            ("[ ! -f .env ] && cp .env.example .env", None),
            ("if [ ! -f .env ]; then cp .env.example .env; fi", None),
            // These read it, or do something else.
            ("npm run build", None),
            ("tsc -p tsconfig.json && cp package.json dist/", None),
            ("rimraf dist; eslint . > lint.log", None),
            ("dotenv -e .env.bob -- tsc", None),
            ("node check.js .env", None),
            ("grep -q TOKEN .env", None),
            ("node check.js .env.example", None),
            ("cp -r src/assets dist/assets", None),
            ("echo starting the bot", None),
            ("prisma generate --schema db/schema.prisma", None),
            ("", None),
        ] {
            assert_eq!(written_settings(text).as_deref(), expected, "{text}");
        }
    }
}
