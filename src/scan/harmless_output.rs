//! The output of a command in a start script: into a log, it is harmless, and into another file, it
//! may choose the bot: `echo bob > bot.txt`.

use crate::scan::settings_files::{base_name, is_log_or_pid_file, is_settings};
use crate::scan::shell_redirection::output_files;
use crate::scan::shell_words::{begins_with_filter, unquoted};
use crate::scan::substituted_code::is_neutral;

/// Returns whether the output of a command goes to a file that may choose the bot.
pub(super) fn writes_a_choice(text: &str) -> bool {
    writes_settings(text) || writes(text)
}

/// Returns whether a command only filters what it gets from a pipe, and writes nothing but logs.
pub(super) fn is_harmless_filter(command: &str) -> bool {
    !writes_a_choice(command) && is_filter(command, is_log)
}

/// Returns whether a command filters the output of the bot, which may go to any file but one with
/// settings.
pub(super) fn is_filter_of_output(command: &str) -> bool {
    !writes_settings(command) && is_filter(command, |file| !is_settings(file))
}

fn is_filter(command: &str, may_write: impl Fn(&str) -> bool) -> bool {
    let plain = command.split(['<', '>']).next().unwrap_or_default();
    let mut words = plain.split_whitespace().map(unquoted);
    let name = base_name(words.next().unwrap_or_default());
    begins_with_filter(command)
        && match name {
            "tee" => words.filter(|it| !it.starts_with('-')).all(may_write),
            "sed" => !words.any(|it| it.starts_with("-i") || it.starts_with("--in-place")),
            _ => true,
        }
}

/// Returns whether the output of a command goes to a file that is no log or PID file. An output
/// that is the same for all bots chooses none.
fn writes(text: &str) -> bool {
    let command = text.split('>').next().unwrap_or_default().replace('"', "");
    let command = command.trim();
    let is_own_pid = ["echo $$", "echo $!"].contains(&command);
    let is_same_for_all = is_own_pid
        || is_neutral(command)
        || [":", "true"].contains(&command)
        || lists_packages(command);
    !is_same_for_all && output_files(text).into_iter().any(|file| !is_log(file))
}

/// Returns whether a command prints the packages that are installed.
fn lists_packages(command: &str) -> bool {
    ["pip freeze", "pip3 freeze", "pip list"].iter().any(|end| command.ends_with(end))
}

/// Returns whether the output of a command goes to a file with settings.
pub(super) fn writes_settings(text: &str) -> bool {
    output_files(text).into_iter().any(|file| is_settings(unquoted(file)))
}

/// Returns whether output to a file reaches no bot: the file is a log, a PID file or a terminal.
pub(super) fn is_log(file: &str) -> bool {
    let file = unquoted(file);
    ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"].contains(&file)
        || is_log_or_pid_file(file)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(!writes_a_choice(text), "{text}");
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
            assert!(writes_a_choice(text), "{text}");
        }
    }

    #[test]
    fn a_filter_may_write_logs_and_that_of_the_bot_all_but_settings() {
        for (text, is_harmless, is_of_output) in [
            ("tee -a bot.log", true, true),
            ("tee output.txt", false, true),
            ("tee .env", false, false),
            ("grep -v x > errors.txt", false, true),
            ("sed s/a/b/ > .env", false, false),
            ("sed -i s/a/b/ bots", false, false),
            ("sed s/a/b/", true, true),
            ("./bot", false, false),
        ] {
            let seen = (is_harmless_filter(text), is_filter_of_output(text));
            assert_eq!(seen, (is_harmless, is_of_output), "{text}");
        }
    }
}
