//! Recognizes a COMMAND that only a shell would understand, for a better error message.

use std::ffi::OsString;

use crate::error::{Error, ExitStatus};
use crate::text::{command_line, quote};

/// Shell built-ins that only affect the shell itself.
const BUILT_IN: [&str; 13] = [
    ".", "alias", "cd", "eval", "exec", "export", "popd", "pushd", "set", "source", "ulimit",
    "umask", "unset",
];

/// Returns the error about a COMMAND that was written for a shell.
pub(super) fn error(args: &[OsString], status: ExitStatus) -> Option<Error> {
    let words: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let first = words.first()?;
    let is_variable = |word: &&String| variable(word).is_some();
    let variables: Vec<&str> =
        words.iter().take_while(is_variable).filter_map(|word| variable(word)).collect();
    let (shown, hint) = if let [name, ..] = variables.as_slice() {
        let command = command_line(words.get(variables.len()..)?);
        let before: Vec<String> = variables.iter().map(|name| format!("{name}=…")).collect();
        let hint = format!(
            "put variables before monopoll: `{} monopoll run -- {command}`",
            before.join(" ")
        );
        // The value may be a secret.
        (format!("`{name}=…`"), hint)
    } else if BUILT_IN.contains(&first.as_str()) {
        let name = quote(first);
        (name.clone(), format!("{name} is a shell command: run it before monopoll"))
    } else if first.starts_with('~') {
        let hint = "the shell does not expand a quoted `~`: leave out the quotes";
        (quote(first), hint.to_owned())
    } else if words.len() == 1 && is_shell_line(first) {
        let is_cd = first.trim_start().starts_with("cd ");
        let cd = if is_cd { "run `cd` first, or " } else { "" };
        (quote(first), format!("this is a shell line: {cd}use `sh -c '…'`"))
    } else {
        return None;
    };
    Some(Error::new(status, format!("COMMAND {shown} is not found")).with_hint(hint))
}

/// Parses the name of an assignment such as `NAME=value`.
fn variable(word: &str) -> Option<&str> {
    let (name, _) = word.split_once('=')?;
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    Some(name).filter(|name| is_name(name))
}

fn is_shell_line(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("cd ") || (line.contains(' ') && line.contains(['&', ';', '|', '<', '>']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_shell_understands_is_named_with_what_to_write() {
        let token = format!("BOT_TOKEN=123456:{}", "a".repeat(35));
        for (words, hint) in [
            (
                &[token.as_str(), "A=b", "python3", "main.py"][..],
                Some(
                    "put variables before monopoll: `BOT_TOKEN=… A=… monopoll run -- python3 \
                     main.py`",
                ),
            ),
            (&["cd", "/tmp"], Some("`cd` is a shell command: run it before monopoll")),
            (&["source", "x"], Some("`source` is a shell command: run it before monopoll")),
            (
                &["cd /x && python3 main.py"],
                Some("this is a shell line: run `cd` first, or use `sh -c '…'`"),
            ),
            (&["python3 a.py; python3 b.py"], Some("this is a shell line: use `sh -c '…'`")),
            (&["~/bot.sh"], Some("the shell does not expand a quoted `~`: leave out the quotes")),
            (&["python3", "main.py"], None),
            (&["a&b"], None),
        ] {
            let args: Vec<OsString> = words.iter().map(OsString::from).collect();
            let error = error(&args, ExitStatus::NotFound);
            assert_eq!(error.as_ref().and_then(Error::hint), hint, "{words:?}");
            assert!(error.is_none_or(|error| !error.message().contains("aaa")));
        }
    }
}
