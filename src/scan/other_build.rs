//! Another build of the program in the same folder: another version in its name (`bot-1.0.jar`,
//! `bot-1.1.jar`), or its source beside what a compiler made of it (`src/bot.ts`, `dist/bot.js`).

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::likeness::CommandDifference;
use crate::scan::command::Command;
use crate::scan::executable::has_folder;
use crate::scan::invocation::{Invocation, Target, absolute};
use crate::scan::same_command::RunningCommand;

/// The folders of what a compiler makes.
const BUILT: [&str; 5] = ["dist", "build", "lib", "out", "output"];

impl Command {
    /// Returns how a process that runs with the same arguments in the same folder differs, if it
    /// runs another build of this command's program.
    pub(super) fn other_build(
        &self,
        it: &Invocation,
        process: &RunningCommand<'_>,
    ) -> Option<CommandDifference> {
        let cwd = it.context.folder.as_deref().or(process.cwd)?;
        let (Target::Script(path, _) | Target::Program(path)) = &it.target else { return None };
        let is_bare = matches!(it.target, Target::Program(_)) && !has_folder(path.as_os_str());
        let mine = self.own_file().filter(|_| !is_bare)?;
        let theirs = absolute(path, cwd);
        if is_other_version(&mine, &theirs) {
            return Some(CommandDifference::OtherVersion);
        }
        let below = |file: &Path| Some(file.strip_prefix(cwd).ok()?.to_owned());
        let (mine, theirs) = (below(&mine)?, below(&theirs)?);
        let is_package =
            || ["package.json", "tsconfig.json"].iter().any(|name| cwd.join(name).is_file());
        let is_compiled = is_compiled_from(&mine, &theirs) || is_compiled_from(&theirs, &mine);
        (is_compiled && is_package()).then_some(CommandDifference::OtherBuild)
    }
}

/// Returns whether two files of one folder have the same name but for numbers. A link counts as
/// what it leads to, too.
fn is_other_version(mine: &Path, theirs: &Path) -> bool {
    let names = |path: &Path| -> Vec<PathBuf> {
        [Some(path.to_owned()), fs::canonicalize(path).ok()].into_iter().flatten().collect()
    };
    let (mine, theirs) = (names(mine), names(theirs));
    let mut pairs = mine.iter().flat_map(|mine| theirs.iter().map(move |theirs| (mine, theirs)));
    pairs.any(|(mine, theirs)| {
        let has_version =
            [mine, theirs].iter().all(|it| name(it).contains(|c: char| c.is_ascii_digit()));
        folder(mine) == folder(theirs)
            && has_version
            && without_version(&name(mine)) == without_version(&name(theirs))
    })
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn folder(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    Some(fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()))
}

/// Removes the numbers of a name, with the dots between them.
fn without_version(name: &str) -> String {
    let mut kept = String::new();
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        let is_between =
            c == '.' && kept.ends_with('0') && chars.peek().is_some_and(char::is_ascii_digit);
        if c.is_ascii_digit() || is_between {
            if !kept.ends_with('0') {
                kept.push('0');
            }
        } else {
            kept.push(c);
        }
    }
    kept
}

/// Returns whether a path such as `dist/bot.js` is what a compiler makes of `src/bot.ts`.
fn is_compiled_from(built: &Path, source: &Path) -> bool {
    let ending = |path: &Path| path.extension().and_then(OsStr::to_str).map(str::to_owned);
    let is_pair = [("js", "ts"), ("js", "tsx"), ("mjs", "mts"), ("cjs", "cts"), ("mjs", "ts")]
        .iter()
        .any(|(one, other)| {
            ending(built).as_deref() == Some(one) && ending(source).as_deref() == Some(other)
        });
    let below_built = BUILT.iter().find_map(|folder| built.strip_prefix(folder).ok());
    let Some(below_built) = below_built.filter(|_| is_pair) else { return false };
    let (below_built, source) = (below_built.with_extension(""), source.with_extension(""));
    below_built == source || source.strip_prefix("src").is_ok_and(|it| it == below_built)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_number_in_a_name() {
        for (one, other, expected) in [
            ("bot-1.0.jar", "bot-1.12.3.jar", true),
            ("bot-linux-amd64-1.2", "bot-linux-amd64-1.3", true),
            ("bot_v2.py", "bot_v10.py", true),
            ("bot-1.0.jar", "web-1.0.jar", false),
            ("bot-1.0.jar", "bot-1.0.war", false),
        ] {
            let is_same = without_version(one) == without_version(other);
            assert_eq!(is_same, expected, "{one} {other}");
        }
    }

    #[test]
    fn a_compiler_makes_one_file_of_another() {
        for (built, source, expected) in [
            ("dist/index.js", "src/index.ts", true),
            ("dist/src/index.js", "src/index.ts", true),
            ("build/bots/a.js", "src/bots/a.ts", true),
            ("dist/index.js", "index.ts", true),
            ("dist/web.js", "src/index.ts", false),
            ("index.js", "src/index.ts", false),
            ("dist/index.py", "src/index.ts", false),
        ] {
            let seen = is_compiled_from(Path::new(built), Path::new(source));
            assert_eq!(seen, expected, "{built} {source}");
        }
    }
}
