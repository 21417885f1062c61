//! Reads COMMAND from the command line of a guard.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Returns COMMAND of `monopoll … run … -- COMMAND`. Without `--`, it follows the options of `run`.
pub(super) fn command_of(args: &[u8]) -> Option<Vec<OsString>> {
    let words: Vec<&[u8]> = args.strip_suffix(&[0])?.split(|byte| *byte == 0).collect();
    let run = words.iter().position(|word| *word == b"run")?;
    let after_run = words.get(run + 1..)?;
    let dashes = after_run.iter().position(|word| *word == b"--").map(|at| at + 1);
    let at = dashes.or_else(|| after_run.iter().position(|word| !word.starts_with(b"-")))?;
    let command = after_run.get(at..)?;
    Some(command.iter().map(|word| OsStr::from_bytes(word).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_a_guard_follows_the_dashes_or_the_options_of_run() {
        for (args, command) in [
            ("monopoll run -- python3 main.py", Some("python3 main.py")),
            ("monopoll --on-conflict graceful run -v -- ./start -- x", Some("./start -- x")),
            ("monopoll run -v python3 main.py", Some("python3 main.py")),
            ("monopoll plan -- python3 main.py", None),
            ("monopoll run", None),
        ] {
            let args: Vec<u8> =
                args.bytes().map(|byte| if byte == b' ' { 0 } else { byte }).chain([0]).collect();
            let words = command.map(|it| it.split(' ').map(OsString::from).collect::<Vec<_>>());
            assert_eq!(command_of(&args), words);
        }
    }
}
