//! The package managers of JavaScript: npm, pnpm and yarn run a script of a package.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::scan::command_context::{CommandContext, CommandOption};
use crate::scan::wrapped_command::{
    EntryFile, PackageEntry, WrappedCommand, command, is_option, owned,
};

/// Each also runs under the name of its own script.
const NAMES: [&str; 6] = ["npm", "npm-cli.js", "pnpm", "pnpm.cjs", "yarn", "yarn.js"];

/// Options that change nothing for the script.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    "-s", "-d", "-dd", "-ddd", "-q", "-y", "--silent", "--quiet", "--verbose", "--yes", "--audit",
    "--fund", "--progress", "--unicode", "--color", "--if-present", "--ignore-scripts",
    "--foreground-scripts", "--offline", "--prefer-offline", "--prefer-online",
    "--update-notifier", "--scripts-prepend-node-path", "--no-audit", "--no-fund",
    "--no-progress", "--no-color", "--no-update-notifier", "--no-unicode",
];

const HARMLESS_VALUES: &[&str] = &["--loglevel", "--script-shell", "--cache", "--userconfig"];

/// Returns whether a program of this name is a package manager.
pub(super) fn is_one(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Returns what it starts.
pub(super) fn wrapped_command(name: &str, words: &[&OsStr]) -> WrappedCommand {
    Line::new(name, words).read().unwrap_or(WrappedCommand::Unclear)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Npm,
    Pnpm,
    Yarn,
}

/// A command line that is being read.
struct Line<'a, 'b> {
    manager: Manager,
    words: &'b [&'a OsStr],
    context: CommandContext,
    workspace: Option<OsString>,
}

impl<'a, 'b> Line<'a, 'b> {
    fn new(name: &str, words: &'b [&'a OsStr]) -> Self {
        let manager = if name.starts_with("npm") {
            Manager::Npm
        } else if name.starts_with("pnpm") {
            Manager::Pnpm
        } else {
            Manager::Yarn
        };
        Line { manager, words, context: CommandContext::default(), workspace: None }
    }

    fn read(mut self) -> Option<WrappedCommand> {
        let mut name = self.operand()?.to_str()?;
        if self.manager == Manager::Yarn && name == "workspace" {
            self.workspace = Some(self.operand()?.to_owned());
            name = self.operand()?.to_str()?;
        }
        let name = match name {
            "exec" | "x" | "dlx" => {
                let first = self.operand()?;
                // npm would find it in the package of a workspace.
                return if self.workspace.is_some() {
                    None
                } else {
                    command(&[&[first], self.words].concat(), self.context)
                };
            }
            "run" | "run-script" => self.operand()?,
            "start" | "stop" | "restart" | "test" => OsStr::new(name),
            // The others run any name of the package.
            _ if self.manager == Manager::Npm => return None,
            _ => OsStr::new(name),
        };
        let args = if self.manager == Manager::Npm {
            self.npm_arguments()?
        } else {
            owned(self.words.strip_prefix(&[OsStr::new("--")]).unwrap_or(self.words))
        };
        let Line { context, workspace, .. } = self;
        let name = name.to_owned();
        let file = EntryFile::Package;
        Some(WrappedCommand::Entry(PackageEntry { file, name, args, context, workspace }))
    }

    /// npm reads its own options behind the name too, up to `--`.
    fn npm_arguments(&mut self) -> Option<Vec<OsString>> {
        let mut args = Vec::new();
        while let Some((first, rest)) = self.words.split_first() {
            if *first == "--" {
                args.extend(owned(rest));
                break;
            }
            if is_option(first) {
                self.option(OptionPlace::BehindName)?;
            } else {
                self.words = rest;
                args.push((*first).to_owned());
            }
        }
        Some(args)
    }

    /// Returns the next word that is no option.
    fn operand(&mut self) -> Option<&'a OsStr> {
        while self.words.first().is_some_and(|word| is_option(word)) {
            self.option(OptionPlace::BeforeName)?;
        }
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    /// Reads an option; `None` where it is not plain what package or folder it means.
    fn option(&mut self, place: OptionPlace) -> Option<()> {
        let (option, rest) = self.words.split_first()?;
        self.words = rest;
        let option = option.to_str()?;
        if option == "--" {
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
            "-w" if self.manager != Manager::Npm => return None,
            "--workspace" | "-w" | "--filter" | "-F" => {
                let package = self.value(value)?;
                let is_plain = !package.to_str()?.contains(['*', '{', '}', '[', ']', '!', '^']);
                if !is_plain || self.workspace.replace(package.to_owned()).is_some() {
                    return None;
                }
            }
            "--workspaces" | "-ws" | "--workspace-root" | "-r" | "--recursive" | "--stream"
            | "--parallel" => return None,
            _ if HARMLESS.contains(&name) => {}
            _ if HARMLESS_VALUES.contains(&name) => drop(self.value(value)?),
            // Variables of the script: `npm_config_bot`.
            _ if self.manager == Manager::Npm => {
                let value = match (place, value) {
                    (_, Some(value)) => value,
                    (OptionPlace::BeforeName, None) => return None,
                    (OptionPlace::BehindName, None) => self.next_value().unwrap_or_default(),
                };
                let (name, value) = (name.to_owned(), value.to_owned());
                self.context.options.push(CommandOption { name, value });
            }
            _ => {}
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

    fn next_value(&mut self) -> Option<&'a OsStr> {
        let (first, rest) = self.words.split_first().filter(|(first, _)| !is_option(first))?;
        self.words = rest;
        Some(first)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OptionPlace {
    BeforeName,
    BehindName,
}
