//! Reloaders under `monopoll run` restart the bot under the same guard, and end together with it.

use crate::scene::{Framework, Scene, peers};
use monopoll_test_bots::stage::{Start, is_alive};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

#[test]
fn watchfiles_reloads_under_one_guard() {
    reloads(Framework::PythonTelegramBot, |main, _| {
        vec![peers().join("venv/bin/watchfiles").display().to_string(), main, ".".into()]
    });
}

#[test]
fn nodemon_reloads_under_one_guard() {
    let nodemon = || peers().join("npm/node_modules/.bin/nodemon").display().to_string();
    reloads(Framework::Telegraf, |_, file| {
        vec![nodemon(), "--signal".into(), "SIGTERM".into(), file]
    });
}

#[test]
fn node_watch_reloads_under_one_guard() {
    // `node --watch --version` asks for a file.
    let help = Command::new("node").arg("--help").output();
    let knows = help.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains("--watch"));
    if !knows {
        return monopoll_test_bots::stage::skip("this node has no `--watch`");
    }
    reloads(Framework::Telegraf, |_, file| vec!["node".into(), "--watch".into(), file]);
}

/// `reloader` returns the reloader's command line for the bot's command line and file.
fn reloads(framework: Framework, reloader: impl Fn(String, String) -> Vec<String>) {
    if !framework.is_there() {
        return;
    }
    let scene = Scene::new(framework);
    let (program, source) = framework.command();
    let source = source.unwrap();
    // A reloader watches its folder, so nothing else may change there.
    let folder = scene.stage.folder().join("bot");
    fs::create_dir(&folder).unwrap();
    let file = folder.join(Path::new(&source).file_name().unwrap());
    fs::copy(&source, &file).unwrap();
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let line = reloader(format!("{} {name}", program.display()), name);
    let args: Vec<&str> = line[1..].iter().map(String::as_str).collect();
    let run = || -> Start<'_> {
        // All processes of a user share the kernel's inotify limits, including those of other
        // tests.
        let start =
            scene.stage.run_command(&line[0], &args).env("WATCHFILES_FORCE_POLLING", "true");
        scene.connected(start).on_conflict("graceful").current_dir(&folder)
    };

    let traffic = scene.traffic();
    let first = run().start();
    let before = scene.poller(1);
    scene.processes(5);
    OpenOptions::new().append(true).open(&file).unwrap().write_all(b"\n").unwrap();
    let after = scene.poller(2);
    assert!(first.is_alive() && !is_alive(before), "the guard stays, the bot changes");
    scene.processes(5);
    let second = run().start();
    scene.poller(3);
    first.end().exits(0);
    assert!(!is_alive(after), "the bot ends with its reloader");
    scene.processes(5);
    second.signal(nix::sys::signal::Signal::SIGTERM);
    second.end();
    drop(traffic);
    let report = scene.server.report();
    assert_eq!(
        (report.most_at_once, report.conflicts.written, report.pollers.len()),
        (1, 0, 3),
        "{report:#?}"
    );
}
