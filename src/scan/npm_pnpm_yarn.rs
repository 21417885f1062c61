//! JavaScript package managers, which run scripts and programs of packages: npm, npx, pnpm, yarn
//! and bun.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::scan::command_context::CommandContext;
use crate::scan::passed_options::{self, SettingForm};
use crate::scan::wrapper_result::{EntryFile, PackageEntry, WrappedCommand, is_option, owned};

/// The names of the managers, and of the scripts that implement them.
const NAMES: [(&str, Manager); 9] = [
    ("npm", Manager::Npm),
    ("npm-cli.js", Manager::Npm),
    ("npx", Manager::Npx),
    ("npx-cli.js", Manager::Npx),
    ("pnpm", Manager::Pnpm),
    ("pnpm.cjs", Manager::Pnpm),
    ("yarn", Manager::Yarn),
    ("yarn.js", Manager::Yarn),
    ("bun", Manager::Bun),
];

pub(super) fn is_one(name: &str) -> bool {
    NAMES.iter().any(|(own, _)| *own == name)
}

/// Returns what the package manager with this name starts; `None` if it is not a package manager.
pub(super) fn wrapped_command(name: &str, words: &[&OsStr]) -> Option<WrappedCommand> {
    let (_, manager) = NAMES.iter().find(|(own, _)| *own == name)?;
    let is_filter = |word: &&OsStr| {
        let word = word.to_string_lossy();
        word.starts_with("--filter") || word.starts_with("-F")
    };
    if *manager == Manager::Bun && !words.iter().any(is_filter) {
        return None;
    }
    Some(Line::new(*manager, words).read().unwrap_or(WrappedCommand::Unclear))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Npm,
    /// `npm exec`.
    Npx,
    Pnpm,
    Yarn,
    /// Only with `--filter`. Otherwise, bun is an interpreter.
    Bun,
}

/// A command line while it is parsed.
struct Line<'a, 'b> {
    manager: Manager,
    words: &'b [&'a OsStr],
    context: CommandContext,
    workspace: Option<OsString>,
    has_ended_options: bool,
}

impl<'a, 'b> Line<'a, 'b> {
    fn new(manager: Manager, words: &'b [&'a OsStr]) -> Self {
        let context = CommandContext::default();
        Line { manager, words, context, workspace: None, has_ended_options: false }
    }

    fn read(mut self) -> Option<WrappedCommand> {
        if self.manager == Manager::Npx {
            return self.program();
        }
        let mut name = self.operand()?.to_str()?;
        if self.manager == Manager::Yarn && name == "workspace" {
            self.workspace = Some(self.operand()?.to_owned());
            name = self.operand()?.to_str()?;
        }
        let name = match name {
            "exec" | "x" | "dlx" => return self.program(),
            "run" | "run-script" => self.operand()?,
            "start" | "stop" | "restart" | "test" => OsStr::new(name),
            // The other managers run a script under any name.
            _ if self.is_npm() => return None,
            _ => OsStr::new(name),
        };
        let args = match self.manager {
            Manager::Npm | Manager::Npx => self.npm_arguments()?,
            Manager::Pnpm | Manager::Yarn | Manager::Bun => {
                owned(self.words.strip_prefix(&[OsStr::new("--")]).unwrap_or(self.words))
            }
        };
        let Line { context, workspace, .. } = self;
        let name = name.to_owned();
        let file = EntryFile::Package;
        let part = workspace;
        Some(WrappedCommand::Entry(PackageEntry { file, name, args, context, part }))
    }

    fn is_npm(&self) -> bool {
        matches!(self.manager, Manager::Npm | Manager::Npx)
    }

    /// Parses a program of the packages, with its arguments.
    fn program(mut self) -> Option<WrappedCommand> {
        let first = self.operand()?;
        let args = match self.manager {
            Manager::Npm => self.npm_arguments()?,
            Manager::Npx | Manager::Pnpm | Manager::Yarn | Manager::Bun => owned(self.words),
        };
        // npm would look for it in the workspace's package.
        let is_here = self.workspace.is_none();
        let words = [vec![first.to_owned()], args].concat();
        is_here.then_some(WrappedCommand::Words(words, self.context))
    }

    /// npm also parses its own options after the name, up to `--`.
    fn npm_arguments(&mut self) -> Option<Vec<OsString>> {
        let mut args = Vec::new();
        while let Some((first, rest)) = self.words.split_first() {
            if is_option(first) && !self.has_ended_options {
                self.option(OptionPlace::BehindName)?;
            } else {
                self.words = rest;
                args.push((*first).to_owned());
            }
        }
        Some(args)
    }

    /// Returns the next word that is not an option.
    fn operand(&mut self) -> Option<&'a OsStr> {
        while !self.has_ended_options && self.words.first().is_some_and(|word| is_option(word)) {
            self.option(OptionPlace::BeforeName)?;
        }
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    /// Parses an option; `None` if it is unclear which package or folder it selects.
    fn option(&mut self, place: OptionPlace) -> Option<()> {
        let (option, rest) = self.words.split_first()?;
        self.words = rest;
        let option = option.to_str()?;
        if option == "--" {
            self.has_ended_options = true;
            return Some(());
        }
        let (name, value) = option
            .split_once('=')
            .map_or((option, None), |(name, value)| (name, Some(OsStr::new(value))));
        match name {
            "--prefix" | "-C" | "--dir" | "--cwd" => {
                let folder = self.value(value)?;
                self.context.enter(Path::new(folder));
            }
            "-w" if !self.is_npm() => return None,
            "-p" if self.manager == Manager::Npx => drop(self.value(value)?),
            "--workspace" | "-w" | "--filter" | "-F" => {
                let package = self.value(value)?;
                let is_plain = !package.to_str()?.contains(['*', '{', '}', '[', ']', '!', '^']);
                if !is_plain || self.workspace.replace(package.to_owned()).is_some() {
                    return None;
                }
            }
            "--workspaces" | "-ws" | "--workspace-root" | "-r" | "--recursive" | "--stream"
            | "--parallel" => return None,
            _ => {
                let setting = match (passed_options::form_of(name), place) {
                    (SettingForm::Flag, _) | (SettingForm::Unknown, OptionPlace::BehindName)
                        if value.is_none() =>
                    {
                        passed_options::flag(name)
                    }
                    // The option may take the script's name as its value.
                    (SettingForm::Unknown, OptionPlace::BeforeName) if value.is_none() => {
                        return None;
                    }
                    (SettingForm::Value | SettingForm::Flag | SettingForm::Unknown, _) => {
                        passed_options::option_of(name, &self.value(value)?.to_string_lossy())
                    }
                };
                self.context.options.extend(setting);
            }
        }
        Some(())
    }

    fn value<'c>(&mut self, attached: Option<&'c OsStr>) -> Option<&'c OsStr>
    where
        'a: 'c,
    {
        attached.or_else(|| {
            let (first, rest) = self.words.split_first()?;
            self.words = rest;
            Some(*first)
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OptionPlace {
    BeforeName,
    BehindName,
}
