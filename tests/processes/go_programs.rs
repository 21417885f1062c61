//! A bot in Go that `go run` builds and starts, beside the one that `go build` has built. Go is not
//! needed: a small program with its name does what `go run` does.

use std::fs;

use monopoll_test_bots::programs::{example, testbot};
use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, send};
use nix::sys::signal::Signal;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{end, found, program, write};
use crate::start_scripts::near_misses;

const BY_GO: &str = "is started by `go run`";

/// A stage with the source and the programs of two bots.
fn project() -> Stage {
    let stage = Stage::new();
    for name in ["go.mod", "main.go", "cmd/web/main.go"] {
        write(&stage, name, "");
    }
    write(&stage, "Makefile", "run:\n\tgo run .\n");
    let deploy = "#!/bin/sh\nset -e\ngo build -o bin/bot\nexec ./bin/bot\n";
    write(&stage, "deploy.sh", deploy);
    for folder in ["bin", "tools", "tmp"] {
        fs::create_dir_all(stage.folder().join(folder)).unwrap();
    }
    for program in ["bot", "bin/bot", "web"] {
        fs::copy(testbot(), stage.folder().join(program)).unwrap();
    }
    fs::copy(example("go_run"), stage.folder().join("tools/go")).unwrap();
    stage
}

fn with_go<'a>(stage: &Stage, start: Start<'a>) -> Start<'a> {
    let tools = stage.folder().join("tools");
    start
        .env("PATH", format!("{}:{}", tools.display(), std::env::var("PATH").unwrap()))
        .env("GO_BOT", testbot())
        .env("TMPDIR", stage.folder().join("tmp"))
        .env("GOCACHE", stage.folder().join("cache"))
}

/// Starts a program, and returns the pid of the bot that it is or has started.
#[track_caller]
fn bot<'a>(stage: &'a Stage, line: &str) -> (Running<'a>, u32) {
    let running = with_go(stage, program(stage, line)).start();
    let pid = stage.wait_until("the bot", || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let mut all = all.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
        all.find(|pid| {
            let read = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).ok();
            let exe = read("exe").unwrap_or_default();
            read("cwd").is_some_and(|cwd| cwd == stage.folder())
                && exe.starts_with(stage.folder())
                && !exe.starts_with(stage.folder().join("tools"))
        })
    });
    (running, pid)
}

#[track_caller]
fn is_in_doubt(stage: &Stage, running: &str, started: &str) {
    let (process, pid) = bot(stage, running);
    let seen = plan(with_go(stage, unnamed(stage, &["plan"], started)));
    let reason = refusal(&seen);
    // The doubt about a script comes first.
    let is_script = started == "./deploy.sh" && reason.contains("COMMAND's script");
    assert!(reason.contains(BY_GO) || is_script, "{running} / {started}: {reason}");
    assert!(found(&seen).contains(&u64::from(pid)), "{running} / {started}: {seen:#}");
    end(stage, process, pid);
}

#[test]
fn what_go_run_starts_is_in_doubt_beside_a_built_program() {
    let stage = project();
    for run in ["go run .", "go run main.go", "make run"] {
        for built in ["./bot", "./bin/bot", "./deploy.sh"] {
            is_in_doubt(&stage, run, built);
            is_in_doubt(&stage, built, run);
        }
    }
    is_in_doubt(&stage, "go run -race . --name alice", "./bot --name alice");
    is_in_doubt(&stage, "go run ./cmd/web", "./web");
}

/// Since Go 1.24, every `go run` but the first starts the program from the build cache.
#[test]
fn what_go_run_starts_from_its_cache_is_in_doubt_too() {
    let stage = project();
    fs::create_dir(stage.folder().join("cache")).unwrap();
    for (run, built) in [("go run .", "./bot"), ("go run ./cmd/web", "./web")] {
        is_in_doubt(&stage, run, built);
        is_in_doubt(&stage, built, run);
    }
    let (process, pid) = bot(&stage, "go run .");
    process.signal(Signal::SIGKILL);
    process.end();
    assert!(is_alive(pid));
    let planned = |started: &str| plan(with_go(&stage, unnamed(&stage, &["plan"], started)));
    assert_eq!(near_misses(&planned("go run .")), [u64::from(pid)]);
    assert!(refusal(&planned("./bot")).contains(BY_GO));
    send(pid, Signal::SIGKILL);
}

#[test]
fn another_package_is_a_near_miss_and_other_arguments_are_another_bot() {
    let stage = project();
    for (running, started) in [("go run ./cmd/web", "./bot"), ("./bot", "go run ./cmd/web")] {
        let (process, pid) = bot(&stage, running);
        let seen = plan(with_go(&stage, unnamed(&stage, &["plan"], started)));
        assert_eq!(seen["verdict"], "clear", "{running} / {started}: {seen:#}");
        // `go run` is listed too.
        assert!(near_misses(&seen).contains(&u64::from(pid)), "{running} / {started}: {seen:#}");
        end(&stage, process, pid);
    }
    let (process, pid) = bot(&stage, "go run . --name alice");
    let seen = plan(with_go(&stage, unnamed(&stage, &["plan"], "./bot --name bob")));
    assert_eq!(seen["verdict"], "clear", "{seen:#}");
    assert!(near_misses(&seen).is_empty(), "{seen:#}");
    end(&stage, process, pid);
}

#[test]
fn the_identical_go_run_is_taken_over_and_what_it_left_behind_is_listed() {
    let stage = project();
    let (process, pid) = bot(&stage, "go run .");
    let planned = |started: &str| plan(with_go(&stage, unnamed(&stage, &["plan"], started)));
    let seen = planned("go run .");
    assert_eq!(seen["verdict"], "act", "{seen:#}");
    assert!(found(&seen).contains(&u64::from(pid)), "{seen:#}");
    process.signal(Signal::SIGKILL);
    process.end();
    assert!(is_alive(pid));
    let seen = planned("go run .");
    assert_eq!(near_misses(&seen), [u64::from(pid)], "{seen:#}");
    assert!(refusal(&planned("./bot")).contains(BY_GO));
    send(pid, Signal::SIGKILL);
}
