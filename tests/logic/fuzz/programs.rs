//! The first bytes of a program (`#!` lines and ELF headers): any file is found, or refused with a
//! reason.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use monopoll::internals::error::ExitStatus;
use monopoll::internals::scan::command::Command;

/// Takes the content of an executable file.
pub(crate) fn check(content: &[u8]) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bot");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let args = vec![OsString::from("./bot"), OsString::from("--all")];
    match Command::find(args.clone(), folder.path().to_owned()) {
        Ok(command) => assert_eq!((command.args, command.program), (args, path)),
        Err(error) => {
            let said = error.to_string();
            assert!(!said.chars().any(char::is_control), "{said:?}");
            let status = error.status();
            assert!(
                matches!(status, ExitStatus::NotExecutable | ExitStatus::NotFound),
                "{status:?}: {said}"
            );
        }
    }
}
