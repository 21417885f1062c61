//! The variables that the programs above a bot have set for it: a start script that became the bot
//! leaves no other trace.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::engine::choosing_variables::Variable;
use crate::scan::command::Command;
use crate::scan::linux::guard_arguments::command_of;
use crate::scan::linux::prefilter::{Environ, environ, running};
use crate::scan::linux::process_links::{executable, folder};
use crate::scan::scan_request::ScanRequest;
use crate::sys::linux::proc_fs::ProcFs;

/// The maximum number of wrapper programs above a bot.
pub(super) const MAX_WRAPPERS: usize = 8;

/// Returns the variables that the launchers above a process set by their words and scripts in its
/// folder, with the values in its environment. A terminal or a session above them is no launcher.
/// If one of them is the same command without a doubt, what this command's scripts set tells
/// nothing apart: the values are those before they set it.
pub(super) fn set_by_launchers(
    proc: &ProcFs,
    request: &ScanRequest,
    me: u32,
    parent: u32,
    own_folder: Option<&Path>,
    own_environ: &Environ,
) -> Vec<Variable> {
    let Some(mine) = &request.command else { return Vec::new() };
    let mut names: BTreeSet<OsString> = BTreeSet::new();
    let is_launcher = |pid: &u32| *pid > 1;
    let parent_of = |pid: &u32| {
        let stat = proc.stat(*pid, &mut Vec::new());
        stat.ok().map(|it| it.parent).filter(is_launcher)
    };
    let above = std::iter::successors(Some(parent).filter(is_launcher), parent_of);
    for launcher in above.take(MAX_WRAPPERS) {
        let mut args = Vec::new();
        let cwd = folder(proc, launcher).filter(|cwd| Some(&**cwd) == own_folder);
        let Some(cwd) = cwd.filter(|_| proc.read(launcher, "cmdline", &mut args).is_ok()) else {
            break;
        };
        let exe = executable(proc, launcher);
        if request.is_monopoll(proc, launcher, exe.as_deref(), me) {
            if let Some(words) = command_of(&args) {
                names.extend(Command::names_set_by(words, cwd));
            }
            continue;
        }
        let it = running(proc, launcher, &args, Some(&cwd), |it| mine.compare(it));
        if it.likeness.is_same() && it.doubt.is_none() {
            let names = mine.names_passed_on();
            return values(names, &environ(proc, launcher));
        }
        let words = args.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let words = words.map(|word| OsStr::from_bytes(word).to_owned()).collect();
        names.extend(Command::names_set_by(words, cwd));
    }
    values(names, own_environ)
}

/// Returns these variables with their values in an environment.
pub(super) fn values(names: BTreeSet<OsString>, environ: &[(OsString, OsString)]) -> Vec<Variable> {
    let value = |name: &OsString| environ.iter().find(|(it, _)| it == name).map(|it| it.1.clone());
    names.into_iter().map(|name| (name.clone(), value(&name))).collect()
}
