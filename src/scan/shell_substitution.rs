//! The output of `$(…)`, where a script asks for its own folder or for the path of a program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::scan::command_context::assignment;
use crate::scan::executable::{has_folder, search};
use crate::scan::invocation::absolute;
use crate::scan::passing_failure;
use crate::scan::shell_expansion::Scope;
use crate::scan::shell_statements::{Separator, statements};

enum Outcome {
    Succeeded,
    Printed(String),
    Failed,
}

impl Scope<'_> {
    /// Returns the output of these commands, if they only ask for a folder or a program. `None` if
    /// it is not known.
    pub(super) fn substitution(&self, commands: &str) -> Option<String> {
        let mut scope = Scope {
            knows_own_path: true,
            cwd: self.cwd.clone(),
            variables: self.variables.clone(),
            args: self.args.clone(),
            ..*self
        };
        let (mut output, mut has_failed, mut before) = (None, false, Separator::Line);
        for statement in statements(commands) {
            let is_skipped = match before {
                Separator::Line => false,
                Separator::And => has_failed,
                Separator::Or => !has_failed,
                Separator::Pipe | Separator::Background | Separator::Open | Separator::Close => {
                    return None;
                }
            };
            before = statement.end;
            if is_skipped {
                continue;
            }
            has_failed = false;
            match scope.run(&statement.text)? {
                Outcome::Succeeded => {}
                Outcome::Failed => has_failed = true,
                Outcome::Printed(_) if output.is_some() => return None,
                Outcome::Printed(text) => output = Some(text),
            }
        }
        output.filter(|_| before == Separator::Line)
    }

    fn run(&mut self, command: &str) -> Option<Outcome> {
        let words = self.words(command)?;
        let mut words =
            words.iter().map(String::as_str).skip_while(|it| assignment(OsStr::new(it)).is_some());
        let name = words.next()?;
        let (options, operands): (Vec<&str>, Vec<&str>) =
            words.partition(|word| word.starts_with('-'));
        if operands.iter().chain(&options).any(|word| word.contains('\0')) {
            return None;
        }
        let only = |known: &[&str]| options.iter().all(|it| *it == "--" || known.contains(it));
        let operand = || match operands[..] {
            [operand] => Some(operand),
            _ => None,
        };
        let whole = |scope: &Self| Some(absolute(Path::new(operand()?), scope.cwd.as_deref()?));
        match name {
            "cd" if only(&["-P", "-L"]) => {
                let entered = whole(self)?;
                let is_physical = options.contains(&"-P");
                self.cwd = Some(if is_physical { canonical(entered) } else { entered });
                Some(Outcome::Succeeded)
            }
            "pwd" if operands.is_empty() && only(&["-P", "-L"]) => {
                let cwd = self.cwd.clone()?;
                printed(if options.contains(&"-P") { canonical(cwd) } else { cwd })
            }
            "dirname" if only(&[]) => {
                let folder = Path::new(operand()?).parent()?;
                printed(if folder == Path::new("") { "." } else { folder.to_str()? })
            }
            "readlink" | "greadlink" if follows_links(&options) => printed(canonical(whole(self)?)),
            "realpath" | "grealpath" if only(&["-e", "-m", "-P", "-q"]) => {
                printed(canonical(whole(self)?))
            }
            "which" if only(&[]) => self.program(operand()?),
            "command" if only(&["-v"]) && options.contains(&"-v") => self.program(operand()?),
            "type" if only(&["-p", "-P"]) && !options.is_empty() => self.program(operand()?),
            _ => None,
        }
    }

    fn program(&self, name: &str) -> Option<Outcome> {
        if has_folder(OsStr::new(name)) {
            return printed(name);
        }
        let has_other_path = self.variables.contains_key("PATH") || self.has_unknown_variables;
        let cwd = self.cwd.as_deref().filter(|_| !has_other_path)?;
        search(OsStr::new(name), cwd).map_or(Some(Outcome::Failed), printed)
    }
}

fn printed(path: impl AsRef<Path>) -> Option<Outcome> {
    Some(Outcome::Printed(path.as_ref().to_str()?.to_owned()))
}

pub(super) fn canonical(path: PathBuf) -> PathBuf {
    passing_failure::canonicalize(&path).unwrap_or(path)
}

fn follows_links(options: &[&str]) -> bool {
    let is_known =
        |it: &&str| ["--", "-f", "-e", "-m", "-n", "-nf", "-fn", "--canonicalize"].contains(it);
    options.iter().all(is_known) && options.iter().any(|it| !["--", "-n"].contains(it))
}
