//! The bot that the `.env` of a process's own folder names. An entry of `[[match]]` may cover the
//! folders of several bots, a copied folder has the same `instance`, and a start script may have
//! left another bot below the first (`python3 bob.py & exec python3 alice.py`). They show no token.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::config::dotenv;
use crate::engine::fact::Fact;
use crate::engine::instance::{BotId, NameSource};
use crate::engine::process::Process;
use crate::scan::invocation::{Invocation, Target, absolute};
use crate::scan::scan_request::ScanRequest;
use crate::scan::wrapper_programs::CommandRole;

impl ScanRequest {
    /// Returns another bot than this start's, if a loader that starts in the folder of a process,
    /// or in that of its script, finds a `.env` that names it. `root` is the root of the process.
    pub(super) fn env_file_bot(&self, process: &Process, root: &Path) -> Fact<Option<BotId>> {
        // `in_dotenv` has the bot of this start's own folder.
        let cwd = process.cwd.known().filter(|cwd| Some(*cwd) != self.cwd.as_ref());
        // The number of a bot is its own name, however it was started.
        let is_named = self.name_source == NameSource::Token && process.is_of_my_instance();
        let Some(cwd) = cwd.filter(|_| !self.tokens.bots.is_empty() && !is_named) else {
            return Fact::Known(None);
        };
        let folders = script_folder(process, cwd).into_iter().chain([cwd.clone()]);
        let bots = folders.map(|it| dotenv::nearest_bot(&self.token_variables, root, &it));
        let is_mine = |bot: &BotId| self.tokens.bots.contains(bot);
        bots.map(|bot| match bot {
            Fact::Known(bot) => Fact::Known(bot.filter(|bot| !is_mine(bot))),
            Fact::Unknown => Fact::Unknown,
        })
        .find(|bot| *bot != Fact::Known(None))
        .unwrap_or(Fact::Known(None))
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
