//! The bot that the `.env` of a process's own folder names. An entry of `[[match]]` may cover the
//! folders of several bots, and a copied folder has the same `instance`. They show no token.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::config::dotenv;
use crate::engine::fact::Truth;
use crate::engine::instance::{BotId, NameSource};
use crate::engine::process::Process;
use crate::scan::invocation::{Invocation, Target, absolute};
use crate::scan::scan_request::ScanRequest;
use crate::scan::wrapper_programs::CommandRole;

impl ScanRequest {
    /// Returns another bot than this start's, if a loader that starts in the folder of a process,
    /// or in that of its script, finds a `.env` that names it. `root` is the root of the process.
    pub(super) fn env_file_bot(&self, process: &Process, root: &Path) -> Option<BotId> {
        let is_matched =
            || self.policy.matches.iter().any(|it| it.pattern.matches(process) == Truth::True);
        // The number of a bot is its own name.
        let may_be_copied = self.name_source != NameSource::Token && !self.tokens.bots.is_empty();
        if !(may_be_copied && process.is_of_my_instance() || is_matched()) {
            return None;
        }
        let cwd = process.cwd.known()?;
        let folders = script_folder(process, cwd).into_iter().chain([cwd.clone()]);
        let mut bots =
            folders.filter_map(|it| dotenv::nearest_bot(&self.token_variables, root, &it));
        bots.find(|bot| !self.tokens.bots.contains(bot))
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
