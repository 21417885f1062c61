//! What a launcher runs before the bot: the `pre` script of a package, or the recipes of a target's
//! prerequisites. It may choose the bot: it writes the file that the bot reads, such as `.env`,
//! checks out a branch, or differs from what runs before the same bot under another name.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::engine::likeness::CommandDoubt;
use crate::scan::command_context::{CommandOption, ONE_OF_SETUPS, SETUP};
use crate::scan::harmless_git::is_harmless_git;
use crate::scan::harmless_line::is_harmless_after;
use crate::scan::makefile::Recipe;
use crate::scan::project_scripts;
use crate::scan::settings_files::{base_name, is_example, is_settings};
use crate::scan::shell_redirection::output_files;
use crate::scan::shell_statements::{Place, Separator, Statement, statements};
use crate::scan::shell_words::unquoted;
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

/// Returns what a script of a package runs before it, if that may choose the bot.
pub(super) fn of_package_script(name: &OsStr, folder: &Path) -> Option<CommandOption> {
    let name = name.to_str()?;
    let scripts = project_scripts::package_scripts(folder);
    let before = |name: &str| {
        let (_, line) = scripts.iter().find(|(it, _)| *it == format!("pre{name}"))?;
        Some(with_inner_scripts(line, &scripts, folder, MAX_DEPTH))
    };
    let (_, line) = scripts.iter().find(|(it, _)| it == name)?;
    let others = scripts.iter().filter(|(it, _)| it != name);
    let others = others.filter_map(|(name, other)| Some((other == line, before(name)?)));
    setup(before(name)?, &others.collect::<Vec<_>>())
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

/// Returns the recipes that make runs before that of its goal, if they may choose the bot.
pub(super) fn of_recipe(recipe: &Recipe) -> Option<CommandOption> {
    let others = recipe.others.iter().map(|it| (it.lines == recipe.lines, it.before.clone()));
    setup(recipe.before.clone(), &others.collect::<Vec<_>>())
}

/// Returns the doubt about a process below make, if the recipe of another goal may have written
/// other settings since.
#[cfg_attr(
    any(not(target_os = "linux"), monopoll_portable),
    expect(dead_code, reason = "only Linux reads the recipe of a running make")
)]
pub(super) fn doubt_below_make(recipe: &Recipe) -> Option<CommandDoubt> {
    let mine = format!("{}\n{}", recipe.before, recipe.lines);
    let others = recipe.others.iter();
    let others =
        others.map(|it| (it.lines == recipe.lines, format!("{}\n{}", it.before, it.lines)));
    let found = setup(mine, &others.collect::<Vec<_>>()).filter(|it| it.name == ONE_OF_SETUPS)?;
    Some(doubt([found.value.to_string_lossy()].into_iter()))
}

/// Returns the option for lines that run before the bot and may choose it. The others are those
/// that run before other commands, and whether these are the same as the bot's.
fn setup(text: String, others: &[(bool, String)]) -> Option<CommandOption> {
    let is_like = |(is_same, other): &(bool, String)| *is_same && differs_in_words(&text, other);
    let is_one_by_words = others.iter().any(is_like);
    let own: Vec<String> = statements(&text).into_iter().map(|it| it.text).collect();
    let writes_others = |(_, other): &(bool, String)| {
        choices(other).iter().any(|(statement, _)| !own.contains(statement))
    };
    let is_one = is_one_by_words || others.iter().any(writes_others);
    let name = if is_one { ONE_OF_SETUPS } else { SETUP };
    let may_choose = is_one_by_words || !choices(&text).is_empty();
    may_choose.then(|| CommandOption { name: name.to_owned(), value: text.into() })
}

/// Returns whether another text has a statement with other words: `./choose bob`,
/// `./choose alice`.
fn differs_in_words(text: &str, other: &str) -> bool {
    let first = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
    let others = statements(other);
    statements(text).into_iter().map(|it| it.text).any(|mine| {
        let is_build = ["npm", "pnpm", "yarn", "bun", "cd"].contains(&&*first(&mine));
        let is_shared = others.iter().any(|it| it.text == mine);
        let is_like = |it: &Statement| first(&it.text) == first(&mine);
        !is_build && !is_shared && !is_harmless_after(&mine) && others.iter().any(is_like)
    })
}

/// Returns the doubt that lines before the bot leave.
pub(super) fn doubt<'a>(texts: impl Iterator<Item = Cow<'a, str>>) -> CommandDoubt {
    let texts: Vec<_> = texts.collect();
    if let Some((_, doubt)) = texts.iter().find_map(|text| choices(text).into_iter().next()) {
        return doubt;
    }
    let mut all = texts.iter().flat_map(|text| statements(text));
    let line = all.find(|it| !is_harmless_after(&it.text)).map(|it| it.text);
    CommandDoubt::SetupCommand(line.unwrap_or_default())
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

/// Returns the statements that may choose the bot, with what they do: they write a file with
/// settings, or check out a branch.
pub(super) fn choices(text: &str) -> Vec<(String, CommandDoubt)> {
    let statements = statements(text);
    let mut found = Vec::new();
    for (at, statement) in statements.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| statements.get(before));
        let written = written_by(&statement.text)
            .filter(|file| !before.is_some_and(|test| is_only_if_missing(test, statement, file)));
        let doubt = match written {
            Some(file) => Some(CommandDoubt::Setup(shell_quote(file))),
            None => takes_branch(&statement.text)
                .then(|| CommandDoubt::SetupCommand(statement.text.clone())),
        };
        found.extend(doubt.map(|doubt| (statement.text.clone(), doubt)));
    }
    found
}

/// Returns whether git gets a branch.
fn takes_branch(statement: &str) -> bool {
    let words: Vec<&str> = statement.split_whitespace().map(unquoted).collect();
    words.split_first().is_some_and(|(first, args)| {
        first.trim_start_matches(['@', '-', '+']) == "git" && !is_harmless_git(args)
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
    rest.into_iter().filter(|_| !is_reader).find(|file| is_written(file) && !is_example(file))
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
            let expected = expected.map(|file| CommandDoubt::Setup(file.to_owned()));
            let found = choices(text).into_iter().next().map(|(_, doubt)| doubt);
            assert_eq!(found, expected, "{text}");
        }
    }
}
