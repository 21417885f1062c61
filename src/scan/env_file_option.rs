//! Options that name a file of variables: `node --env-file=.env`, `dotenv -e .env`.

use std::fs;
use std::path::Path;

use crate::scan::command_context::{CommandContext, CommandOption};
use crate::scan::invocation::absolute;

/// The options of node, bun and uv for a file of variables.
const ENV_FILES: [&str; 2] = ["--env-file", "--env-file-if-exists"];

/// Those of dotenv and env-cmd.
const ENV_FILES_OF_LOADERS: [&str; 3] = ["-e", "-f", "--file"];

/// Returns whether an option names a file of variables.
pub(super) fn is_env_file(option: &CommandOption) -> bool {
    ENV_FILES.iter().chain(&ENV_FILES_OF_LOADERS).any(|name| option.name == *name)
}

impl CommandContext {
    /// Compares the files of variables by their paths, and leaves out the `.env` of the folder:
    /// loaders read it without an option too.
    pub(super) fn resolve_env_files(&mut self, folder: &Path) {
        let whole = |path: &Path| {
            let parent = path.parent().map(|it| fs::canonicalize(it).unwrap_or(it.to_owned()));
            parent.unwrap_or_default().join(path.file_name().unwrap_or_default())
        };
        self.options.retain_mut(|option| {
            let is_of_node = ENV_FILES.contains(&&*option.name);
            if !is_of_node && !ENV_FILES_OF_LOADERS.contains(&&*option.name) {
                return true;
            }
            let path = whole(&absolute(Path::new(&option.value), folder));
            if is_of_node {
                ENV_FILES[0].clone_into(&mut option.name);
                option.value = path.clone().into();
            }
            path != whole(&folder.join(".env"))
        });
    }
}
