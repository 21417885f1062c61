//! Other users' processes: shielded unless a `match` entry includes them, and not signaled without
//! permission.

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Stage, Start, is_alive, token};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::same_command::{bot, write};

/// An unused user id.
const NOBODY: u32 = 54321;

/// Creates a stage in which an unprivileged user can start programs, with a bot of root.
fn stage() -> Stage {
    let stage = Stage::new();
    let own = |path: &std::path::Path| chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    own(stage.folder());
    fs::create_dir(stage.locks()).unwrap();
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o700)).unwrap();
    own(&stage.locks());
    fs::write(stage.folder().join("bots.log"), "").unwrap();
    fs::set_permissions(stage.folder().join("bots.log"), PermissionsExt::from_mode(0o666)).unwrap();
    // Other users may be unable to read the build folder. Copy with cp(1): a file open for writing
    // in this process could be inherited by another test's child, and could not be executed
    // meanwhile.
    let bot = testbot().display().to_string();
    stage.program("cp", &[env!("CARGO_BIN_EXE_monopoll"), &bot, "."]).end().exits(0);
    stage
}

/// Returns a unique argument, because an unprivileged user sees little more than command lines.
fn mark(stage: &Stage) -> String {
    stage.folder().file_name().unwrap().display().to_string()
}

/// Runs `./monopoll run -- ./testbot MARK` with force as the unprivileged user.
fn as_nobody<'a>(stage: &'a Stage, more: &str) -> Start<'a> {
    let (id, mark) = (NOBODY.to_string(), mark(stage));
    let config = format!("match = [{{ cmdline = '^./testbot {mark}$' {more} }}]\n");
    fs::write(stage.folder().join("monopoll.toml"), config).unwrap();
    let lock = format!("lock.paths=[\"{}\"]", stage.lock().display());
    let start = stage.program(
        "setpriv",
        &["--reuid", &id, "--regid", &id, "--clear-groups", "./monopoll", "run", "--set", &lock],
    );
    ["--instance", "test", "--on-conflict", "force", "--", "./testbot", &mark]
        .into_iter()
        .fold(start, Start::argument)
}

#[test]
fn another_users_bot_is_shielded_by_default() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = stage();
    let roots = stage.program("./testbot", &[&mark(&stage)]).other_token().start();
    stage.ready(1);
    let _own = as_nobody(&stage, "").start();
    stage.ready(2);
    assert!(roots.is_alive());
}

#[test]
fn a_bot_that_hides_its_folder_and_environment_is_in_doubt() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = stage();
    let (id, mark) = (NOBODY.to_string(), mark(&stage));
    let user = ["--reuid", &id, "--regid", &id, "--clear-groups"];
    let lock = format!("lock.paths=['{}']", stage.lock().display());
    let run = ["./monopoll", "run", "--set", &lock, "--instance", "test"];
    for program in ["./testbot".to_owned(), stage.folder().join("testbot").display().to_string()] {
        let bot = [program.as_str(), &mark, "--hide"];
        let old = stage.program("setpriv", &[user.as_slice(), &bot].concat()).start();
        stage.wait_until("a bot", || stage.pids_of("ready").contains(&old.pid()).then_some(()));
        let start = [user.as_slice(), &run, &["--on-conflict", "graceful", "--"], &bot].concat();
        let ended = stage.program("setpriv", &start).end().exits(77);
        assert!(ended.err.contains("cannot be read"), "{ended:?}");
        assert!(old.is_alive());
    }
    stage.assert_no_overlap();
}

#[test]
fn doctor_reports_that_another_users_bot_is_hidden() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = stage();
    let said = |more: &[&str]| {
        let id = NOBODY.to_string();
        let start = stage.program(
            "setpriv",
            &["--reuid", &id, "--regid", &id, "--clear-groups", "./monopoll", "doctor", "-v"],
        );
        let ended = more.iter().fold(start, |start, argument| start.argument(argument)).end();
        ended.out.contains("a bot that another user started is not found: ")
    };
    assert!(said(&[]));
    assert!(
        !said(&["--set", &format!("lock.paths=[\"{}\"]", stage.lock().display())]),
        "users who share the lock see each other"
    );
    fs::write(stage.folder().join("monopoll.toml"), "match = [{ name = 'bot', user = 'any' }]\n")
        .unwrap();
    assert!(!said(&[]), "an entry includes them");
    assert!(
        !stage.monopoll(&["doctor", "-v"]).end().out.contains("another user started"),
        "root reads everything"
    );
}

#[test]
fn another_users_bot_that_may_not_be_signaled_refuses_with_77() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = stage();
    let roots = stage.program("./testbot", &[&mark(&stage)]).start();
    stage.ready(1);
    as_nobody(&stage, ", user = 'any'")
        .end()
        .exits(77)
        .says("its environment cannot be read; run monopoll as the user");
    assert!(roots.is_alive());
    assert_eq!(stage.events().len(), 1);
}

/// Creates a stage in which several users start a script that one user owns.
fn shared_stage() -> Stage {
    let stage = Stage::new();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    mode(stage.folder(), 0o755);
    let app = app(&stage);
    fs::create_dir(&app).unwrap();
    mode(&app, 0o777);
    write(&stage, "app/bot.sh", "#!/bin/sh\n: > ready-$$\nsleep 600\n");
    chown(app.join("bot.sh"), Some(NOBODY), Some(NOBODY)).unwrap();
    write(&stage, "app/.env", &format!("BOT_TOKEN={}\n", token()));
    stage.program("cp", &[env!("CARGO_BIN_EXE_monopoll"), "."]).end().exits(0);
    stage
}

fn app(stage: &Stage) -> PathBuf {
    stage.folder().join("app")
}

/// Another unused user id.
const THIRD: u32 = 54322;

/// Runs `monopoll ARGS -- sh …/bot.sh` as this user, with its own lock and no name.
fn guard<'a>(stage: &'a Stage, user: u32, args: &[&str]) -> Start<'a> {
    let locks = stage.folder().join(format!("locks-{user}"));
    let _ = fs::create_dir(&locks);
    fs::set_permissions(&locks, PermissionsExt::from_mode(0o700)).unwrap();
    chown(&locks, Some(user), Some(user)).unwrap();
    let lock = format!("lock.paths=[\"{}/{{instance}}.lock\"]", locks.display());
    let script = app(stage).join("bot.sh").display().to_string();
    let start = as_user(stage, user, "../monopoll");
    let start = args.iter().fold(start, |start, argument| start.argument(argument));
    ["--set", &lock, "--on-conflict", "graceful", "--", "sh", &script]
        .into_iter()
        .fold(start, Start::argument)
}

fn as_user<'a>(stage: &'a Stage, user: u32, program: &str) -> Start<'a> {
    let id = user.to_string();
    stage
        .program("setpriv", &["--reuid", &id, "--regid", &id, "--clear-groups", program])
        .current_dir(app(stage))
}

#[test]
fn root_and_the_owner_of_the_script_see_each_others_guards() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    for (first, second, name) in [(NOBODY, 0, NOBODY.to_string()), (0, NOBODY, "root".to_owned())] {
        let stage = shared_stage();
        let (running, pid) = bot(&stage, guard(&stage, first, &["run"]), &app(&stage));
        let refused = guard(&stage, second, &["run"]).end();
        assert!(matches!(refused.code, Some(75 | 77)), "{refused:?}");
        // Only root sees the guard above another user's bot.
        let named = if second == 0 { running.pid() } else { pid };
        let shows = |what: &str| refused.err.contains(what);
        assert!(shows(&name) && shows(&format!("(pid {named})")), "{refused:?}");
        assert!(running.is_alive() && is_alive(pid));
    }
}

#[test]
fn a_third_user_is_named_and_blocks_no_start() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = shared_stage();
    let script = app(&stage).join("bot.sh").display().to_string();
    let third = as_user(&stage, THIRD, "sh").argument(&script);
    let (third, pid) = bot(&stage, third, &app(&stage));
    for user in [0, NOBODY] {
        let (run, _) = bot(&stage, guard(&stage, user, &["run"]), &app(&stage));
        run.wait_for(&format!("(pid {pid}) may be a second poller: the same command, run by user"));
        assert!(third.is_alive());
        run.signal(nix::sys::signal::Signal::SIGTERM);
        run.end();
    }
}

#[test]
fn another_user_who_knows_only_the_number_of_the_token_blocks_no_start() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let mine = token();
    let (number, _) = mine.split_once(':').unwrap();
    let sleeping = |argument: &str| {
        let id = NOBODY.to_string();
        let program = ["--reuid", &id, "--regid", &id, "--clear-groups", "sh", "-c", "sleep 60; :"];
        stage.program("setpriv", &program).argument(argument).start()
    };
    let others = [25, 35].map(|length| sleeping(&format!("{number}:{}", "x".repeat(length))));
    for (n, action) in ["refuse", "graceful", "force"].into_iter().enumerate() {
        let run = stage.run(&[]).env("BOT_TOKEN", &mine).on_conflict(action).start();
        stage.ready(n + 1);
        run.signal(nix::sys::signal::Signal::SIGTERM);
        run.end().exits(0);
    }
    // Who has the whole token polls with it.
    let other = sleeping(&mine);
    stage.run(&[]).env("BOT_TOKEN", &mine).on_conflict("graceful").end().exits(75);
    assert!(others.iter().chain([&other]).all(monopoll_test_bots::stage::Running::is_alive));
}
