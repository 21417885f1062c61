//! The bot that the `.env` of a process's own folder names. An entry of `[[match]]` may cover the
//! folders of several bots, a copied folder has the same `instance`, and a start script may have
//! left another bot below the first (`python3 bob.py & exec python3 alice.py`). They show no token.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::config::dotenv;
use crate::engine::fact::Fact;
use crate::engine::instance::{BotId, NameSource};
use crate::engine::process::Process;
use crate::scan::command::Command;
use crate::scan::invocation::{Invocation, Target, absolute};
use crate::scan::scan_request::ScanRequest;
use crate::scan::wrapper_programs::CommandRole;

impl ScanRequest {
    /// Returns another bot than this start's, if a loader that starts in the folder of a process,
    /// or in that of its script, finds a `.env` that names it. `root` is the root of the process,
    /// and `guard_folder` the folder of the guard of this instance above it.
    pub(super) fn env_file_bot(
        &self,
        process: &Process,
        root: &Path,
        guard_folder: Option<PathBuf>,
    ) -> Fact<Option<BotId>> {
        // The number of a bot is its own name, however it was started. What runs elsewhere below
        // its guard may be another bot.
        let is_named = self.name_source == NameSource::Token && process.is_of_my_instance();
        let may_be_another = !is_named || guard_folder.is_some();
        let Some(cwd) = process.cwd.known().filter(|_| may_be_another) else {
            return Fact::Known(None);
        };
        let mut own = self.own_env_file_folders();
        let mut folders: Vec<PathBuf> =
            script_folder(process, cwd).into_iter().chain([cwd.clone()]).collect();
        folders.retain(|it| !own.contains(it));
        if folders.is_empty() {
            return Fact::Known(None);
        }
        let mut mine = self.own_bots(&own);
        // A stop may come from anywhere.
        if is_named || mine.is_empty() {
            own.extend(guard_folder);
        }
        if mine.is_empty() {
            mine = self.own_bots(&own);
        }
        folders.retain(|it| !own.contains(it));
        if mine.is_empty() {
            return Fact::Known(None);
        }
        let bots = folders.iter().map(|it| {
            match dotenv::nearest_bot(&self.token_variables, root, it, &own) {
                Fact::Known(bot) => Fact::Known(bot.filter(|bot| !mine.contains(bot))),
                Fact::Unknown => Fact::Unknown,
            }
        });
        bots.into_iter().find(|bot| *bot != Fact::Known(None)).unwrap_or(Fact::Known(None))
    }

    /// Returns the folders of this start and of its scripts. If a token of this start differs from
    /// their `.env`, `in_dotenv` says so.
    fn own_env_file_folders(&self) -> Vec<PathBuf> {
        let of_scripts = self.command.iter().flat_map(Command::loader_folders);
        self.cwd.iter().cloned().chain(of_scripts).collect()
    }

    /// Returns the bots of this start: those of its tokens, or else those that loaders find from
    /// its folders.
    fn own_bots(&self, own: &[PathBuf]) -> BTreeSet<BotId> {
        if !self.tokens.bots.is_empty() {
            return self.tokens.bots.clone();
        }
        let root = Path::new("/");
        let found = own.iter().map(|it| dotenv::nearest_bot(&self.token_variables, root, it, &[]));
        found.filter_map(|bot| bot.known().copied().flatten()).collect()
    }
}

fn script_folder(process: &Process, cwd: &Path) -> Option<PathBuf> {
    let words: Vec<&OsStr> = process.args.known()?.iter().map(OsStr::new).collect();
    let read = Invocation::of(&words, Some(cwd), CommandRole::Process);
    match &read.target {
        Target::Script(path, _) => absolute(path, cwd).parent().map(Path::to_owned),
        Target::Program(_)
        | Target::Module(_)
        | Target::Code(..)
        | Target::Entry(..)
        | Target::Input => None,
    }
}
