//! Command lines, and the files that say what they start: `package.json`, shell scripts, and so on.
//! Any of them is understood or not, soon, and a process with the same command line is the same.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;

use monopoll::internals::scan::command::Command;
use monopoll::internals::scan::same_command::RunningCommand;

/// A longer run counts as a hang, even on a busy machine.
const MAX_SECONDS: u64 = 30;

/// Takes COMMAND, a word each between blanks, and below it files, each after a line `=== NAME`. A
/// word such as `npm` becomes a program `./npm`.
pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split("\n=== ");
    let words = parts.next().unwrap_or_default().replace('\0', "");
    let mut words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
    let folder = TempDir::new().unwrap();
    for part in parts {
        let (name, content) = part.split_once('\n').unwrap_or((part, ""));
        write(folder.path(), name, content);
    }
    if let Some(first) = words.first_mut() {
        *first = program(folder.path(), first);
    }

    #[expect(clippy::disallowed_methods, reason = "how long it takes is the question")]
    let start = Instant::now();
    let found = Command::find(words.clone(), folder.path().to_owned());
    assert!(start.elapsed().as_secs() < MAX_SECONDS, "{:?} for {text:?}", start.elapsed());
    match found {
        Ok(command) => {
            assert_eq!(command.args, words);
            let _ = command.require_script();
            if has_a_comparable_process(&command) {
                is_the_same_as_its_own_process(&command);
            }
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && !said.chars().any(char::is_control), "{said:?}");
        }
    }
}

/// A process of a script starts with the words of its `#!` line. Code from the standard input says
/// nothing, and `./make -C folder` is compared as the `make` of that folder.
fn has_a_comparable_process(command: &Command) -> bool {
    let is_script = fs::read(&command.found).unwrap_or_default().starts_with(b"#!");
    let reads_input = format!("{command:?}").contains("target: Input");
    !is_script && !reads_input && command.runs_in == command.cwd
}

/// Another start of COMMAND finds the process that the first one started.
fn is_the_same_as_its_own_process(command: &Command) {
    let is_same =
        |one: &Path, other: &Path| fs::canonicalize(one).ok() == fs::canonicalize(other).ok();
    let process = RunningCommand {
        args: command.args.iter().map(OsString::as_os_str).collect(),
        cwd: Some(&command.cwd),
        exe: &|| Some(command.program.clone()),
        executes: &|program| is_same(program, &command.program),
        environ: &|| environ_in(&command.cwd),
        sees: &is_same,
        opens: &|_| false,
    };
    let comparison = command.compare(&process);
    assert!(comparison.likeness.is_same(), "{:?} of {command:#?}", comparison.likeness);
    assert_eq!(comparison.doubt, None, "{command:#?}");
}

/// The variables of a start in this folder. A script may read `$PWD`.
fn environ_in(folder: &Path) -> Vec<(OsString, OsString)> {
    let others = std::env::vars_os().filter(|(name, _)| name != "PWD");
    others.chain([("PWD".into(), folder.into())]).collect()
}

fn write(folder: &Path, name: &str, content: &str) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.starts_with('.') || name.is_empty() || name.len() > 40 || !name.chars().all(is_plain) {
        return;
    }
    let path = folder.join(name);
    if path.exists() {
        return;
    }
    fs::write(&path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Makes a program of this name available, unless it has a folder.
fn program(folder: &Path, name: &OsStr) -> OsString {
    let is_plain = name.len() <= 40 && !name.as_encoded_bytes().contains(&b'/') && name != "..";
    if !is_plain || name == "." {
        return name.to_owned();
    }
    let path = folder.join(name);
    if !path.exists() {
        symlink("/bin/true", path).unwrap();
    }
    let mut program = OsString::from("./");
    program.push(name);
    program
}
