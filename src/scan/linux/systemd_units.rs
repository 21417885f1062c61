//! Asks systemd whether it would restart a process.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::engine::fact::Fact;
use crate::engine::managed_by::ManagedBy;
use crate::engine::process::{Launcher, Process, Role};
use crate::scan::cgroup;
use crate::scan::interpreters::{Interpreter, Language};
use crate::sys::command_output::spawn_and_read;
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::proc_stat::strings;

/// The time limit of a query. systemd normally answers within milliseconds.
const TIME: Duration = Duration::from_secs(1);

/// The state of a loaded unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unit {
    /// 0 if systemd knows no main process.
    main_pid: u32,
    restart: Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restart {
    Never,
    /// `Restart=` has a value other than `no`.
    Sometimes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SystemdScope {
    System,
    User,
}

/// The units of one scan. Each is queried once.
pub(super) struct SystemdUnits<'a> {
    proc: &'a ProcFs,
    me: &'a str,
    asked: BTreeMap<String, Option<Unit>>,
}

impl<'a> SystemdUnits<'a> {
    /// Creates the queries of the user with the id `me`.
    pub(super) fn new(proc: &'a ProcFs, me: &'a str) -> Self {
        SystemdUnits { proc, me, asked: BTreeMap::new() }
    }

    /// Returns whether systemd would restart a process: it is the main process of a unit that
    /// restarts, or a child of the shell that is. Only needed for processes that a plan may end.
    pub(super) fn restarts(&mut self, process: &Process) -> Fact<bool> {
        let Some(by) = process.manager() else { return process.restarts };
        let (scope, name) = match by {
            ManagedBy::Systemd(name) => (SystemdScope::System, name),
            ManagedBy::SystemdUser(name) => (SystemdScope::User, name),
            ManagedBy::Container(_)
            | ManagedBy::Supervisord(_)
            | ManagedBy::Pm2(_)
            | ManagedBy::Runit(_)
            | ManagedBy::S6(_)
            | ManagedBy::OpenRc(_)
            | ManagedBy::Watcher(_) => return process.restarts,
        };
        // A guard is asked to end its tree instead.
        if process.role == Role::Monopoll || matches!(process.guard, Fact::Known(Some(_))) {
            return process.restarts;
        }
        let (proc, me) = (self.proc, self.me);
        let ask = || {
            let mut command = question(OsStr::new("systemctl"), scope, name);
            let user = process.user.known()?;
            // This session's own variable may name an unusual place.
            if user.id != me || std::env::var_os("XDG_RUNTIME_DIR").is_none() {
                command.env("XDG_RUNTIME_DIR", Path::new("/run/user").join(&user.id));
            }
            parse(&answer(command)?)
        };
        match self.asked.entry(by.to_string()).or_insert_with(ask) {
            None => Fact::Unknown,
            Some(Unit { restart: Restart::Never, .. }) => Fact::Known(false),
            Some(Unit { main_pid, restart: Restart::Sometimes }) => {
                ends_main_process(proc, by, *main_pid, process)
            }
        }
    }
}

/// Returns whether ending a process ends the main process of its unit. The main pid may belong to
/// another PID namespace, unless a process with that pid is in the unit.
fn ends_main_process(
    proc: &ProcFs,
    unit: &ManagedBy,
    main_pid: u32,
    process: &Process,
) -> Fact<bool> {
    let mut buffer = Vec::new();
    let mut read = |file| proc.read(main_pid, file, &mut buffer).ok().map(|()| buffer.clone());
    let is_in_unit = |cgroups: Vec<u8>| {
        cgroup::manager(&String::from_utf8_lossy(&cgroups), "").as_ref() == Some(unit)
    };
    if main_pid == 0 || !read("cgroup").is_some_and(is_in_unit) {
        return Fact::Unknown;
    }
    if main_pid == process.id.pid {
        return Fact::Known(true);
    }
    // `ExecStart=/srv/bot/start.sh`: the shell ends with the bot that it waits for. Any other main
    // process, such as cron, goes on without the process that it started.
    let is_launcher = |launchers: &Vec<Launcher>| launchers.iter().any(|it| it.id.pid == main_pid);
    match process.launchers.holds(is_launcher).known() {
        Some(true) => read("cmdline").map(|args| is_shell(&strings(&args))).into(),
        Some(false) => Fact::Known(false),
        None => Fact::Unknown,
    }
}

fn is_shell(args: &[String]) -> bool {
    let name = args.first().and_then(|program| Path::new(program).file_name()?.to_str());
    name.and_then(Interpreter::by_name).is_some_and(|it| it.language == Language::Shell)
}

fn question(program: &OsStr, scope: SystemdScope, unit: &str) -> Command {
    let mut command = Command::new(program);
    match scope {
        SystemdScope::System => {}
        SystemdScope::User => drop(command.arg("--user")),
    }
    command.args(["show", "--property=LoadState,MainPID,Restart", "--", unit]);
    command
}

/// Returns the output of a command if it completes in time. Does not wait longer for the command.
fn answer(mut command: Command) -> Option<String> {
    let (mut child, answer) = spawn_and_read(&mut command, TIME)?;
    // The command is not needed anymore.
    let _ = child.kill();
    let _ = child.wait();
    answer
}

/// Parses the answer about a single unit, if systemd knows the unit.
fn parse(answer: &str) -> Option<Unit> {
    let property = |name: &str| {
        let mut values =
            answer.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        // A name with `*` is a pattern and may match several units.
        values.next().filter(|_| values.next().is_none())
    };
    let main_pid = property("MainPID")?.parse().ok()?;
    let restart = if property("Restart")? == "no" { Restart::Never } else { Restart::Sometimes };
    (property("LoadState")? == "loaded").then_some(Unit { main_pid, restart })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    const LOADED: &str = "Restart=always\nMainPID=42\nLoadState=loaded\n";

    #[test]
    fn an_answer_is_that_of_one_loaded_unit() {
        let always = Some(Unit { main_pid: 42, restart: Restart::Sometimes });
        let never = Some(Unit { main_pid: 0, restart: Restart::Never });
        for (answer, unit) in [
            (LOADED, always),
            ("MainPID=42\nRestart=on-failure\nLoadState=loaded", always),
            ("Restart=no\nMainPID=0\nLoadState=loaded\n", never),
            ("Restart=no\nMainPID=0\nLoadState=not-found\n", None),
            ("Restart=no\nMainPID=\nLoadState=loaded\n", None),
            ("Restart=no\nLoadState=loaded\n", None),
            ("MainPID=42\nLoadState=loaded\n", None),
            ("", None),
            (&LOADED.repeat(2), None),
        ] {
            assert_eq!(parse(answer), unit, "{answer}");
        }
    }

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn an_answer_is_what_is_printed_in_time() {
        assert_eq!(answer(sh("echo one; exec sleep 0.1")).as_deref(), Some("one\n"));
        assert_eq!(answer(sh("exec >&-; exec sleep 60")).as_deref(), Some(""));
        assert_eq!(answer(sh("yes")), None, "too long");
        assert_eq!(answer(Command::new("/nonexistent")), None);
    }

    #[test]
    fn a_systemd_that_hangs_is_not_waited_for() {
        let before = clock::monotonic();
        assert_eq!(answer(sh("echo MainPID=42; sleep 60 & wait")), None);
        let took = clock::monotonic().saturating_sub(before);
        assert!((TIME..TIME * 5).contains(&took), "{took:?}");
    }

    #[test]
    fn a_question_names_its_unit_as_an_operand() {
        for (scope, words) in [
            (SystemdScope::System, "show --property=LoadState,MainPID,Restart -- -.service"),
            (SystemdScope::User, "--user show --property=LoadState,MainPID,Restart -- -.service"),
        ] {
            let command = question(OsStr::new("systemctl"), scope, "-.service");
            let args: Vec<_> = command.get_args().map(|arg| arg.to_str().unwrap()).collect();
            assert_eq!(args.join(" "), words);
        }
    }
}
