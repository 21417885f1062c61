//! A bot must stay in the foreground (S18): processes that COMMAND leaves behind are ended and
//! reported. If one of them is the bot, a supervisor should try again.

use monopoll_test_bots::stage::{Stage, is_alive, skip, token};

const WARNING: &str = "left 1 process behind (now ended); a bot must stay in the foreground";

const WAITS: &str = "import time\nopen(\"up\", \"w\").close()\ntime.sleep(60)\n";

fn write(stage: &Stage, name: &str, text: &str) {
    std::fs::write(stage.folder().join(name), text).unwrap();
}

fn until_up() -> &'static str {
    "while [ ! -e up ]; do sleep 0.02; done\n"
}

#[test]
fn a_bot_that_a_script_puts_into_the_background_means_75() {
    let stage = Stage::new();
    write(&stage, "main.py", WAITS);
    let script = format!("nohup python3 main.py >/dev/null 2>&1 &\necho $! > pid\n{}", until_up());
    write(&stage, "start.sh", &script);
    stage.run_command("sh", &["start.sh"]).env("BOT_TOKEN", token()).end().exits(75).says(WARNING);
    let pid = std::fs::read_to_string(stage.folder().join("pid")).unwrap();
    assert!(!is_alive(pid.trim().parse().unwrap()));
    assert!(stage.lock_is_free());
}

#[test]
fn a_bot_that_forks_twice_means_75() {
    let stage = Stage::new();
    let fork = "import os, time\n\
                child = os.fork()\n\
                if child: os.waitpid(child, 0); os._exit(0)\n\
                os.setsid()\n\
                if os.fork(): os._exit(0)\n\
                time.sleep(60)\n";
    write(&stage, "main.py", fork);
    stage.run_command("python3", &["main.py"]).end().exits(75).says("a bot must stay in the");
}

#[test]
fn a_bot_in_a_new_tmux_server_means_75() {
    if !std::path::Path::new("/usr/bin/tmux").exists() {
        return skip("tmux is missing; `.ci/run` installs it");
    }
    for has_token in [true, false] {
        let stage = Stage::new();
        write(&stage, "main.py", WAITS);
        let args = ["-S", "tmux", "-f", "/dev/null", "new", "-d", "python3 main.py"];
        let start = stage.run_command("tmux", &args).env("SHELL", "/bin/sh");
        let start = if has_token { start.env("BOT_TOKEN", token()) } else { start };
        let ended = start.end().exits(75);
        assert!(ended.err.contains("a bot must stay in the foreground"), "{ended:?}");
        assert!(stage.lock_is_free());
    }
}

#[test]
fn a_bot_that_restarts_itself_by_spawning_means_75() {
    let stage = Stage::new();
    let restart = "import os, subprocess, sys, time\n\
                   if \"again\" in sys.argv: time.sleep(60)\n\
                   subprocess.Popen([sys.executable, *sys.argv, \"again\"])\n";
    write(&stage, "main.py", restart);
    stage.run_command("python3", &["main.py"]).end().exits(75).says(WARNING);
}

#[test]
fn another_process_that_is_left_behind_is_only_warned_of() {
    let stage = Stage::new();
    write(&stage, "start.sh", "sleep 60 &\n");
    stage.run_command("sh", &["start.sh"]).end().exits(0).says(WARNING);
}

#[test]
fn a_bot_that_failed_keeps_its_exit_status() {
    let stage = Stage::new();
    let script = format!("python3 main.py &\n{}exit 3\n", until_up());
    write(&stage, "main.py", WAITS);
    write(&stage, "start.sh", &script);
    stage.run_command("sh", &["start.sh"]).env("BOT_TOKEN", token()).end().exits(3).says(WARNING);
}

/// Forks twice without waiting, and closes all descriptors, including the lock's.
const DAEMON: &str = "import os, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
with open(\"pids\", \"a\") as pids: pids.write(f\"{os.getpid()}\\n\")
os.closerange(0, os.sysconf('SC_OPEN_MAX'))
time.sleep(60)
";

/// Runs daemons one after the other. None of them outlives its guard.
fn no_guard_leaves_its_daemon(stage: &Stage, start: impl Fn() -> i32) {
    write(stage, "main.py", DAEMON);
    let rounds: usize = std::env::var("MONOPOLL_ROUNDS").map_or(20, |text| text.parse().unwrap());
    for round in 1..=rounds {
        let code = start();
        let pids = std::fs::read_to_string(stage.folder().join("pids")).unwrap_or_default();
        let alive: Vec<&str> = pids.lines().filter(|pid| is_alive(pid.parse().unwrap())).collect();
        assert!(alive.is_empty(), "round {round}: {alive:?} outlived their guard ({code})");
        assert!(stage.lock_is_free());
    }
}

#[test]
fn a_guard_never_leaves_a_daemon_that_forked_without_waiting() {
    let stage = Stage::new();
    no_guard_leaves_its_daemon(&stage, || {
        stage.run_command("python3", &["main.py"]).end().code.unwrap()
    });
}

#[test]
fn nor_where_a_shell_became_the_guard_and_has_a_child_of_its_own() {
    let stage = Stage::new();
    let monopoll = env!("CARGO_BIN_EXE_monopoll");
    let line = format!(
        "sleep 1000 & echo $! > stranger; exec {monopoll} run --set 'lock.paths=[\"{}\"]' -- \
         python3 main.py",
        stage.lock().display()
    );
    no_guard_leaves_its_daemon(&stage, || {
        let code = stage.program("sh", &["-c", &line]).end().code.unwrap();
        let stranger = std::fs::read_to_string(stage.folder().join("stranger")).unwrap();
        let stranger: u32 = stranger.trim().parse().unwrap();
        assert!(is_alive(stranger), "what was not COMMAND's was ended");
        monopoll_test_bots::stage::send(stranger, nix::sys::signal::Signal::SIGKILL);
        code
    });
}
