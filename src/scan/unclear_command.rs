//! A command of a start script of which some words are not known: its interpreter, its script or
//! its folder. A process that fits the known rest may be the bot.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::scan::executable::has_folder;
use crate::scan::interpreters::Language;
use crate::scan::invocation::{Invocation, Target, module_target};
use crate::scan::passing_failure::is_file;
use crate::scan::shell_expansion::{UNKNOWN_WORDS, affixes, is_unknown};
use crate::scan::wrapper_programs::CommandRole;

#[derive(Debug, Clone)]
pub(super) struct UnclearCommand {
    pub(super) target: UnclearTarget,
    pub(super) args: Vec<OsString>,
    /// The folder of the command, or the one from which it entered an unknown one.
    pub(super) folder: PathBuf,
    pub(super) knows_folder: bool,
}

#[derive(Debug, Clone)]
pub(super) enum UnclearTarget {
    /// This script, module or code, by an unknown interpreter or in an unknown folder.
    Known(Target),
    /// A script whose path begins and ends so, of this language.
    Script(String, String, Option<Language>),
    /// A program whose path ends so: the end has its whole name.
    Program(String),
    /// Code that is not known.
    Code(Language),
    /// Anything.
    Any,
}

impl UnclearCommand {
    /// Describes a command with unknown words. `None` if all of them are known, or if nothing says
    /// that it is one of a bot.
    pub(super) fn of(words: &[OsString], folder: &Path, knows_folder: bool) -> Option<Self> {
        let is_clear = knows_folder && !words.iter().any(|word| is_unknown(word));
        if is_clear {
            return None;
        }
        let refs: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
        let it = Invocation::of(&refs, Some(folder), CommandRole::Mine);
        let folder = it.context.folder.clone().unwrap_or_else(|| folder.to_owned());
        let (target, args) = match it.target {
            Target::Script(path, language) if is_unknown(path.as_os_str()) => {
                let (before, after) = affixes(path.as_os_str());
                (UnclearTarget::Script(before, after, language), it.args)
            }
            Target::Module(name) if is_unknown(&name) => (
                UnclearTarget::Script(String::new(), String::new(), Some(Language::Python)),
                it.args,
            ),
            Target::Code(Language::Shell, code) if is_unknown(&code) => {
                (UnclearTarget::Any, vec![UNKNOWN_WORDS.into()])
            }
            Target::Code(language, code) if is_unknown(&code) => {
                (UnclearTarget::Code(language), it.args)
            }
            Target::Program(path) if is_unknown(path.as_os_str()) => {
                by_unknown_program(&path, &it.args, &folder)?
            }
            Target::Program(path) if has_folder(path.as_os_str()) => {
                (UnclearTarget::Known(Target::Program(path)), it.args)
            }
            Target::Program(_) | Target::Entry(..) | Target::Input => return None,
            target @ (Target::Script(..) | Target::Module(_) | Target::Code(..)) => {
                (UnclearTarget::Known(target), it.args)
            }
        };
        Some(UnclearCommand { target, args, folder, knows_folder })
    }

    /// Returns whether nothing is known but the folder.
    pub(super) fn is_anything(&self) -> bool {
        matches!(self.target, UnclearTarget::Any)
    }

    /// Returns whether the command runs where a process does.
    pub(super) fn may_be_in(&self, cwd: &Path) -> bool {
        let may_be_below = !self.knows_folder && self.folder.parent().is_some();
        cwd == self.folder || may_be_below && cwd.starts_with(&self.folder)
    }

    /// Returns a word that the command line of each process that fits has, if there is one.
    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    pub(super) fn name(&self) -> Option<&OsStr> {
        match &self.target {
            UnclearTarget::Known(Target::Script(path, _) | Target::Program(path)) => {
                path.file_name()
            }
            UnclearTarget::Script(_, after, _) | UnclearTarget::Program(after) => {
                Path::new(after).file_name().filter(|_| after.contains('/'))
            }
            UnclearTarget::Known(_) | UnclearTarget::Code(_) | UnclearTarget::Any => None,
        }
    }
}

/// Returns what an unknown program may run with these arguments.
fn by_unknown_program(
    path: &Path,
    args: &[OsString],
    folder: &Path,
) -> Option<(UnclearTarget, Vec<OsString>)> {
    let (_, after) = affixes(path.as_os_str());
    if after.contains('/') {
        return Some((UnclearTarget::Program(after), args.to_vec()));
    }
    let any = || (UnclearTarget::Any, [&[UNKNOWN_WORDS.into()], args].concat());
    // `$SUDO python3 main.py`
    let refs: Vec<&OsStr> = args.iter().map(OsString::as_os_str).collect();
    let inner = Invocation::of(&refs, Some(folder), CommandRole::Mine);
    if !matches!(inner.target, Target::Program(_) | Target::Input) {
        return Some(match inner.target {
            Target::Script(path, language) if is_unknown(path.as_os_str()) => {
                let (before, after) = affixes(path.as_os_str());
                (UnclearTarget::Script(before, after, language), inner.args)
            }
            target => (UnclearTarget::Known(target), inner.args),
        });
    }
    // `$PYTHON -u main.py`
    let Some(at) = args.iter().position(|arg| !arg.as_encoded_bytes().starts_with(b"-")) else {
        return Some(any());
    };
    let (options, rest) = args.split_at(at);
    let (word, rest) = rest.split_first()?;
    if options.last().is_some_and(|option| option == "-m") && !is_unknown(word) {
        return Some((UnclearTarget::Known(module_target(word, Some(folder))), rest.to_vec()));
    }
    let (before, after) = affixes(word);
    if is_unknown(word) && after.contains('/') {
        return Some((UnclearTarget::Script(before, after, None), rest.to_vec()));
    }
    if !is_unknown(word) && is_file(&folder.join(word)) {
        let script = Target::Script(PathBuf::from(word), None);
        return Some((UnclearTarget::Known(script), rest.to_vec()));
    }
    Some(any())
}
