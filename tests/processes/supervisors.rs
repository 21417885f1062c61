//! Supervised bots: the supervisor is named, with the command that stops the bot for good.
//! `.ci/run` installs supervisord and PM2 below `target/peers`.

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Ended, Running, Stage, Start, is_alive, state};
use std::path::{Path, PathBuf};

/// Returns the program of a supervisor. If it is missing, the test is skipped.
pub(crate) fn peer(program: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers").join(program);
    if path.exists() {
        return Some(path);
    }
    monopoll_test_bots::stage::skip(&format!(
        "{} is missing; `.ci/run` installs it",
        path.display()
    ));
    None
}

/// Returns `PATH` with the folder of this program.
pub(crate) fn path_with(program: &Path) -> String {
    format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap())
}

/// Checks that a start is refused before it signals a process, and returns the command that it
/// names.
#[track_caller]
pub(crate) fn refused(stage: &Stage, by: &str) -> String {
    let before = stage.pids_of("got SIGTERM").len();
    let ended =
        stage.run(&[]).on_conflict("graceful").end().exits(75).says("is already running").says(by);
    assert_eq!(stage.pids_of("got SIGTERM").len(), before, "{}", stage.transcript());
    command_in(&ended)
}

/// Returns the last text in backticks.
#[track_caller]
fn command_in(ended: &Ended) -> String {
    let (before, _) = ended.err.trim_end().rsplit_once('`').unwrap_or_else(|| panic!("{ended:?}"));
    before.rsplit_once('`').unwrap().1.to_owned()
}

/// Checks that a start succeeds after the named command has run.
#[track_caller]
pub(crate) fn goes_through(stage: &Stage) {
    let start = stage.run(&[]).on_conflict("graceful").start();
    let own = stage.wait_until("the start's own bot", || {
        let ready = stage.pids_of("ready");
        ready.into_iter().find(|bot| is_alive(*bot) && parent(*bot) == Some(start.pid()))
    });
    start.signal(nix::sys::signal::Signal::SIGTERM);
    start.end().exits(0);
    assert_eq!(stage.pids_of("ready").last(), Some(&own), "nobody came back");
    stage.assert_no_overlap();
}

pub(crate) fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Starts supervisord with these lines about its only program.
pub(crate) fn supervisord<'a>(stage: &'a Stage, program: &Path, lines: &str) -> Running<'a> {
    let folder = stage.folder().display();
    let conf = format!(
        "[unix_http_server]\nfile={folder}/s.sock\n\
         [supervisord]\nnodaemon=true\nlogfile={folder}/s.log\n\
         pidfile={folder}/s.pid\nchildlogdir={folder}\n\
         [rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
         [supervisorctl]\nserverurl=unix://{folder}/s.sock\n{lines}\ndirectory={folder}\n"
    );
    std::fs::write(stage.folder().join("s.conf"), conf).unwrap();
    stage.program(program, &["-c", "s.conf"]).start()
}

#[test]
fn supervisord_is_named_with_the_command_that_stops_the_bot_for_good() {
    let Some(program) = peer("venv/bin/supervisord") else { return };
    let stage = Stage::new();
    let lines = format!(
        "[group:bots]\nprograms=voice\n[program:voice]\nautorestart=true\nstartsecs=0\ncommand={}",
        testbot().display()
    );
    let supervisord = supervisord(&stage, &program, &lines);
    stage.ready(1);
    let plan = stage.plan(&[]).flag("--json").end();
    assert!(plan.out.contains("\"supervisord:bots:voice\""), "{plan:?}");
    let command = refused(&stage, "supervisord:bots:voice would start it again");
    assert_eq!(
        command,
        format!("supervisorctl -s unix://{}/s.sock stop bots:voice", stage.folder().display())
    );
    stage.program("sh", &["-c", &command]).env("PATH", path_with(&program)).end().exits(0);
    goes_through(&stage);
    assert!(supervisord.is_alive());
}

#[test]
fn supervisord_is_named_also_where_it_restarts_after_a_delay() {
    let Some(program) = peer("venv/bin/supervisord") else { return };
    let stage = Stage::new();
    // Makes supervisord back off from a program that ended too early.
    let lines = format!(
        "[program:voice]\nautorestart=true\nstartsecs=9\ncommand=sh -c '{}; :'",
        testbot().display()
    );
    let _supervisord = supervisord(&stage, &program, &lines);
    stage.ready(1);
    let command = refused(&stage, "supervisord:voice:voice would start it again");
    stage.program("sh", &["-c", &command]).env("PATH", path_with(&program)).end().exits(0);
    goes_through(&stage);
}

#[test]
fn pm2_is_named_with_the_command_that_stops_the_bot_for_good() {
    let Some(program) = peer("npm/node_modules/.bin/pm2") else { return };
    let stage = Stage::new();
    let home = stage.folder().join("pm2 home");
    let bot = testbot().display().to_string();
    let start =
        stage.program(&program, &["start", &bot, "--name", "voice bot", "--interpreter", "none"]);
    start.env("PM2_HOME", &home).end().exits(0);
    stage.ready(1);
    let command = refused(&stage, "pm2:voice bot would start it again");
    assert_eq!(command, format!("PM2_HOME='{}' pm2 stop 'voice bot'", home.display()));
    stage.program("sh", &["-c", &command]).env("PATH", path_with(&program)).end().exits(0);
    goes_through(&stage);
}

/// Returns a start of the bot `voice` under PM2, which restarts it after a pause, and PM2's folder.
pub(crate) fn with_restart_delay<'a>(stage: &'a Stage, pm2: &Path) -> (Start<'a>, PathBuf) {
    let home = stage.folder().join("pm2");
    let bot = testbot().display().to_string();
    let args = ["start", &bot, "--name", "voice", "--interpreter", "none"];
    let start = stage.program(pm2, &[&args[..], &["--restart-delay", "2500"]].concat());
    (start.env("PM2_HOME", &home), home)
}

#[test]
fn pm2_is_named_also_where_it_restarts_after_a_delay() {
    let Some(program) = peer("npm/node_modules/.bin/pm2") else { return };
    let stage = Stage::new();
    let (start, home) = with_restart_delay(&stage, &program);
    start.end().exits(0);
    stage.ready(1);
    let command = refused(&stage, "pm2:voice would start it again");
    assert_eq!(command, format!("PM2_HOME={} pm2 stop voice", home.display()));
    stage.program("sh", &["-c", &command]).env("PATH", path_with(&program)).end().exits(0);
    goes_through(&stage);
}

#[test]
fn a_bot_that_pm2_does_not_restart_is_ended_for_good() {
    let Some(program) = peer("npm/node_modules/.bin/pm2") else { return };
    let stage = Stage::new();
    let home = stage.folder().join("pm2");
    let bot = testbot().display().to_string();
    let args = ["start", &bot, "--name", "voice", "--interpreter", "none", "--no-autorestart"];
    stage.program(&program, &args).env("PM2_HOME", &home).end().exits(0);
    stage.ready(1);
    let plan = stage.plan(&[]).flag("--json").on_conflict("graceful").end();
    assert!(plan.out.contains("\"pm2:voice\""), "{plan:?}");
    goes_through(&stage);
}

/// Checks that the launcher is named, with a signal only if it runs a line: a shell may be in use.
#[track_caller]
fn is_named(stage: &Stage, launcher: &Running<'_>, in_use: bool) {
    stage.ready(1);
    let plan = stage.plan(&[]).end();
    assert!(plan.out.contains("launcher `") && !plan.out.contains("`kill"), "{plan:?}");
    let pid = launcher.pid();
    let how = if in_use { ", where it was started".to_owned() } else { format!(" (`kill {pid}`)") };
    let by = format!("done'` (pid {pid}) restarts it; end that first{how}, then start the bot");
    stage.run(&[]).on_conflict("graceful").end().exits(75).says(&by);
    launcher.signal(nix::sys::signal::Signal::SIGKILL);
    stage.wait_until("the launcher's end", || (!launcher.is_alive()).then_some(()));
    goes_through(stage);
}

#[test]
fn a_restart_loop_is_named_with_the_signal_that_ends_it() {
    let stage = Stage::new();
    let line = format!("while :; do {}; done", testbot().display());
    let shell = stage.program("sh", &["-c", &line]).start();
    is_named(&stage, &shell, false);
}

#[test]
fn a_watcher_that_uses_a_new_shell_each_time_is_named() {
    let stage = Stage::new();
    let line = format!("while :; do sh -c '{}; :'; done", testbot().display());
    let watcher = stage.program("bash", &["-c", &line]).start();
    is_named(&stage, &watcher, false);
}

#[test]
fn a_loop_in_an_interactive_shell_is_named_and_no_kill_suggested() {
    let stage = Stage::new();
    let line = format!("while :; do {}; done", testbot().display());
    let shell = stage.program("setsid", &["bash", "--norc", "-i", "-c", &line]).start();
    is_named(&stage, &shell, true);
}

#[test]
fn a_loop_that_ignores_signals_is_named() {
    let stage = Stage::new();
    let line = format!(
        "trap '' TERM HUP; while :; do env --default-signal=TERM {}; done",
        testbot().display()
    );
    let shell = stage.program("bash", &["-c", &line]).start();
    is_named(&stage, &shell, false);
}

#[test]
fn a_bot_without_a_supervisor_names_none() {
    let stage = Stage::new();
    let _bot = stage.bot(&[]).start();
    stage.ready(1);
    let second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    assert!(!second.stderr().contains("is already running"));
}

#[test]
fn environment_variables_of_an_absent_supervisor_are_ignored() {
    let stage = Stage::new();
    let bot = stage
        .bot(&[])
        .env("SUPERVISOR_PROCESS_NAME", "voice")
        .env("SUPERVISOR_ENABLED", "1")
        .env("pm_id", "0")
        .env("name", "voice");
    let bot = bot.start();
    stage.ready(1);
    let plan = stage.plan(&[]).flag("--json").end();
    assert!(plan.out.contains("\"managed_by\": null"), "{plan:?}");
    assert_eq!(state(bot.pid()), Some('S'));
}

#[test]
fn nodemon_is_named_as_what_to_end_and_as_the_command_it_is_ended() {
    let Some(program) = peer("npm/node_modules/.bin/nodemon") else { return };
    let stage = Stage::new();
    let bot = testbot().display().to_string();
    let args = ["--quiet", "--signal", "SIGTERM", "--watch", "locks", "--exec", &bot];
    let nodemon = stage.program(&program, &args).start();
    stage.ready(1);
    let ended = stage.run(&[]).on_conflict("graceful").end().exits(75);
    let ended = ended.says("nodemon would start it again; end nodemon itself (pid");
    assert!(ended.err.contains(&format!("(pid {})", nodemon.pid())), "{ended:?}");
    assert!(nodemon.is_alive() && stage.pids_of("got SIGTERM").is_empty());
    let second = stage.run_command(&program, &args).on_conflict("graceful").start();
    stage.ready(2);
    assert!(!nodemon.is_alive());
    second.signal(nix::sys::signal::Signal::SIGTERM);
    second.end();
    stage.assert_no_overlap();
}
