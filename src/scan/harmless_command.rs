//! Commands before the bot in a start script that do not affect which bot it is: `echo starting`,
//! `git pull`. `echo BOT=alice > .env` and `git checkout alice` may choose it.

use crate::scan::settings_writer::is_settings;
use crate::scan::shell_redirection::output_files;

/// Commands that do not affect those after them.
pub(super) const HARMLESS: [&str; 14] = [
    ":", "chmod", "date", "echo", "exit", "git", "mkdir", "pip", "pip3", "printf", "sleep", "true",
    "ulimit", "umask",
];

/// Commands of git that leave the files of the work tree as they are, or do not choose their
/// content.
#[rustfmt::skip]
const OF_GIT: [&str; 17] = [
    "add", "branch", "clean", "commit", "config", "describe", "diff", "fetch", "gc", "lfs", "log",
    "push", "rev-parse", "show", "status", "submodule", "tag",
];

/// The extensions of files that no bot reads at its start.
const OUTPUTS: [&str; 5] = ["log", "pid", "lock", "out", "err"];

/// Parts of the names of such files, or of the variables with them: `$PID_FILE`.
const OUTPUT_PARTS: [&str; 7] = ["log", "logs", "logfile", "pid", "pidfile", "lock", "lockfile"];

/// Returns whether a command with the name of a harmless one is harmless with these arguments and
/// redirections. `text` is the whole command.
pub(super) fn is_harmless(name: &str, args: &[String], text: &str) -> bool {
    match name {
        "echo" | "printf" => !writes_a_choice(text),
        "git" => is_harmless_git(args) && !writes_settings(text),
        _ => !writes_settings(text),
    }
}

/// Returns whether the output of a command goes to a file that may choose the bot.
pub(super) fn writes_a_choice(text: &str) -> bool {
    let command = text.split('>').next().unwrap_or_default().replace('"', "");
    let is_own_pid = ["echo $$", "echo $!"].contains(&command.trim());
    let files = output_files(text);
    writes_settings(text) || !is_own_pid && files.into_iter().any(|file| !is_log_or_pid(file))
}

fn writes_settings(text: &str) -> bool {
    output_files(text).into_iter().any(|file| is_settings(without_quotes(file)))
}

fn is_log_or_pid(file: &str) -> bool {
    let file = without_quotes(file);
    if ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"].contains(&file) {
        return true;
    }
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    match name.rsplit_once('.') {
        Some((_, extension)) => OUTPUTS.contains(&extension),
        None => name.split(['_', '-', '$', '{', '}']).any(|part| OUTPUT_PARTS.contains(&part)),
    }
}

fn without_quotes(word: &str) -> &str {
    word.trim_matches(['\'', '"'])
}

/// Returns whether git leaves the branch that is checked out.
fn is_harmless_git(args: &[String]) -> bool {
    let mut args = args.iter().map(String::as_str);
    let command = loop {
        match args.next() {
            Some("-C" | "-c" | "--git-dir" | "--work-tree") => {
                args.next();
            }
            Some(option) if option.starts_with('-') => {}
            command => break command,
        }
    };
    let mut words = args.filter(|arg| !arg.starts_with('-'));
    match command {
        None => true,
        Some("pull") => match (words.next(), words.next()) {
            (None, _) => true,
            (Some(remote), None) => ["origin", "upstream"].contains(&remote),
            (Some(_), Some(_)) => false,
        },
        Some("reset") => words.all(|word| ["HEAD", "@{u}", "@{upstream}"].contains(&word)),
        Some("checkout" | "restore") => words.all(|word| word == "."),
        Some("stash") => words.next().is_none(),
        Some(command) => OF_GIT.contains(&command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harmless(text: &str) -> bool {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        is_harmless(&words[0], &words[1..], text)
    }

    #[test]
    fn output_to_logs_and_pid_files_is_harmless_and_no_other() {
        for text in [
            "echo 'a > .env' up",
            "echo started >> start.log 2>&1",
            "echo started >>\"$DIR/logs/start.log\"",
            "echo $! > bot.pid",
            "echo $$ > /run/bot",
            "echo x > \"$PID_FILE\"",
            "echo x >> ${LOG}",
            "echo x >&2",
            "echo x 2>/dev/null",
            "printf '%s\\n' up >> /var/log/bot.log",
            "date > started",
            "pip freeze > requirements.txt",
        ] {
            assert!(harmless(text), "{text}");
        }
        for text in [
            "echo BOT=alice > .env",
            "echo BOT=alice >>.env",
            "echo BOT=alice > '.env' 2>/dev/null",
            "echo alice >| config.ini",
            "printf 'BOT=%s\\n' alice > .env",
            "echo $$ > config.json",
            "echo alice > bot.txt",
            "echo alice > \"$FILE\"",
            "echo alice &> bot",
            "git show alice:.env > .env",
        ] {
            assert!(!harmless(text), "{text}");
        }
    }

    #[test]
    fn git_is_harmless_unless_it_gets_a_branch() {
        for text in [
            "git pull",
            "git pull -q --ff-only",
            "git -C /srv/bot pull --rebase origin",
            "git fetch origin alice",
            "git reset --hard",
            "git checkout -- .",
            "git rev-parse HEAD",
        ] {
            assert!(harmless(text), "{text}");
        }
        for text in [
            "git checkout alice",
            "git switch -q alice",
            "git pull origin alice",
            "git -C /srv/bot reset --hard origin/alice",
            "git merge alice",
        ] {
            assert!(!harmless(text), "{text}");
        }
    }
}
