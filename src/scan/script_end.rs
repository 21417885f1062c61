//! The last command of COMMAND's shell script, which may replace the shell and leave no trace of
//! the script.
//!
//! Only short scripts with simple lines are understood. Otherwise, only the script itself counts as
//! the same command.
#![expect(clippy::disallowed_methods, reason = "reads the script that COMMAND runs")]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::scan::command_context::CommandContext;
use crate::scan::shell_words::{simple_command, simple_words, without_redirections};
use crate::scan::wrapper_result::is_option;

/// A longer script does more than starting a bot.
const MAX_LENGTH: u64 = 4 << 10;

/// Commands that do not affect those after them.
const HARMLESS: [&str; 13] = [
    ":", "chmod", "date", "echo", "git", "mkdir", "pip", "pip3", "printf", "sleep", "true",
    "ulimit", "umask",
];

/// The spellings of the script's own folder after `cd`.
const OWN_FOLDER: [&str; 9] = [
    "\"$(dirname \"$0\")\"",
    "\"$(dirname -- \"$0\")\"",
    "\"$(dirname $0)\"",
    "$(dirname $0)",
    "$(dirname \"$0\")",
    "`dirname $0`",
    "\"${0%/*}\"",
    "\"$(dirname \"${BASH_SOURCE[0]}\")\"",
    "\"$(dirname -- \"${BASH_SOURCE[0]}\")\"",
];

const ALL_ARGUMENTS: [&str; 4] = ["\"$@\"", "\"${@}\"", "$@", "${@}"];

/// The last command of a script, and what the lines before set for it.
pub(super) struct LastCommand {
    pub(super) words: Vec<OsString>,
    pub(super) context: CommandContext,
    /// The `bin` folder of a virtual environment, which comes first in `$PATH`.
    pub(super) environment: Option<PathBuf>,
}

/// Reads the script at `path`, which runs with these arguments; `None` if it cannot be understood.
pub(super) fn read(path: &Path, args: &[OsString]) -> Option<LastCommand> {
    last_command(&text(path)?, path, args)
}

/// Returns the text of a short script.
pub(super) fn text(path: &Path) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_LENGTH + 1).read_to_string(&mut text).ok()?;
    let is_short = text.len() as u64 <= MAX_LENGTH;
    is_short.then_some(text)
}

fn last_command(text: &str, path: &Path, args: &[OsString]) -> Option<LastCommand> {
    let text = text.replace("\\\n", " ");
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let mut lines = text.lines().map(str::trim).filter(is_code).peekable();
    let mut context = CommandContext::default();
    let mut environment = None;
    while let Some(line) = lines.next() {
        if lines.peek().is_none() || line.starts_with("exec ") {
            let (line, all) = split_arguments(without_redirections(line)?);
            let (mut words, inner) = simple_command(line)?;
            // `exec` is a shell built-in.
            if words.first()? == "exec" {
                words.remove(0);
            }
            if all {
                words.extend(args.iter().cloned());
            } else if !args.is_empty() {
                return None;
            }
            if is_option(words.first()?) {
                return None;
            }
            let context = context.with(inner);
            return Some(LastCommand { words, context, environment });
        }
        if let Some(folder) = line.strip_prefix("cd ") {
            let folder = folder.split("||").next().unwrap_or_default().trim();
            if OWN_FOLDER.contains(&folder) {
                context.enter(path.parent()?);
                continue;
            }
        }
        let words = simple_words(line)?;
        let words: Vec<&str> = words.iter().map(|word| word.to_str()).collect::<Option<_>>()?;
        match words.as_slice() {
            ["cd", folder] if !folder.starts_with('-') => context.enter(Path::new(folder)),
            ["set", options @ ..] if options.iter().all(|it| is_option_of_set(it)) => {}
            ["export", variables @ ..] => {
                for variable in variables {
                    let (name, value) = variable.split_once('=')?;
                    context.set(OsStr::new(name), Some(OsStr::new(value)));
                }
            }
            ["unset", names @ ..] if names.iter().all(|name| !name.starts_with('-')) => {
                for name in names {
                    context.set(OsStr::new(name), None);
                }
            }
            ["." | "source", file] if file.ends_with("/bin/activate") => {
                environment = Path::new(file).parent().map(Path::to_owned);
            }
            [name, ..] if HARMLESS.contains(name) => {}
            _ => return None,
        }
    }
    None
}

/// Returns whether a word after `set` leaves the script's arguments alone.
fn is_option_of_set(word: &str) -> bool {
    (word.starts_with(['-', '+']) && word.len() > 1 && word != "--")
        || ["pipefail", "errexit", "nounset", "xtrace"].contains(&word)
}

/// Strips `"$@"` from the end of a line, and returns whether it was there.
fn split_arguments(line: &str) -> (&str, bool) {
    let found = ALL_ARGUMENTS.iter().find_map(|all| line.strip_suffix(all)?.strip_suffix(' '));
    found.map_or((line, false), |line| (line.trim_end(), true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let args = ["-x".into(), "a b".into()];
        let args = if text.contains('@') { &args[..] } else { &[] };
        let it = last_command(text, Path::new("/srv/bot/start.sh"), args)?;
        let words: Vec<_> = it.words.iter().map(|word| word.to_str().unwrap()).collect();
        let folder = it.context.folder.map(|it| format!(" in {}", it.display()));
        let names = it.context.variables.iter().map(|(name, value)| {
            let value = value.as_ref().map(|value| value.display().to_string());
            format!(" {}={}", name.display(), value.unwrap_or_else(|| "unset".into()))
        });
        let environment = it.environment.map(|it| format!(" by {}", it.display()));
        Some(
            words.join("|")
                + &folder.unwrap_or_default()
                + &names.collect::<String>()
                + &environment.unwrap_or_default(),
        )
    }

    #[test]
    fn the_last_command_of_a_plain_script_is_read() {
        for (text, expected) in [
            ("#!/bin/sh\nexec python3 main.py\n", "python3|main.py"),
            ("#!/bin/sh\n\n# The bot.\npython3 main.py", "python3|main.py"),
            ("exec python3 main.py \"$@\"\nexit 1\n", "python3|main.py|-x|a b"),
            ("exec ./bot \\\n  --all\n", "./bot|--all"),
            (
                "set -euo pipefail\ncd \"$(dirname \"$0\")\" || exit 1\nA=b exec ./bot\n",
                "./bot in /srv/bot A=b",
            ),
            ("cd app\nexport A=b\nunset C\n./bot", "./bot in app A=b C=unset"),
            ("cd app && exec ./bot", "./bot in app"),
            ("git pull\npip install -r r.txt\necho 'up: now'\n./bot", "./bot"),
            (". venv/bin/activate\npython main.py", "python|main.py by venv/bin"),
            ("./bot >> bot.log 2>&1", "./bot"),
            ("./bot -v > /dev/null 2>> err.log", "./bot|-v"),
            ("exec ./bot >> \"$(date +%F) $LOG.log\" 2>&1", "./bot"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_a_script_becomes_is_not_known_in_doubt() {
        for text in [
            "",
            "#!/bin/sh\n",
            "exec $PYTHON main.py",
            "exec python3 main.py \"$1\"",
            "exec python3 \"$@\" main.py",
            "python3 main.py &",
            "python3 one.py\npython3 two.py",
            "if true; then\nexec python3 main.py\nfi",
            "while true; do\npython3 main.py\ndone",
            ". ./alice.env\nexec python3 main.py",
            "set -- x\nexec python3 main.py \"$@\"",
            "shift\nexec python3 main.py \"$@\"",
            "BOT=alice\nexec python3 main.py",
            "cd -\nexec python3 main.py",
            "cd \"$HOME\"\nexec python3 main.py",
            "cat x | exec python3 main.py",
            "exec python3 main.py < in.txt",
            "exec",
            "exec -a bot python3 main.py",
            "python3 main.py > log; python3 other.py",
            "python3 main.py > $LOG",
            "python3 main.py > \"$LOG\"; python3 other.py",
            "python3 main.py > \"$(date +\"%F\").log\"",
            "python3 main.py > \"a\" other.py",
            "export A\nexec python3 main.py",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
        let ignores_its_arguments = "exec python3 main.py";
        assert!(last_command(ignores_its_arguments, Path::new("/start"), &["x".into()]).is_none());
    }
}
