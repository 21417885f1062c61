//! Everything that can be checked is checked before a start, so that the healthy bot keeps running.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use monopoll_test_bots::stage::{Running, Stage, Start, contents, skip};
use nix::sys::signal::Signal;

/// Checks that a start fails without affecting a guarded bot.
#[track_caller]
fn touches_nothing(code: i32, says: &str, start: impl for<'a> FnOnce(&'a Stage) -> Start<'a>) {
    let stage = Stage::new();
    let _first: Running<'_> = stage.run(&[]).start();
    stage.ready(1);
    stage.wait_for_start_mutex();
    let before = contents(&stage.locks());
    start(&stage).on_conflict("force").end().exits(code).says(says);
    assert_eq!(contents(&stage.locks()), before);
    assert_eq!(stage.events().len(), 1, "no process was signaled, nothing was started");
}

#[test]
fn a_wrong_configuration_touches_nothing() {
    touches_nothing(78, "", |stage| stage.run(&[]).set("timeouts.gracefull='1s'"));
}

#[test]
fn a_wrong_profile_that_is_not_selected_touches_nothing() {
    touches_nothing(78, "", |stage| {
        stage.run(&[]).config("[profile.other]\non_conflict = 'kill'\n")
    });
}

#[test]
fn no_layer_leaves_a_bot_no_time_to_end() {
    const ZERO: &str = "the configuration is wrong";
    touches_nothing(78, ZERO, |stage| stage.run(&[]).set("timeouts.force='0s'"));
    touches_nothing(78, ZERO, |stage| stage.run(&[]).env("MONOPOLL_TIMEOUTS__FORCE", "0s"));
    touches_nothing(78, ZERO, |stage| stage.run(&[]).config("[profile.x.timeouts]\nforce='0ms'\n"));
    touches_nothing(78, ZERO, |stage| {
        stage.run(&[]).set("timeouts.graceful='0s'").set("kill.escalate=false")
    });
    touches_nothing(78, ZERO, |stage| {
        let start = stage.run(&[]).env("MONOPOLL_TIMEOUTS__GRACEFUL", "0s");
        start.env("MONOPOLL_KILL__ESCALATE", "false")
    });
    touches_nothing(78, ZERO, |stage| {
        let file = "[timeouts]\ngraceful='0s'\n[profile.x.kill]\nescalate=false\n";
        stage.run(&[]).config(file).flag("--profile").flag("x")
    });
    touches_nothing(78, ZERO, |stage| stage.monopoll(&["stop"]).set("timeouts.force='0s'"));
}

#[test]
fn a_configuration_file_that_is_missing_touches_nothing() {
    touches_nothing(78, "", |stage| stage.run(&[]).flag("--config").flag("nowhere.toml"));
}

#[test]
fn a_fifo_in_place_of_the_configuration_does_not_block_the_start() {
    let stage = Stage::new();
    stage.program("mkfifo", &["monopoll.toml"]).end().exits(0);
    let ended = stage.run(&["--exit", "0"]).end().exits(0);
    assert!(ended.err.contains("it is not a regular file"), "{ended:?}");
    let named = stage.run(&[]).flag("--config").flag("monopoll.toml");
    let ended = named.end().exits(78);
    assert!(ended.err.contains("it is a FIFO"), "{ended:?}");
    let stage = Stage::new();
    let line = "exec \"$0\" run --config <(echo 'instance = \"piped\"') -- true";
    let start = stage.program("bash", &["-c", line, env!("CARGO_BIN_EXE_monopoll")]);
    let ended = start.end().exits(0);
    assert!(ended.err.contains("piped"), "{ended:?}");
}

#[test]
fn a_wrong_command_line_touches_nothing() {
    touches_nothing(64, "the command line is wrong", |stage| stage.run(&[]).flag("--no-such-flag"));
}

#[test]
fn json_without_a_dry_run_touches_nothing() {
    touches_nothing(64, "--dry-run", |stage| stage.run(&[]).flag("--json"));
}

#[test]
fn a_deleted_working_directory_is_reported_with_a_hint() {
    let stage = Stage::new();
    for command in [vec!["run", "--", "true"], vec!["plan"], vec!["config", "check"]] {
        let gone = "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" \"$@\"";
        let start = stage.program("sh", &["-c", gone, env!("CARGO_BIN_EXE_monopoll")]);
        let ended =
            command.iter().fold(start, |start, argument| start.argument(argument)).end().exits(64);
        ended.says("the working directory cannot be read").says("change to a folder that exists");
    }
}

#[test]
fn a_command_that_is_not_found_touches_nothing() {
    touches_nothing(127, "is not found", |stage| stage.run_command("no-such-bot", &[]));
}

#[test]
fn a_command_line_in_quotes_is_named_as_such() {
    touches_nothing(127, "leave out the quotes: `-- sh bot.sh`", |stage| {
        stage.run_command("sh bot.sh", &[])
    });
    touches_nothing(127, "check its spelling and $PATH", |stage| {
        stage.run_command("no-such-bot here", &[])
    });
}

#[test]
fn config_init_writes_the_file_that_is_named() {
    let stage = Stage::new();
    let init = |path: &str| stage.monopoll(&["config", "init", "--config", path]).end();
    init("my.toml").exits(0);
    let written = fs::read_to_string(stage.folder().join("my.toml")).unwrap();
    assert!(written.contains("on_conflict"), "{written}");
    init("my.toml").exits(78).says("exists already; not changed");
    init("no/my.toml").exits(1).says("cannot write");
}

#[test]
fn a_command_that_cannot_be_executed_touches_nothing() {
    touches_nothing(126, "cannot be executed", |stage| {
        fs::write(stage.folder().join("bot.py"), "print()").unwrap();
        stage.run_command("./bot.py", &[])
    });
}

#[test]
fn a_script_without_its_interpreter_touches_nothing() {
    touches_nothing(127, "its interpreter `/nowhere/python`", |stage| {
        let script = stage.folder().join("bot.py");
        fs::write(&script, "#!/nowhere/python\n").unwrap();
        fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
        stage.run_command("./bot.py", &[])
    });
}

/// Creates a program in the stage's folder: a script with a `#!` line, or arbitrary bytes.
fn program(stage: &Stage, name: &str, content: impl AsRef<[u8]>) {
    let path = stage.folder().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_script_whose_interpreter_cannot_run_touches_nothing() {
    for (code, says, line) in [
        (127, "env does not find `no-such-python`", "#!/usr/bin/env no-such-python"),
        (127, "env does not find `no-such-python`", "#!/usr/bin/env -S no-such-python -u"),
        (127, "env does not find `no-such-python`", "#!/usr/bin/env -S A=b no-such-python"),
        (127, "write `#!/usr/bin/env -S`", "#!/usr/bin/env sh -e"),
        (127, "its interpreter `/bin/sh\\r` cannot be", "#!/bin/sh\r"),
        (126, "its `#!` lines lead in a circle", "#!@/bot"),
        (126, "its `#!` lines lead in a circle", "#!/usr/bin/env @/bot"),
        (127, "its interpreter `/nowhere/python` cannot be", "#!@/nested"),
        (126, "/cut` is cut off", "#!@/cut"),
        (126, "/cut` is cut off", "#!/usr/bin/env @/cut"),
        (127, "/musl` needs the loader `/lib", "#!@/musl"),
        (127, "/musl` needs the loader `/lib", "#!/usr/bin/env @/musl"),
    ] {
        touches_nothing(code, says, |stage| {
            let folder = stage.folder().to_str().unwrap().to_owned();
            program(stage, "nested", "#!/nowhere/python\n");
            program(stage, "cut", &fs::read("/bin/sh").unwrap()[..1000]);
            program(stage, "musl", shell_without_loader());
            program(stage, "bot", format!("{}\n", line.replace('@', &folder)));
            stage.run_command("./bot", &[])
        });
    }
}

/// Returns a shell whose loader does not exist, like a program for musl on a system with glibc.
fn shell_without_loader() -> Vec<u8> {
    let mut shell = fs::read("/bin/sh").unwrap();
    let at = shell.windows(9).position(|bytes| bytes.starts_with(b"/ld-linux")).unwrap();
    shell[at..at + 9].copy_from_slice(b"/no-linux");
    shell
}

/// Returns whether the kernel runs a program for another processor with an emulator.
fn is_emulated(path: &std::path::Path) -> bool {
    match std::process::Command::new(path).stdin(std::process::Stdio::null()).spawn() {
        Ok(mut child) => child.wait().is_ok(),
        Err(error) => error.raw_os_error() != Some(nix::libc::ENOEXEC),
    }
}

#[test]
fn a_program_that_the_kernel_does_not_execute_touches_nothing() {
    let shell = fs::read("/bin/sh").unwrap();
    let mut foreign = shell.clone();
    // `e_machine`: the processor of a Raspberry Pi, or that of a PC.
    foreign[18] = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    for (code, says, bytes) in [
        (126, "bot` is empty", Vec::new()),
        (126, "bot` is cut off", shell[..shell.len() / 2].to_vec()),
        (127, "bot` needs the loader `/lib", shell_without_loader()),
        (126, "bot` is for another kind of processor", foreign),
    ] {
        let probe = Stage::new();
        program(&probe, "bot", &bytes);
        if says.contains("processor") && is_emulated(&probe.folder().join("bot")) {
            skip("binfmt_misc runs programs for other processors");
            continue;
        }
        touches_nothing(code, says, |stage| {
            program(stage, "bot", bytes);
            stage.run_command("./bot", &[])
        });
    }
}

#[test]
fn a_program_that_is_being_written_is_refused_for_now() {
    let open = std::cell::OnceCell::new();
    touches_nothing(75, "bot` is being written; wait until it is written", |stage| {
        program(stage, "bot", fs::read("/bin/sh").unwrap());
        let written = fs::File::options().append(true).open(stage.folder().join("bot")).unwrap();
        open.set(written).unwrap();
        stage.run_command("./bot", &[])
    });
}

#[test]
fn the_program_after_env_and_its_like_must_run_too() {
    for (code, args) in [
        (127, &["env", "no-such-bot"][..]),
        (127, &["env", "-S", "A=b no-such-bot -u"]),
        (127, &["nohup", "nice", "-n", "5", "./no-such-bot"]),
        (126, &["setsid", "./locks"]),
        (127, &["timeout", "5", "./nested"]),
    ] {
        touches_nothing(code, "", |stage| {
            program(stage, "nested", "#!/nowhere/python\n");
            stage.run_command(args[0], &args[1..])
        });
    }
    let stage = Stage::new();
    program(&stage, "bot", "#!/usr/bin/env sh\nexit 7\n");
    for args in [&["env", "A=b", "./bot"][..], &["env", "PATH=/bin:.", "bot"], &["nice", "./bot"]] {
        stage.run_command(args[0], &args[1..]).end().exits(7);
    }
}

#[test]
fn a_script_that_is_not_in_this_folder_touches_nothing() {
    let says = "COMMAND's script `./start.sh` is not in /";
    touches_nothing(127, says, |stage| stage.run_command("sh", &["-e", "./start.sh"]));
    touches_nothing(127, says, |stage| stage.monopoll(&["plan", "--", "sh", "-e", "./start.sh"]));
}

#[test]
fn status_stop_and_explain_from_the_wrong_folder_say_so_and_answer() {
    let stage = Stage::new();
    for (command, code) in [("status", 3), ("stop", 0), ("explain", 0)] {
        let ended = stage.monopoll(&[command, "--", "sh", "./start.sh"]).end().exits(code);
        assert!(
            ended.err.contains(": warning: COMMAND's script `./start.sh` is not in /"),
            "{command}: {ended:?}"
        );
    }
}

#[test]
fn a_script_that_exists_or_that_the_check_creates_is_run() {
    let stage = Stage::new();
    fs::write(stage.folder().join("start.sh"), "exit 7\n").unwrap();
    stage.run_command("sh", &["-e", "./start.sh"]).end().exits(7);
    let check = |command: &str| format!("[check]\ncommand = {command}\n");
    stage.run_command("sh", &["./made.sh"]).config(&check("['touch', 'made.sh']")).end().exits(0);
    let refused = stage.run_command("sh", &["./gone.sh"]).config(&check("['true']"));
    refused.end().exits(127).says("COMMAND's script `./gone.sh` is not in ");
}

#[test]
fn a_folder_as_a_command_touches_nothing() {
    touches_nothing(126, "cannot be executed", |stage| stage.run_command("./locks", &[]));
}

#[test]
fn a_wrong_start_makes_no_lock_folder() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    stage.run_command("no-such-bot", &[]).end().exits(127);
    stage.run(&[]).set("on_conflict='kill'").end().exits(78);
    assert!(!stage.locks().exists());
}

/// Checks that a start with this check is refused without affecting a guarded bot.
#[track_caller]
fn a_check_that_refuses(code: i32, says: &str, check: &str) {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    stage.run(&[]).on_conflict("force").config(check).end().exits(code).says(says);
    assert!(first.is_alive());
    assert_eq!(stage.events().len(), 1, "no process was signaled, nothing was started");
}

#[test]
fn a_check_that_fails_refuses_and_says_why() {
    a_check_that_refuses(75, "`[check]` failed", "[check]\ncommand = ['sh', '-c', 'exit 3']\n");
}

#[test]
fn a_check_that_takes_too_long_refuses() {
    a_check_that_refuses(
        75,
        "took longer than 200ms",
        "[check]\ncommand = ['sleep', '600']\ntimeout = '200ms'\n",
    );
}

#[test]
fn a_missing_check_program_is_a_wrong_configuration() {
    a_check_that_refuses(
        78,
        "cannot run `check.command`: ",
        "[check]\ncommand = ['no-such-check']\n",
    );
}

#[test]
fn the_output_of_a_check_goes_to_standard_error() {
    let stage = Stage::new();
    let check = "[check]\ncommand = ['sh', '-c', 'echo line 7 is wrong; false']\n";
    let ended = stage.run(&[]).config(check).end().exits(75);
    assert!(ended.err.contains("line 7 is wrong"), "{ended:?}");
    assert_eq!(ended.out, "");
}

#[test]
fn a_check_that_passes_lets_the_bot_start() {
    let stage = Stage::new();
    let ended = stage.run(&["--exit", "5"]).config("[check]\ncommand = ['true']\n").end();
    assert_eq!(ended.exits(5).out, "");
}

#[test]
fn an_interrupted_check_ends_with_its_tree() {
    let stage = Stage::new();
    let check = format!(
        "[check]\ncommand = ['{}', '--as', 'check', '--child', '--as below']\n",
        monopoll_test_bots::programs::testbot().display()
    );
    let start = stage.run(&[]).config(&check).start();
    let (check, below) = (stage.nth_pid_of(1, "check"), stage.nth_pid_of(1, "below"));
    start.signal(Signal::SIGINT);
    start.end().exits(130);
    stage.wait_until("the check's end", || {
        (!monopoll_test_bots::stage::is_alive(check) && !monopoll_test_bots::stage::is_alive(below))
            .then_some(())
    });
    assert!(stage.lock_is_free());
    assert!(!stage.state_file("record").exists());
}

/// Checks that a start with this in place of the lock exits with 73, and that neither it nor a plan
/// changes anything.
#[track_caller]
fn is_not_safe(says: &str, prepare: impl FnOnce(&Stage)) {
    let stage = Stage::new();
    let bystander = stage.bot(&[]).start();
    stage.ready(1);
    fs::create_dir(stage.locks()).unwrap();
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o700)).unwrap();
    prepare(&stage);
    let before = listing(&stage);
    stage.run(&[]).on_conflict("force").end().exits(73).says(says);
    stage.plan(&[]).on_conflict("force").end().exits(73).says(says);
    assert_eq!(listing(&stage), before);
    assert!(bystander.is_alive());
}

fn listing(stage: &Stage) -> String {
    let ended = stage.program("ls", &["-lan", "--time-style=full-iso", "locks", "target"]).end();
    // The folder's own time changes when a start looks for places for its files.
    ended.out.lines().filter(|line| line.contains(".lock") || line.contains("target")).collect()
}

#[test]
fn a_symbolic_link_in_place_of_the_lock_is_not_followed() {
    is_not_safe("symbolic link", |stage| {
        fs::write(stage.folder().join("target"), "precious").unwrap();
        std::os::unix::fs::symlink("../target", stage.lock()).unwrap();
    });
}

#[test]
fn a_dangling_link_in_place_of_the_lock_creates_nothing() {
    is_not_safe("symbolic link", |stage| {
        std::os::unix::fs::symlink("../target", stage.lock()).unwrap();
    });
}

#[test]
fn a_fifo_in_place_of_the_lock_does_not_block_the_start() {
    is_not_safe("FIFO", |stage| {
        stage.program("mkfifo", &["locks/x.lock"]).end().exits(0);
    });
}

#[test]
fn a_folder_in_place_of_the_lock_is_refused() {
    is_not_safe("folder", |stage| fs::create_dir(stage.lock()).unwrap());
}

#[test]
fn a_hard_link_in_place_of_the_lock_is_refused() {
    is_not_safe("hard link", |stage| {
        fs::write(stage.folder().join("target"), "precious").unwrap();
        fs::hard_link(stage.folder().join("target"), stage.lock()).unwrap();
    });
}

#[test]
fn the_hint_about_a_hard_link_keeps_the_other_name() {
    let stage = Stage::new();
    fs::create_dir(stage.locks()).unwrap();
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o700)).unwrap();
    let other = stage.folder().join("target");
    fs::write(&other, "precious").unwrap();
    fs::hard_link(&other, stage.lock()).unwrap();
    let lock = stage.lock().display().to_string();
    let command = format!("mv {lock} {lock}.old");
    stage.run(&["--exit", "0"]).end().exits(73).says(&format!("stop the bot and run `{command}`"));
    stage.program("sh", &["-c", &command]).end().exits(0);
    stage.run(&["--exit", "0"]).end().exits(0);
    assert_eq!(fs::read_to_string(other).unwrap(), "precious");
}

#[test]
fn another_users_file_in_place_of_the_lock_is_refused() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    is_not_safe("another user", |stage| {
        fs::write(stage.lock(), "").unwrap();
        std::os::unix::fs::chown(stage.lock(), Some(12345), None).unwrap();
    });
}

#[test]
fn a_lock_folder_that_others_can_write_to_is_refused() {
    is_not_safe("other users can write", |stage| {
        fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o777)).unwrap();
    });
}

#[test]
fn a_lock_folder_of_another_user_is_refused() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    is_not_safe("another user", |stage| {
        std::os::unix::fs::chown(stage.locks(), Some(12345), None).unwrap();
    });
}

#[test]
fn a_parent_folder_of_another_user_is_refused() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    is_not_safe("another user", |stage| {
        std::os::unix::fs::chown(stage.folder(), Some(12345), None).unwrap();
    });
}

#[test]
fn a_parent_folder_that_others_can_write_to_is_refused() {
    is_not_safe("other users can write", |stage| {
        fs::set_permissions(stage.folder(), PermissionsExt::from_mode(0o777)).unwrap();
    });
}

/// An unused user id, so that there is no group with its name either.
const SOMEBODY: u32 = 54322;

/// Runs `monopoll run -- true` as the owner of a stage, through `through`.
fn of_somebody(through: &[&str], prepare: impl FnOnce(&Stage)) -> monopoll_test_bots::stage::Ended {
    let stage = Stage::new();
    fs::create_dir(stage.locks()).unwrap();
    for folder in [stage.folder().to_owned(), stage.locks()] {
        std::os::unix::fs::chown(&folder, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
    }
    stage.program("cp", &[env!("CARGO_BIN_EXE_monopoll"), "."]).end().exits(0);
    prepare(&stage);
    let lock = format!("lock.paths=[\"{}\"]", stage.lock().display());
    let run = ["./monopoll", "run", "--set", &lock, "--instance", "test", "--", "true"];
    run.into_iter()
        .fold(stage.program(through[0], &through[1..]), monopoll_test_bots::stage::Start::argument)
        .end()
}

const AS_SOMEBODY: [&str; 6] =
    ["setpriv", "--reuid", "54322", "--regid", "54322", "--clear-groups"];

#[test]
fn own_folders_within_those_of_root_are_safe() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    of_somebody(&AS_SOMEBODY, |_| {}).exits(0);
}

#[test]
fn a_group_writable_parent_folder_is_refused_with_a_hint() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let group_may_write = |stage: &Stage| {
        fs::set_permissions(stage.folder(), PermissionsExt::from_mode(0o770)).unwrap();
    };
    of_somebody(&AS_SOMEBODY, group_may_write).exits(73).says("`chmod go-w");
}

#[test]
fn folders_of_an_unmapped_root_are_safe_in_a_user_namespace() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    // The folders above the stage belong to root, who has no id in that namespace.
    let inside = [&AS_SOMEBODY[..], &["unshare", "--user", "--map-root-user"]].concat();
    if Stage::new().program(inside[0], &inside[1..]).argument("true").end().code != Some(0) {
        monopoll_test_bots::stage::skip("there are no user namespaces here");
        return;
    }
    of_somebody(&inside, |_| {}).exits(0);
}

#[test]
fn config_show_and_a_start_say_that_the_config_toml_of_a_bot_is_not_read() {
    let stage = Stage::new();
    fs::write(stage.folder().join("config.toml"), "[monopoll]\non_conflict = 'wait'\n").unwrap();
    let note = "monopoll: ./config.toml is not read: monopoll's keys are not in a table \
                `[monopoll]`; move them to the top level of `monopoll.toml`, or name the file with \
                `--config`\n";
    for ended in [
        stage.monopoll(&["config", "show"]).end().exits(0),
        stage.monopoll(&["config", "show", "--json"]).end().exits(0),
        stage.plan(&[]).end().exits(0),
        stage.run(&["--exit", "0"]).end().exits(0),
    ] {
        assert_eq!(ended.err.matches(note).count(), 1, "{ended:?}");
    }
    let check = stage.monopoll(&["config", "check"]).end().exits(0);
    assert!(check.out.contains("./config.toml is not read: "), "{check:?}");
    fs::write(stage.folder().join("monopoll.toml"), "on_conflict = 'wait'\n").unwrap();
    let check = stage.monopoll(&["config", "check"]).end().exits(0);
    assert_eq!((check.out.as_str(), check.err.as_str()), ("./monopoll.toml is valid\n", ""));
}
