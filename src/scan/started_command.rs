//! The commands that COMMAND starts or becomes, as far as its files tell. A process that runs one
//! of them may be the bot, although nothing in its command line says how it was started.
#![expect(clippy::disallowed_methods, reason = "reads the files of COMMAND")]

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::engine::choosing_variables::{EVERY_VARIABLE, Variable};
use crate::engine::variable_kind::{VariableKind, counts_in_script};
use crate::scan::command::{Certainty, Command, StartedCommand, logical};
use crate::scan::executable::{ProgramKind, has_folder, kind_of};
use crate::scan::harmless_command::is_never_the_bot;
use crate::scan::interpreters::{Interpreter, Language};
use crate::scan::invocation::{Invocation, Target, absolute, base_name};
use crate::scan::makefile;
use crate::scan::passing_failure::{canonicalize, is_file, note_refusal};
use crate::scan::script_command::{self, ScriptCommand, ScriptRole, ScriptStart, UnknownSettings};
use crate::scan::shell_expansion::is_unknown;
use crate::scan::shell_script;
use crate::scan::shell_words;
use crate::scan::unclear_command::UnclearCommand;
use crate::scan::watchers;

/// Limits scripts that start other scripts.
const MAX_DEPTH: u32 = 3;

impl Command {
    /// Finds what this command starts.
    pub(super) fn read_started(&self) -> Vec<StartedCommand> {
        self.started(self.commands_of_script(&[]), MAX_DEPTH, &[])
    }

    /// Finds what this command starts, and what it and those commands run where their files do not
    /// tell it in full.
    pub(super) fn read_scripts(&mut self) {
        let commands = self.commands_of_script(&[]);
        self.started = self.started(commands.clone(), MAX_DEPTH, &[]);
        let of_started = self.started.iter().flat_map(|it| {
            let StartedCommand { command, sets, .. } = it;
            command.unclear_among(command.commands_of_script(sets))
        });
        self.unclear = self.unclear_among(commands).into_iter().chain(of_started).collect();
    }

    fn unclear_among(&self, commands: Vec<ScriptCommand>) -> Vec<UnclearCommand> {
        let replaces_itself = commands.iter().any(|it| it.role == ScriptRole::Exec);
        let mut found = Vec::new();
        let mut last = None;
        for it in commands {
            let role = it.role;
            let unclear = self.unclear(&it);
            let is_of_bot = |it: &StartedCommand| !it.command.is_bare_program();
            let is_last = unclear.is_some() || self.resolve(it).as_ref().is_some_and(is_of_bot);
            match (role, unclear) {
                (ScriptRole::Exec | ScriptRole::Background, Some(unclear)) => found.push(unclear),
                // A line such as `$CLEANUP` says nothing.
                (ScriptRole::Other, unclear) if is_last && !replaces_itself => {
                    last = unclear.filter(|it| !it.is_anything());
                }
                (
                    ScriptRole::Exec
                    | ScriptRole::Background
                    | ScriptRole::Other
                    | ScriptRole::Arguments
                    | ScriptRole::NotChosen
                    | ScriptRole::Certain,
                    _,
                ) => {}
            }
        }
        found.into_iter().chain(last).collect()
    }

    fn unclear(&self, it: &ScriptCommand) -> Option<UnclearCommand> {
        let folder = match &it.context.folder {
            Some(entered) => canonicalize(&self.runs_in.join(entered))?,
            None => self.runs_in.clone(),
        };
        UnclearCommand::of(&it.words, &folder, it.knows_folder)
    }

    /// `of_script` are the commands of its script, and `outer` has the variables that the scripts
    /// above this command set.
    fn started(
        &self,
        of_script: Vec<ScriptCommand>,
        depth: u32,
        outer: &[Variable],
    ) -> Vec<StartedCommand> {
        let watched = watchers::started(self);
        let commands = if watched.is_empty() { of_script } else { watched };
        let mut found: Vec<Found> = Vec::new();
        for it in commands {
            let ScriptCommand { role, unknown, .. } = it;
            found.extend(self.resolve(it).map(|started| Found { role, unknown, started }));
        }
        let mut all = with_certainty(without_helpers(found));
        if all.is_empty() {
            all = self.launched();
        }
        let setup = self.runs.context.options.iter().filter(|it| it.is_setup());
        for it in &mut all {
            let options = &mut it.command.runs.context.options;
            options.extend(setup.clone().cloned());
        }
        let Some(depth) = depth.checked_sub(1) else { return all };
        let mut more = Vec::new();
        for script in &all {
            // `env ROOM=bob sh common.sh` sets it for what that script starts, too.
            let by_words = &script.command.runs.context.variables;
            let set = [&script.sets, by_words.as_slice()].concat();
            let outer = [outer, &set].concat();
            let commands = script.command.commands_of_script(&outer);
            for mut inner in script.command.started(commands, depth, &outer) {
                inner.certainty = inner.certainty.max(script.certainty);
                inner.sets = [set.clone(), inner.sets].concat();
                inner.replaces.extend(script.replaces.iter().cloned());
                more.push(inner);
            }
        }
        [all, more].concat()
    }

    fn commands_of_script(&self, outer: &[Variable]) -> Vec<ScriptCommand> {
        let mut args = self.runs.args.clone();
        let mut given = Vec::new();
        let (text, script) = match &self.runs.target {
            Target::Entry(_, Some(line)) => (Some(format!("{line} \"$@\"")), None),
            Target::Code(Language::Shell, line) => {
                // The first word is the name of the script.
                args = args.get(1..).unwrap_or_default().to_vec();
                (line.to_str().map(str::to_owned), None)
            }
            Target::Program(name) if makefile::is_make(name) => {
                let recipe = makefile::read(&args, &self.runs_in);
                args = Vec::new();
                let (text, variables) = recipe.map(|it| (it.text, it.variables)).unzip();
                given = variables.unwrap_or_default();
                (text, None)
            }
            Target::Script(..)
            | Target::Program(_)
            | Target::Module(_)
            | Target::Code(..)
            | Target::Entry(..)
            | Target::Input => {
                let script = self.shell_script();
                (script.and_then(script_command::text), script)
            }
        };
        let Some(text) = text else { return Vec::new() };
        let environment = |name: &str| self.variable(OsStr::new(name), outer)?.into_string().ok();
        let start =
            ScriptStart { args: &args, script, cwd: &self.folder, environment: &environment };
        let mut commands = shell_script::commands(&text, &start);
        for (name, value) in given {
            for it in &mut commands {
                it.context.set(OsStr::new(&name), Some(OsStr::new(&value)));
            }
        }
        commands
    }

    /// Finds a command of a script. `None` if it is not one of a bot.
    fn resolve(&self, it: ScriptCommand) -> Option<StartedCommand> {
        let ScriptCommand { mut words, context, knows_folder, environment, .. } = it;
        if !knows_folder {
            return None;
        }
        let (folder, logical) = match &context.folder {
            Some(entered) => {
                let folder = canonicalize(&self.runs_in.join(entered))?;
                (folder, absolute(entered, &self.folder))
            }
            None => (self.runs_in.clone(), self.folder.clone()),
        };
        let first = words.first_mut()?;
        if let Some(environment) = environment.filter(|_| !has_folder(first)) {
            let program = folder.join(environment).join(&*first);
            if is_file(&program) {
                *first = program.into();
            }
        }
        let command = Command::find_without_started(words, folder, logical);
        let command = command.map_err(note_refusal).ok()?;
        match &command.runs.target {
            Target::Script(path, _) if is_unknown(path.as_os_str()) => return None,
            Target::Script(..) if command.file.as_ref().is_none_or(|file| !is_file(file)) => {
                return None;
            }
            // `sleep` and `tail` may also run for other purposes in this folder.
            Target::Program(name)
                if command.is_bare_program() && (is_never_the_bot(name) || command.is_tool()) =>
            {
                return None;
            }
            Target::Code(_, code) if is_unknown(code) => return None,
            Target::Input => return None,
            Target::Script(..)
            | Target::Program(_)
            | Target::Module(_)
            | Target::Code(..)
            | Target::Entry(..) => {}
        }
        let set = context.variables.iter().chain(&command.runs.context.variables);
        let replaces = set.flat_map(|(name, _)| self.replaced(name)).collect();
        let certainty = Certainty::Likely;
        Some(StartedCommand { command, sets: context.variables, replaces, certainty })
    }

    /// Returns whether this is a program found through `$PATH`, such as `java`, that may be the bot
    /// or a helper of it. `make` may start the bot, and so may a launcher with a command.
    fn is_bare_program(&self) -> bool {
        matches!(&self.runs.target, Target::Program(name)
            if !has_folder(name.as_os_str()) && !makefile::is_make(name))
            && !self.launches_command()
    }

    /// Returns the variables that a setting of this name replaces, as this command gets them.
    fn replaced(&self, name: &OsStr) -> Vec<Variable> {
        let own = |name: OsString| (name.clone(), self.variable(&name, &[]));
        if name == EVERY_VARIABLE {
            return env::vars_os().map(|(name, _)| own(name)).collect();
        }
        vec![own(name.to_owned())]
    }

    /// Returns the names of the variables that the words of this command, its script and all that
    /// it starts set. Words alone, as in `env ROOM=bob`, count under names that may choose.
    pub(super) fn names_set(&self) -> BTreeSet<OsString> {
        let name = |(name, _): &Variable| name.clone();
        let by_words = self.runs.context.variables.iter().map(name);
        let mut names: BTreeSet<_> =
            by_words.filter(|name| VariableKind::of(name).may_choose()).collect();
        names.extend(self.assigns.iter().cloned());
        for it in &self.started {
            names.extend(it.sets.iter().map(name));
            names.extend(it.command.names_set());
        }
        names.retain(|name| name != EVERY_VARIABLE && counts_in_script(name));
        names
    }

    /// Returns the names of the variables that its scripts set, but perhaps not in every case or
    /// from the value that they get. Its words set what this start compares.
    #[cfg_attr(
        any(not(target_os = "linux"), monopoll_portable),
        expect(dead_code, reason = "only Linux reads the variables of processes")
    )]
    pub(super) fn names_passed_on(&self) -> BTreeSet<OsString> {
        let mut names = self.names_set();
        let of_started = self.started.iter().flat_map(|it| &it.command.reads);
        let reads: BTreeSet<&OsString> = self.reads.iter().chain(of_started).collect();
        names.retain(|name| {
            let is_set_by_words = self.runs.context.variables.iter().any(|(set, _)| set == name);
            !is_set_by_words && (VariableKind::of(name).may_choose() || reads.contains(name))
        });
        names
    }

    /// Returns the names of the variables that a command line sets, as far as its words and files
    /// tell.
    #[cfg_attr(
        any(not(target_os = "linux"), monopoll_portable),
        expect(dead_code, reason = "only Linux reads the variables of processes")
    )]
    pub(super) fn names_set_by(mut words: Vec<OsString>, cwd: PathBuf) -> BTreeSet<OsString> {
        let folder = logical(&cwd);
        // npm writes `npm run worker` as its title.
        if let [title] = words.as_slice()
            && let Some(title) = title.to_str().filter(|title| title.contains(' '))
        {
            words = shell_words::words(title).map(OsString::from).collect();
        }
        Command::find_without_started(words, cwd, folder).map_or_else(
            |_| BTreeSet::new(),
            |mut command| {
                command.started = command.read_started();
                command.names_set()
            },
        )
    }

    /// Returns the value of a variable as this command gets it.
    pub(super) fn variable(&self, name: &OsStr, outer: &[Variable]) -> Option<OsString> {
        let mut set = outer.iter().chain(&self.runs.context.variables).rev();
        let set = set.find(|(set, _)| set == name);
        set.map_or_else(|| env::var_os(name), |(_, value)| value.clone())
    }

    /// Returns this command and those that it starts.
    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    pub(super) fn with_started(&self) -> impl Iterator<Item = &Command> {
        [self].into_iter().chain(self.started.iter().map(|it| &it.command))
    }

    /// Returns the script that a shell runs.
    pub(super) fn shell_script(&self) -> Option<&Path> {
        let file = self.file.as_deref()?;
        let is_shell = |program: &PathBuf| {
            Interpreter::by_name(&base_name(program))
                .is_some_and(|it| it.language == Language::Shell)
        };
        let is_script_of_shell = match &self.runs.target {
            Target::Script(_, Some(language)) => *language == Language::Shell,
            Target::Script(_, None) => match kind_of(file, &self.cwd) {
                Ok(ProgramKind::Script(interpreters)) => interpreters.iter().any(is_shell),
                Ok(ProgramKind::Binary) | Err(_) => false,
            },
            Target::Program(_)
            | Target::Module(_)
            | Target::Code(..)
            | Target::Entry(..)
            | Target::Input => false,
        };
        is_script_of_shell.then_some(file)
    }

    /// Returns the text of the shell script that this command runs.
    #[cfg_attr(
        any(not(target_os = "linux"), monopoll_portable),
        expect(dead_code, reason = "only Linux looks for what starts COMMAND again")
    )]
    pub(super) fn shell_script_text(&self) -> Option<String> {
        self.shell_script().and_then(script_command::text)
    }
}

/// A command of a script that may be the bot.
struct Found {
    role: ScriptRole,
    unknown: UnknownSettings,
    started: StartedCommand,
}

/// Leaves out the programs found through `$PATH` that may be helpers: those beside a command that
/// is rather the bot, and those that the script starts on the way.
fn without_helpers(mut found: Vec<Found>) -> Vec<Found> {
    let is_bare = |it: &Found| it.started.command.is_bare_program();
    let roles: Vec<ScriptRole> = found.iter().filter(|it| !is_bare(it)).map(|it| it.role).collect();
    let is_only_one = found.len() == 1;
    let is_step = |role: &ScriptRole| *role == ScriptRole::Other;
    found.retain(|it| {
        !is_bare(it)
            || match it.role {
                ScriptRole::Certain => true,
                // The commands before only prepare what the script becomes.
                ScriptRole::Exec | ScriptRole::Arguments => roles.iter().all(is_step),
                ScriptRole::Other => roles.is_empty(),
                ScriptRole::Background => is_only_one,
                ScriptRole::NotChosen => false,
            }
    });
    found
}

/// Chooses the commands that the script runs last or in the background, and says how certain each
/// is.
fn with_certainty(found: Vec<Found>) -> Vec<StartedCommand> {
    let has = |wanted: ScriptRole| found.iter().any(|it| it.role == wanted);
    let has_background = has(ScriptRole::Background);
    // What follows an `exec` runs if that one is in a condition or in a function.
    let last_exec = found.iter().rposition(|it| it.role == ScriptRole::Exec);
    let targets = |it: &Found| {
        let Command { runs, file, .. } = &it.started.command;
        (file.clone(), runs.target.without_file())
    };
    let mut execs: Vec<_> =
        found.iter().filter(|it| it.role == ScriptRole::Exec).map(targets).collect();
    execs.sort();
    execs.dedup();
    // The arguments, options or variables may decide which of them is the bot.
    let starts = |it: &Found| {
        let (command, sets) = (&it.started.command, it.started.sets.clone());
        let Invocation { args, context, .. } = command.runs.clone();
        (targets(it), command.runs_in.clone(), args, context, sets)
    };
    let is_known = |it: &Found| {
        it.unknown == UnknownSettings::Same
            && !it.started.command.runs.args.iter().any(|word| is_unknown(word))
    };
    let is_only_one = found.first().is_none_or(|first| {
        let starts_first = |it| starts(it) == starts(first) && is_known(it);
        first.unknown != UnknownSettings::Each && found.iter().skip(1).all(starts_first)
    });
    let last = found.iter().rposition(|it| it.role == ScriptRole::Other);
    let kept = found.into_iter().enumerate().filter_map(|(at, Found { role, mut started, .. })| {
        started.certainty = match role {
            ScriptRole::Certain => Certainty::Certain,
            ScriptRole::Exec if execs.len() > 1 => Certainty::Possible,
            ScriptRole::NotChosen => Certainty::Possible,
            ScriptRole::Background if is_only_one => Certainty::Likely,
            ScriptRole::Background => Certainty::Part,
            ScriptRole::Other if Some(at) < last_exec || Some(at) != last => return None,
            ScriptRole::Other if has_background && !is_only_one => Certainty::Part,
            ScriptRole::Exec | ScriptRole::Arguments | ScriptRole::Other => Certainty::Likely,
        };
        Some(started)
    });
    kept.collect()
}
