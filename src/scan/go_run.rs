//! A program that `go run` builds in a temporary folder or Go's cache, beside one that `go build`
//! has put into the folder of the bot: `/tmp/go-build1/b001/exe/bot` and `./bot`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::engine::likeness::{CommandDifference, CommandLikeness};
use crate::scan::command::Command;
use crate::scan::executable::has_folder;
use crate::scan::invocation::{Invocation, Target, absolute, base_name};
use crate::scan::same_command::RunningCommand;

/// The options of `go run` with a value in the next word.
const VALUES: [&str; 18] = [
    "-C",
    "-p",
    "-asmflags",
    "-buildmode",
    "-buildvcs",
    "-compiler",
    "-covermode",
    "-coverpkg",
    "-exec",
    "-gccgoflags",
    "-gcflags",
    "-installsuffix",
    "-ldflags",
    "-mod",
    "-modfile",
    "-overlay",
    "-pgo",
    "-tags",
];

/// A program in Go, as a command line names it.
enum GoProgram {
    /// `go run`, with the package that it is given.
    Run { package: String, args: Vec<OsString> },
    /// The child of `go run`: the program that it has built.
    RunChild { name: String, args: Vec<OsString> },
    /// A program in the folder or below it.
    Built { name: String, args: Vec<OsString> },
}

impl Command {
    /// Returns the likeness of a process in this command's folder, if `go run` builds the program
    /// of only one of both: the same if names and folders show that the source may be the same.
    pub(super) fn compare_go_program(
        &self,
        it: &Invocation,
        process: &RunningCommand<'_>,
    ) -> Option<CommandLikeness> {
        let cwd = it.context.folder.as_deref().or(process.cwd)?;
        if !self.is_folder(cwd) {
            return None;
        }
        let mine = GoProgram::of(&self.runs, &self.runs_in)?;
        let theirs = GoProgram::of(it, cwd)?;
        if mine.args() != theirs.args() {
            return None;
        }
        let is_named_like = |run: &str, built: &str| {
            // `go run main.go` names its program `main`.
            run == "main" || run == built || cwd.file_name() == Some(OsStr::new(run))
        };
        let is_same = match (&mine, &theirs) {
            (GoProgram::Run { package, .. }, GoProgram::Built { name, .. })
            | (GoProgram::Built { name, .. }, GoProgram::Run { package, .. }) => {
                is_named_like(package, name)
            }
            (GoProgram::RunChild { name: run, .. }, GoProgram::Built { name, .. })
            | (GoProgram::Built { name, .. }, GoProgram::RunChild { name: run, .. }) => {
                is_named_like(run, name)
            }
            // `go run` itself is compared; this may be its child.
            (GoProgram::Run { .. }, GoProgram::RunChild { .. }) => false,
            _ => return None,
        };
        Some(if is_same {
            CommandLikeness::Same
        } else {
            CommandLikeness::Near(CommandDifference::OtherBuild)
        })
    }
}

impl GoProgram {
    fn of(it: &Invocation, cwd: &Path) -> Option<GoProgram> {
        let Target::Program(path) = &it.target else { return None };
        if base_name(path) == "go" {
            let (first, rest) = it.args.split_first()?;
            return (first == "run").then(|| run(rest, cwd)).flatten();
        }
        let (name, args) = (base_name(path), it.args.clone());
        if is_built_by_go_run(path) {
            Some(GoProgram::RunChild { name, args })
        } else {
            let is_below = has_folder(path.as_os_str()) && absolute(path, cwd).starts_with(cwd);
            is_below.then_some(GoProgram::Built { name, args })
        }
    }

    fn args(&self) -> &[OsString] {
        match self {
            GoProgram::Run { args, .. }
            | GoProgram::RunChild { args, .. }
            | GoProgram::Built { args, .. } => args,
        }
    }
}

/// Parses what follows `go run`.
fn run(words: &[OsString], cwd: &Path) -> Option<GoProgram> {
    let mut words = words;
    let mut is_elsewhere = false;
    while let Some((option, rest)) =
        words.split_first().filter(|it| it.0.as_encoded_bytes().starts_with(b"-"))
    {
        let option = option.to_str()?;
        is_elsewhere |= option == "-C" || option.starts_with("-C=");
        let takes_next = VALUES.contains(&option);
        words = rest.get(usize::from(takes_next)..)?;
    }
    let (first, mut args) = words.split_first().filter(|_| !is_elsewhere)?;
    let is_file = |word: &OsString| Path::new(word).extension() == Some(OsStr::new("go"));
    let package = if is_file(first) {
        while let Some((_, rest)) = args.split_first().filter(|it| is_file(it.0)) {
            args = rest;
        }
        "main".to_owned()
    } else {
        base_name(&absolute(Path::new(first), cwd))
    };
    Some(GoProgram::Run { package, args: args.to_vec() })
}

/// Returns whether `go run` has built this program: `/tmp/go-build123/b001/exe/bot`. Since Go 1.24,
/// the next `go run` of the same source starts it from the build cache:
/// `~/.cache/go-build/ab/ab12…-d/bot`.
fn is_built_by_go_run(path: &Path) -> bool {
    let folders: Vec<&[u8]> =
        path.iter().rev().skip(1).take(3).map(OsStr::as_encoded_bytes).collect();
    match folders[..] {
        [b"exe", _, build] if build.starts_with(b"go-build") => true,
        [entry, start, _] => {
            let hash = entry.strip_suffix(b"-d").unwrap_or_default();
            let is_hash = hash.len() == 64 && hash.iter().all(u8::is_ascii_hexdigit);
            is_hash && start.len() == 2 && hash.starts_with(start)
        }
        _ => false,
    }
}
