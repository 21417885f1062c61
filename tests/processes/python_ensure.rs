//! `monopoll.ensure()` of the Python package, in real programs. The package is the one of this
//! checkout, beside the program that was built with these tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use monopoll_test_bots::programs::{self, python_package};
use monopoll_test_bots::stage::{Ended, Running, Stage, Start, is_alive, skip, token};
use nix::sys::signal::Signal;

use crate::same_command::write;
use crate::supervisors::peer;

/// The first lines of a bot, which then becomes the test bot.
const BOT: &str = "\
import monopoll
monopoll.ensure()
import os
os.execv(os.environ['TESTBOT'], ['testbot'])
";

/// Returns the newest Python on `PATH`, by its own path: `python3` may be a version manager's shim.
pub(crate) fn python() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| executable("python3").unwrap())
}

fn executable(python: &str) -> Option<PathBuf> {
    let asked = Command::new(python).args(["-c", "import sys; print(sys.executable)"]).output();
    let asked = asked.ok().filter(|it| it.status.success())?;
    Some(String::from_utf8(asked.stdout).unwrap().trim_end().into())
}

/// A stage whose folder has the package in `site`, and the bot in `main.py`.
struct Program {
    stage: Stage,
}

impl Program {
    fn new(main: &str) -> Program {
        let stage = Stage::new();
        python_package(stage.folder());
        let config = format!("instance = \"test\"\nlock.paths = ['{}']\n", stage.lock().display());
        write(&stage, "monopoll.toml", &config);
        write(&stage, "main.py", main);
        Program { stage }
    }

    fn python(&self, args: &[&str]) -> Start<'_> {
        self.with(python(), args)
    }

    fn with(&self, program: impl AsRef<Path>, args: &[&str]) -> Start<'_> {
        self.stage
            .program(program.as_ref(), args)
            .env("PYTHONPATH", self.stage.folder().join("site"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("TESTBOT", programs::testbot())
    }

    fn start(&self, action: &str) -> Running<'_> {
        self.python(&["main.py"]).env("MONOPOLL_ON_CONFLICT", action).start()
    }

    fn main_py(&self) -> String {
        self.stage.folder().join("main.py").display().to_string()
    }

    /// Checks that `ensure()` fails with this message, and that nothing was started.
    #[track_caller]
    fn fails(&self, start: Start<'_>, what: &str) -> Ended {
        let end = start.end();
        let printed = format!("{}{}", end.out, end.err);
        assert!(printed.contains("EnsureError"), "{end:?}");
        assert!(printed.contains(what), "`{what}` is not in {end:?}");
        assert_eq!(self.stage.pids_of("ready"), [] as [u32; 0]);
        assert!(!self.stage.locks().exists());
        end
    }
}

#[test]
fn one_line_makes_a_program_the_only_poller() {
    let program = Program::new(BOT);
    let first = program.start("refuse");
    let bot = program.stage.ready(1);
    program.start("refuse").end().exits(75).says("refused: the guard of");
    let second = program.start("graceful");
    program.stage.ready(2);
    first.end().exits(0);
    assert!(!is_alive(bot));
    program.stage.assert_no_overlap();
    second.signal(Signal::SIGTERM);
    second.end().exits(0);
}

/// A launcher waits for the process that becomes the guard, and ends with it.
#[test]
fn a_program_below_a_launcher_is_taken_over_and_stopped() {
    let python = python().display().to_string();
    let mut lines = vec![vec!["timeout", "600", &python, "main.py"]];
    let uv = peer("launchers/bin/uv").map(|uv| uv.display().to_string());
    if let Some(uv) = &uv {
        lines.push(vec![uv, "run", "-q", "--offline", "--no-project", "-p", &python, "main.py"]);
    }
    for line in lines {
        let program = Program::new(BOT);
        let start = |action: &str| {
            let start = program.with(line[0], &line[1..]).env("MONOPOLL_ON_CONFLICT", action);
            start.start()
        };
        let first = start("refuse");
        program.stage.ready(1);
        start("refuse").end().exits(75).says("refused: the guard of");
        let second = start("graceful");
        program.stage.ready(2);
        first.end().exits(0);
        let stop =
            program.stage.program(programs::monopoll(), &["stop", "--", "python3", "main.py"]);
        stop.end().exits(0);
        second.end();
        program.stage.assert_no_overlap();
    }
}

/// The process becomes the guard: a supervisor sees one process with the pid that it started.
#[test]
fn nothing_stays_between_the_caller_and_the_guard() {
    let program = Program::new(BOT);
    let start = program.start("refuse");
    program.stage.ready(1);
    let exe = fs::read_link(format!("/proc/{}/exe", start.pid())).unwrap();
    assert_eq!(exe.file_name().unwrap(), "monopoll");
}

#[test]
fn a_program_under_a_guard_returns_at_once() {
    let program = Program::new(BOT);
    let start = program
        .stage
        .run_command(python(), &["main.py"])
        .env("PYTHONPATH", program.stage.folder().join("site"))
        .env("TESTBOT", programs::testbot())
        .start();
    program.stage.ready(1);
    assert!(!start.stderr().contains("refused"), "{}", start.stderr());
}

#[test]
fn an_instance_other_than_the_guards_is_an_error() {
    let program = Program::new("import monopoll\nmonopoll.ensure(instance='other')\n");
    let end = program
        .stage
        .run_command(python(), &["main.py"])
        .env("PYTHONPATH", program.stage.folder().join("site"))
        .end();
    assert!(end.err.contains("runs under the guard of 'test', not 'other'"), "{end:?}");
}

#[test]
fn a_marker_that_cannot_be_confirmed_is_an_error() {
    let program = Program::new(BOT);
    for marker in ["", "test", "test:1:999999999:1:/nowhere/x.lock", "test:1:1:1:/nowhere/x.lock"] {
        let start = program.python(&["main.py"]).env("MONOPOLL_HELD", marker);
        program.fails(start, "MONOPOLL_HELD is set, but its guard is not above this process");
    }
}

/// A bot that starts another bot, which inherits its marker.
#[test]
fn another_bot_below_a_guard_gets_its_own_guard() {
    let main = "\
import os, subprocess, sys
import monopoll
monopoll.ensure()
if len(sys.argv) < 2:
    other = dict(os.environ, BOT_TOKEN=os.environ['OTHER_TOKEN'])
    sys.exit(subprocess.run([sys.executable, 'main.py', 'other'], env=other).returncode)
print(monopoll.status().instance)
";
    let program = Program::new(main);
    let folder = program.stage.locks();
    write(
        &program.stage,
        "monopoll.toml",
        &format!("lock.paths = ['{}/{{instance}}.lock']\n", folder.display()),
    );
    let (one, other) = (token(), token());
    let start = program.python(&["main.py"]).env("BOT_TOKEN", &one).env("OTHER_TOKEN", &other);
    let end = start.end().exits(0);
    let id = other.split_once(':').unwrap().0;
    assert_eq!(end.out, format!("bot{id}\n"), "{end:?}");
}

/// As above, without a token.
#[test]
fn another_program_below_a_guard_gets_its_own_guard() {
    let main = "\
import subprocess, sys
import monopoll
monopoll.ensure()
sys.exit(subprocess.run([sys.executable, 'second.py']).returncode)
";
    let program = Program::new(main);
    let folder = program.stage.locks();
    let config = format!("lock.paths = ['{}/{{instance}}.lock']\n", folder.display());
    write(&program.stage, "monopoll.toml", &config);
    write(&program.stage, "second.py", BOT);
    let alone = program.python(&["second.py"]).start();
    program.stage.ready(1);
    // The second copy is refused, whoever starts it.
    program.python(&["main.py"]).end().exits(75);
    alone.signal(Signal::SIGTERM);
    alone.end().exits(0);
    let manager = program.python(&["main.py"]).start();
    program.stage.ready(2);
    program.python(&["second.py"]).end().exits(75);
    manager.signal(Signal::SIGTERM);
    manager.end();
    program.stage.assert_no_overlap();
}

/// A bot that runs its own file again, such as a reloader.
#[test]
fn the_same_program_below_a_guard_is_a_part_of_the_bot() {
    let main = "\
import subprocess, sys
import monopoll
monopoll.ensure()
if len(sys.argv) < 2:
    sys.exit(subprocess.run([sys.executable, 'main.py', 'again']).returncode)
print('again')
";
    let program = Program::new(main);
    assert_eq!(program.python(&["main.py"]).end().exits(0).out, "again\n");
}

#[test]
fn the_options_are_those_of_the_command_line() {
    let main = "\
import monopoll
monopoll.ensure(config='other.toml', profile='ci', instance='given', on_conflict='wait')
import subprocess
";
    let program = Program::new(main);
    let lock = program.stage.locks().join("{instance}.lock");
    let config = format!("lock.paths = [{lock:?}]\n[profile.ci]\ntimeouts.wait = \"0s\"\n");
    write(&program.stage, "other.toml", &config);
    program.python(&["main.py"]).end().exits(0);
    assert!(program.stage.locks().join("given.lock").exists());
    let testbot = programs::testbot().display().to_string();
    let run = ["--config=other.toml", "--instance=given", "run", "--", testbot.as_str()];
    let held = program.stage.program(programs::monopoll(), &run).start();
    program.stage.ready(1);
    program.python(&["main.py"]).end().exits(75).says("wait");
    held.signal(Signal::SIGTERM);
    held.end();
}

/// As on the page about Python, for a start from cron.
#[test]
fn starts_in_two_folders_meet_by_the_file_beside_the_program_and_the_instance() {
    let main = "\
from pathlib import Path
import monopoll
monopoll.ensure(config=Path(__file__).with_name('monopoll.toml'), instance='voice')
import os
os.execv(os.environ['TESTBOT'], ['testbot'])
";
    let program = Program::new(main);
    let home = program.stage.folder().join("home");
    fs::create_dir(&home).unwrap();
    let _first = program.python(&["main.py"]).start();
    program.stage.ready(1);
    let from_home = program.python(&[&program.main_py()]).current_dir(&home);
    from_home.end().exits(75).says("refused: the guard of");
    program.stage.assert_no_overlap();
}

#[test]
fn a_refusal_names_arguments_of_the_call_and_no_option() {
    let program = Program::new(BOT);
    let _first = program.start("refuse");
    program.stage.ready(1);
    let end = program.start("refuse").end().exits(75);
    assert!(end.err.contains("`monopoll.ensure(on_conflict=\"wait\")` waits for it"), "{end:?}");
    let start = program.python(&["main.py"]).env("MONOPOLL_ON_CONFLICT", "wait");
    let end = start.env("MONOPOLL_TIMEOUTS__WAIT", "0s").end().exits(75);
    assert!(end.err.contains("`monopoll.ensure(on_conflict=\"graceful\")` takes"), "{end:?}");
    assert!(!end.err.contains(" `--"), "{end:?}");
}

#[test]
fn a_refusal_beside_a_guard_with_a_name_says_it_as_an_argument_of_the_call() {
    let program = Program::new(BOT);
    let locks = program.stage.locks().display().to_string();
    let config = format!("lock.paths = ['{locks}/{{instance}}.lock']\n");
    write(&program.stage, "monopoll.toml", &config);
    let python = python().display().to_string();
    let args = ["--instance=given", "run", "--", &python, "main.py"];
    let _first = program.with(programs::monopoll(), &args).start();
    program.stage.ready(1);
    let end = program.start("refuse").end().exits(75);
    assert!(end.err.contains("is this bot, start with `instance=\"given\"` (and"), "{end:?}");
    assert!(!end.err.contains(" `--"), "{end:?}");
}

#[test]
fn an_unknown_action_is_an_error() {
    let program = Program::new("import monopoll\nmonopoll.ensure(on_conflict='kill')\n");
    let end = program.python(&["main.py"]).end().exits(1);
    let why = "ValueError: on_conflict='kill' is unknown; the actions are refuse, graceful, force";
    assert!(end.err.contains(why), "{end:?}");
}

#[test]
fn the_switch_turns_it_off_with_a_warning() {
    let program = Program::new(BOT);
    let start = program.python(&["main.py"]).env("MONOPOLL_ENSURE", "off").start();
    program.stage.ready(1);
    start.wait_for("RuntimeWarning: MONOPOLL_ENSURE=off: another copy of this bot may poll");
    assert!(!program.stage.locks().exists());
}

#[test]
fn an_import_by_another_program_is_an_error_that_names_the_place() {
    let program = Program::new(BOT);
    let tool = "import sys\nsys.path.insert(0, '.')\nimport main\n";
    write(&program.stage, "tool.py", tool);
    let end = program.fails(program.python(&["tool.py"]), "'main' is imported by another program");
    let remedy = |main: &str, other: &str| {
        format!(
            "'main' is imported by another program; put `monopoll.ensure()` below `if __name__ == \
             \"__main__\":` in {main}; or, if {other} starts the bot, call it there in the first \
             lines, or start that program with `monopoll run -- COMMAND`"
        )
    };
    let tool = program.stage.folder().join("tool.py").display().to_string();
    let remedies = remedy(&program.main_py(), &tool);
    assert!(end.err.contains(&remedies), "{end:?}");
    let end = program.python(&["-c", "import main"]).end();
    assert!(end.err.contains(&remedy(&program.main_py(), "that program")), "{end:?}");
}

/// An app that a server imports.
const APP: &str = "\
import monopoll
monopoll.ensure()
print('imported', flush=True)

def app(environ, start_response):
    return []
";

#[test]
fn workers_of_servers_and_test_runners_import_the_program() {
    let lines = [
        ("gunicorn", &["--bind=127.0.0.1:0", "main:app"][..]),
        ("uvicorn", &["--port=0", "--interface=wsgi", "main:app"]),
        ("pytest", &["-p", "no:cacheprovider", "test_main.py"]),
        ("pytest", &["-p", "no:cacheprovider", "-n", "2", "test_main.py"]),
    ];
    for (name, args) in lines {
        let Some(runner) = peer(&format!("venv/bin/{name}")) else { continue };
        let program = Program::new(APP);
        let test = "import sys\nsys.path.insert(0, '.')\nimport main\ndef test(): pass\n";
        write(&program.stage, "test_main.py", test);
        let start = program.with(runner, args);
        program.fails(start, "'main' is imported by another program");
    }
}

#[test]
fn a_worker_of_a_server_under_the_guard_returns() {
    let Some(gunicorn) = peer("venv/bin/gunicorn") else { return };
    let program = Program::new(APP);
    let start = program
        .stage
        .run_command(gunicorn, &["--bind=127.0.0.1:0", "main:app"])
        .env("PYTHONPATH", program.stage.folder().join("site"))
        .start();
    program.stage.wait_until("a worker", || start.stdout().contains("imported").then_some(()));
    start.signal(Signal::SIGTERM);
    start.end();
}

#[test]
fn ipython_is_an_error() {
    let Some(ipython) = peer("venv/bin/ipython") else { return };
    let program = Program::new(BOT);
    let start = program.with(ipython, &["--no-banner", "--colors=NoColor", "main.py"]);
    program.fails(start, "IPython and notebooks cannot start themselves again");
}

#[test]
fn a_child_of_multiprocessing_is_not_the_program() {
    let main = "\
import multiprocessing, os
import monopoll
if __name__ == '__mp_main__':
    monopoll.ensure()

def work():
    pass

if __name__ == '__main__':
    child = multiprocessing.get_context('spawn').Process(target=work)
    child.start()
    child.join()
";
    let program = Program::new(main);
    program.fails(program.python(&["main.py"]), "imported by a child of `multiprocessing`");
}

/// With the guard above it, such a child is a part of the bot.
#[test]
fn a_child_of_multiprocessing_under_the_guard_returns() {
    let main = "\
import multiprocessing
import monopoll
monopoll.ensure()

def work():
    print('worked', flush=True)

if __name__ == '__main__':
    child = multiprocessing.get_context('spawn').Process(target=work)
    child.start()
    child.join()
";
    let program = Program::new(main);
    // The tracker of `multiprocessing` ends right after the bot, or is left behind.
    let end = program.python(&["main.py"]).env("BOT_TOKEN", token()).end().exits(0);
    assert_eq!(end.out, "worked\n", "{end:?}");
}

#[test]
fn a_function_is_not_the_first_line() {
    let program = Program::new("import monopoll\ndef run():\n    monopoll.ensure()\nrun()\n");
    let end = program.fails(program.python(&["main.py"]), "is called in the function `run`");
    let place = format!("in the first lines of {}, outside of any function", program.main_py());
    assert!(end.err.contains(&place), "{end:?}");
}

#[test]
fn an_interactive_interpreter_is_an_error() {
    let program = Program::new("");
    let start = program.python(&["-i"]).stdin_text("import monopoll\nmonopoll.ensure()\n");
    program.fails(start, "an interactive interpreter cannot start itself again");
}

#[test]
fn a_script_on_standard_input_is_an_error() {
    let program = Program::new("");
    let what = "a script on standard input cannot be read again";
    let script = "import monopoll\nmonopoll.ensure()\n";
    for args in [&[][..], &["-"]] {
        program.fails(program.python(args).stdin_text(script), what);
    }
    let through_a_pipe = program.python(&["/dev/stdin"]);
    let pipe = ["sh", "-c", "cat | \"$@\"", "sh"];
    program.fails(through_a_pipe.through(&pipe).stdin_text(script), what);
}

#[test]
fn a_frozen_program_is_an_error() {
    // As PyInstaller, cx_Freeze and Nuitka mark their programs.
    for mark in ["import sys; sys.frozen = True", "__compiled__ = 1"] {
        let program = Program::new(&format!("{mark}\n{BOT}"));
        program.fails(program.python(&["main.py"]), "a frozen program cannot start itself again");
    }
}

#[test]
fn a_debugger_is_an_error() {
    let program = Program::new(BOT);
    let lines = [
        &["-m", "pdb", "-c", "continue", "main.py"][..],
        &["-m", "pdb", "-c", "break main.py:3", "-c", "continue", "main.py"],
    ];
    for line in lines {
        program.fails(program.python(line), "a debugger or a tracer is attached");
    }
}

#[test]
fn a_second_thread_is_an_error() {
    let beside = "\
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
";
    let program = Program::new(&format!("{beside}{BOT}"));
    program.fails(program.python(&["main.py"]), "another thread runs, and would be lost");
}

#[test]
fn a_running_event_loop_is_an_error() {
    let main = "\
import asyncio
import monopoll

async def run():
    monopoll.ensure()

asyncio.run(run())
";
    let program = Program::new(main);
    program.fails(program.python(&["main.py"]), "an event loop runs, and would be lost");
}

#[test]
fn another_working_directory_is_an_error() {
    let program = Program::new("import monopoll, os\nos.chdir('/')\nmonopoll.ensure()\n");
    program.fails(program.python(&["main.py"]), "the working directory has changed");
}

#[test]
fn the_program_is_found_beside_the_package_and_never_by_path() {
    let program = Program::new(BOT);
    let folder = program.stage.folder().join("other");
    fs::create_dir(&folder).unwrap();
    write(&program.stage, "other/monopoll", "#!/bin/sh\necho wrong program >&2\nexit 9\n");
    fs::set_permissions(folder.join("monopoll"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let start = program.python(&["main.py"]).env("PATH", &path).start();
    program.stage.ready(1);
    assert!(!start.stderr().contains("wrong program"));
    start.signal(Signal::SIGTERM);
    start.end().exits(0);

    fs::remove_file(program.stage.folder().join("site/bin/monopoll")).unwrap();
    let end = program.python(&["main.py"]).env("PATH", &path).end();
    assert!(end.err.contains("ProgramNotFoundError: the program `monopoll` is missing"), "{end:?}");
}

/// The lines of proc(5) about signals that are blocked, ignored or caught.
const SIGNALS: &str = "^Sig(Blk|Ign|Cgt)";

/// The program in this test shows what it was started with.
fn shown(program: &Program, shell: &str) {
    let path = program.stage.folder().join("site/bin/monopoll");
    fs::remove_file(&path).unwrap();
    write(&program.stage, "site/bin/monopoll", &format!("#!/bin/sh\n{shell}\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// `CPython` ignores SIGPIPE and SIGXFSZ, and an ignored signal stays ignored.
#[test]
fn the_signals_are_as_they_were_at_the_start() {
    let main = "\
import signal
import monopoll
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
monopoll.ensure()
";
    let program = Program::new(main);
    shown(&program, &format!("exec grep -E '{SIGNALS}' /proc/self/status"));
    let end = program.python(&["main.py"]).end().exits(0);
    let direct = program.stage.program("grep", &["-E", SIGNALS, "/proc/self/status"]).end();
    assert_eq!(ordinary_signals(&end.out), ordinary_signals(&direct.out), "{end:?}");
}

/// Without the signals above 31: the C library of these tests uses some for its threads.
fn ordinary_signals(lines: &str) -> Vec<(&str, u64)> {
    let line = |line| {
        let (name, set) = str::split_once(line, ":\t").unwrap();
        (name, u64::from_str_radix(set, 16).unwrap() & 0x7fff_ffff)
    };
    lines.lines().map(line).collect()
}

#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let program = Program::new(&format!("print('before')\n{BOT}"));
    let line = format!("{} main.py > /dev/full", python().display());
    program.fails(program.with("sh", &["-c", &line]), "cannot write the output so far");
}

#[test]
fn an_ignored_end_of_children_confirms_no_marker() {
    let main = format!("import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n{BOT}");
    let program = Program::new(&main);
    let marker = "test:1:999999999:1:/nowhere/x.lock";
    program.fails(program.python(&["main.py"]).env("MONOPOLL_HELD", marker), "MONOPOLL_HELD");
}

#[test]
fn what_was_printed_before_is_printed_once() {
    let program = Program::new(&format!("print('before', end=' ')\n{BOT}"));
    shown(&program, "echo program");
    // Once: the second run of the script is the one under the guard.
    assert_eq!(program.python(&["main.py"]).end().exits(0).out, "before program\n");
}

#[test]
fn the_interpreter_and_its_options_are_the_same() {
    let main = "import monopoll\nmonopoll.ensure()\n";
    let program = Program::new(main);
    shown(&program, "shift 3; printf '%s\\n' \"$@\"");
    let python = python().display().to_string();
    fs::create_dir(program.stage.folder().join("package")).unwrap();
    write(&program.stage, "package/__main__.py", main);
    let zip = ["-m", "zipfile", "-c", "bot.pyz", "package/__main__.py"];
    program.python(&zip).end().exits(0);
    for line in [
        &["main.py"][..],
        &["-X", "utf8", "-O", "-W", "error", "main.py", "--config", "a b.toml"],
        &["-m", "package", "x"],
        &["package"],
        &["-c", main],
        &["main.py", "", "x", ""],
    ] {
        let end = program.python(line).end().exits(0);
        let lines: Vec<&str> =
            std::iter::once(python.as_str()).chain(line.iter().copied()).collect();
        assert_eq!(end.out, format!("{}\n", lines.join("\n")), "{end:?}");
    }
}

#[test]
fn each_installed_version_of_python_works() {
    let mut found = 0;
    for minor in 9..=14 {
        let Some(python) = executable(&format!("python3.{minor}")) else { continue };
        found += 1;
        let program = Program::new(BOT);
        let start = program.with(python, &["main.py"]).start();
        program.stage.ready(1);
        start.signal(Signal::SIGTERM);
        start.end().exits(0);
    }
    if found == 0 {
        skip("no `python3.9` to `python3.14` is installed");
    }
}

/// Windows has no exec.
#[test]
fn a_child_takes_the_place_of_the_process_where_it_must() {
    let main =
        "from monopoll._ensure import _run_as_child\n_run_as_child(['sh', '-c', 'exit 75'])\n";
    Program::new(main).python(&["main.py"]).end().exits(75);
}

#[test]
fn the_status_is_a_typed_value() {
    let show = "\
import monopoll
one = monopoll.status(['python3', 'main.py'])
print(type(one).__name__, one.instance, one.state, one.is_guarded, one.holder is not None)
";
    let program = Program::new(BOT);
    write(&program.stage, "show.py", show);
    let shown = |end: Ended| end.exits(0).out;
    assert_eq!(shown(program.python(&["show.py"]).end()), "Status test stopped False False\n");
    let start = program.start("refuse");
    program.stage.ready(1);
    assert_eq!(shown(program.python(&["show.py"]).end()), "Status test running True True\n");
    write(&program.stage, "monopoll.toml", "on_conflict = 7\n");
    let end = program.python(&["show.py"]).end();
    assert!(end.err.contains("StatusError: "), "{end:?}");
    start.signal(Signal::SIGTERM);
    start.end().exits(0);
}

/// Each start is a Python that becomes monopoll. `MONOPOLL_ROUNDS` sets the number of rounds.
#[test]
fn fifty_programs_at_once_leave_exactly_one() {
    let rounds = std::env::var("MONOPOLL_ROUNDS").ok().and_then(|it| it.parse().ok()).unwrap_or(1);
    for round in 0..rounds {
        for action in ["refuse", "graceful", "force", "wait"] {
            let program = Program::new(BOT);
            let line = &["main.py"];
            let start = || {
                let start = program.python(line).env("MONOPOLL_ON_CONFLICT", action);
                start.env("MONOPOLL_TIMEOUTS__WAIT", "2s").start()
            };
            let starts: Vec<_> = (0..50).map(|_| start()).collect();
            let living = || starts.iter().filter(|start| start.is_alive()).count();
            program.stage.wait_until("the last one", || (living() <= 1).then_some(()));
            let bot = program.stage.wait_until("a living bot", || {
                program.stage.pids_of("ready").into_iter().find(|bot| is_alive(*bot))
            });
            let transcript = || program.stage.transcript();
            assert_eq!(living(), 1, "round {round}, {action}: {}", transcript());
            let bots = program.stage.pids_of("ready").into_iter().filter(|bot| is_alive(*bot));
            assert_eq!(bots.count(), 1, "round {round}, {action}: {}", transcript());
            program.stage.assert_no_overlap();
            let (left, ended): (Vec<_>, Vec<_>) = starts.into_iter().partition(Running::is_alive);
            for start in ended {
                let end = start.end();
                // A copy that is ended before it has become a start ends by the signal.
                let by_signal = matches!(end.signal, Some(9 | 15));
                assert!(by_signal || matches!(end.code, Some(0 | 75)), "{end:?}");
            }
            left[0].signal(Signal::SIGTERM);
            program.stage.wait_until("its end", || (!is_alive(bot)).then_some(()));
        }
    }
}
