//! Distinguishes what COMMAND forks or spawns from other programs that it may have started, such as
//! a database, by the executable.

use std::path::Path;

use crate::scan::command::Command;
use crate::scan::executable::ProgramKind;
use crate::scan::interpreters::{Interpreter, Language};
use crate::scan::invocation::{Target, Through, base_name};
use crate::scan::scan_request::ScanRequest;

enum BotPrograms {
    /// All interpreters of one language.
    Language(Language),
    Executable,
    /// Any interpreter, or a program in the folder, because it is unknown what COMMAND starts.
    Any,
}

impl ScanRequest {
    /// Returns whether COMMAND may have forked or spawned a process that runs `exe`.
    pub(super) fn may_be_spawned(&self, exe: &Path) -> bool {
        let language = language_of(exe);
        let Some(command) = &self.command else {
            return language.is_some() || self.is_in_folder(exe);
        };
        match command.bot_programs() {
            BotPrograms::Language(own) => language == Some(own),
            BotPrograms::Executable => exe == command.program,
            BotPrograms::Any => {
                language.is_some() || exe == command.program || self.is_in_folder(exe)
            }
        }
    }

    /// Returns whether a program is in this start's folder. `/` does not count: a start without a
    /// folder of its own runs there.
    fn is_in_folder(&self, exe: &Path) -> bool {
        let folder = self.cwd.as_deref().filter(|folder| folder.parent().is_some());
        folder.is_some_and(|folder| exe.starts_with(folder))
    }
}

impl Command {
    fn bot_programs(&self) -> BotPrograms {
        let interpreters = match &self.kind {
            ProgramKind::Binary => &[][..],
            ProgramKind::Script(interpreters) => interpreters,
        };
        let by_program =
            || interpreters.iter().chain([&self.program]).find_map(|it| language_of(it));
        let language = match &self.runs.target {
            Target::Script(_, Some(language)) | Target::Code(language, _) => Some(*language),
            Target::Module(_) => Some(Language::Python),
            Target::Script(_, None) | Target::Program(_) | Target::Input => by_program(),
            // A shell runs the line of a package's script.
            Target::Entry(..) => Some(Language::Shell),
        };
        match (language, self.runs.through) {
            (Some(Language::Shell), _) | (None, Through::Wrapper) => BotPrograms::Any,
            (Some(language), _) => BotPrograms::Language(language),
            (None, Through::Itself) => BotPrograms::Executable,
        }
    }
}

fn language_of(program: &Path) -> Option<Language> {
    Interpreter::by_name(&base_name(program)).map(|it| it.language)
}
