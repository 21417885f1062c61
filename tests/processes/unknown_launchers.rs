//! COMMANDs that begin with a program that monopoll does not know, and go on with the command of
//! the bot.

use std::os::unix::fs::symlink;

use monopoll_test_bots::stage::{Stage, Start, is_alive, token};
use serde_json::Value;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, path, program, words, write};
use crate::start_scripts::near_misses;

const LAUNCHERS: [&str; 18] = [
    "conda",
    "mamba",
    "pixi",
    "doppler",
    "op",
    "infisical",
    "dotenvx",
    "honcho",
    "systemd-run",
    "systemd-inhibit",
    "s6-setuidgid",
    "chpst",
    "envdir",
    "xvfb-run",
    "fish",
    "nix",
    "py-spy",
    "memray",
];

/// The bot `python3 main.py`, begun in other ways.
const MAY_BE_THE_BOT: [&str; 24] = [
    "conda run -n bot python3 main.py",
    "mamba run --no-capture-output -n bot python3 -u ./main.py",
    "pixi run python3 main.py",
    "doppler run -- python3 main.py",
    "op run --env-file .env.op -- python3 -m main",
    "infisical run --env prod -- python3 main.py",
    "dotenvx run -f .env.x -- python3 main.py",
    "honcho run python3 main.py",
    "systemd-run --user --scope -p MemoryMax=1G python3 main.py",
    "systemd-inhibit --why bot python3 main.py",
    "s6-setuidgid bot nice -n 5 python3 main.py",
    "chpst -u bot python3 main.py",
    "envdir env python3 main.py",
    "xvfb-run -a ./main.py",
    "fish -c 'python3 main.py'",
    "fish -c 'exec python3 main.py >> log'",
    "fish '--command=cd . && python3 main.py'",
    "nix develop -c python3 main.py",
    "nix develop --command bash -c 'python3 main.py'",
    "py-spy record -o other.py -- python3 main.py",
    "memray run -o memray.bin main.py",
    "memray run main.py",
    "python3 -m viztracer main.py",
    "nohup conda run -n bot doppler run python3 main.py",
];

/// Launchers of other commands.
const ANOTHER: [&str; 10] = [
    "conda run -n bot python3 other.py",
    "conda run -n bot python3 other.py --then python3 main.py",
    "doppler run -- python3 missing.py main",
    "doppler run -- python3 -m pytest",
    "fish -c 'python3 other.py'",
    "memray run other.py",
    "memray stats main.bin",
    "python3 other.py --then python3 main.py",
    "python3 -m viztracer other.py",
    "honcho start",
];

/// A stage with stand-ins for launchers, which tell nothing of what they do.
fn stage_with_launchers() -> (Stage, String) {
    let stage = Stage::new();
    for name in ["main.py", "other.py"] {
        write(&stage, name, PYTHON);
    }
    write(&stage, "bin/.keep", "");
    let folder = stage.folder().join("bin");
    for name in LAUNCHERS {
        symlink("/bin/true", folder.join(name)).unwrap();
    }
    let path = format!("{}:{}", folder.display(), path());
    (stage, path)
}

fn start<'a>(stage: &'a Stage, args: &[&str], line: &str, path: &str) -> Start<'a> {
    let words = words(line);
    let start = unnamed(stage, args, &words[0]).env("PATH", path);
    words[1..].iter().fold(start, |start, word| start.argument(word))
}

fn plan_of(stage: &Stage, line: &str, path: &str) -> Value {
    plan(start(stage, &["plan"], line, path))
}

#[test]
fn a_process_that_an_unknown_launcher_may_start_is_in_doubt() {
    let (stage, path) = stage_with_launchers();
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    for line in MAY_BE_THE_BOT {
        let seen = plan_of(&stage, line, &path);
        let reason = refusal(&seen);
        assert!(
            reason.contains(&format!("(pid {pid})"))
                && reason.contains("a program that monopoll does not know")
                && reason.contains("end it first (`kill"),
            "{line}: {seen:#}"
        );
        assert_eq!(found(&seen), [u64::from(pid)], "{line}: {seen:#}");
    }
    let refused = start(&stage, &["run"], "conda run python3 main.py", &path).end().exits(75);
    assert!(is_alive(pid), "{refused:?}");
    end(&stage, running, pid);
}

#[test]
fn an_unknown_launcher_of_another_command_does_not_refuse() {
    let (stage, path) = stage_with_launchers();
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    for line in ANOTHER {
        let seen = plan_of(&stage, line, &path);
        assert_eq!((&seen["verdict"], found(&seen)), (&"clear".into(), vec![]), "{line}: {seen:#}");
    }
    let near = plan_of(&stage, "conda run python3 main.py --debug", &path);
    assert_eq!(near["verdict"], "clear", "{near:#}");
    assert!(near_misses(&near).contains(&u64::from(pid)), "{near:#}");
    end(&stage, running, pid);
}

#[test]
fn the_token_of_the_bot_settles_what_an_unknown_launcher_starts() {
    let (stage, path) = stage_with_launchers();
    let mine = token();
    let start_bot = program(&stage, "python3 main.py").env("BOT_TOKEN", &mine);
    let (running, pid) = bot(&stage, start_bot, stage.folder());
    let line = "conda run -n bot python3 main.py";
    let seen = plan(start(&stage, &["plan"], line, &path).env("BOT_TOKEN", &mine));
    assert_eq!((found(&seen), &seen["verdict"]), (vec![u64::from(pid)], &"act".into()));
    let other = plan(start(&stage, &["plan"], line, &path).env("BOT_TOKEN", token()));
    assert_eq!(other["verdict"], "clear", "{other:#}");
    end(&stage, running, pid);
}

/// The launcher stays above the bot, as conda does, and both are one bot.
#[test]
fn a_bot_below_the_same_unknown_launcher_is_the_same_command() {
    let (stage, path) = stage_with_launchers();
    let launcher = "#!/usr/bin/env python3\nimport subprocess, sys\n\
                    sys.exit(subprocess.call(sys.argv[sys.argv.index('--') + 1:]))\n";
    write(&stage, "bin/launcher", launcher);
    let line = "launcher run -- python3 main.py";
    let (running, pid) = bot(&stage, program(&stage, line).env("PATH", &path), stage.folder());
    for started in [line, "python3 main.py"] {
        let seen = plan_of(&stage, started, &path);
        assert!(found(&seen).contains(&u64::from(pid)), "{started}: {seen:#}");
        assert_eq!(seen["verdict"], "act", "{started}: {seen:#}");
    }
    end(&stage, running, pid);
    // The same below guards.
    let (first, pid) = bot(&stage, start(&stage, &["run"], line, &path), stage.folder());
    let (_second, _) = bot(&stage, start(&stage, &["run"], line, &path), stage.folder());
    assert!(!is_alive(pid));
    first.end().exits(0);
}

#[test]
fn a_script_with_an_unknown_launcher_is_in_doubt_too() {
    let (stage, path) = stage_with_launchers();
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    for text in [
        "exec doppler run -- python3 main.py",
        "conda run -n \"$NAME\" python3 main.py",
        "sleep 0\nsystemd-run --scope python3 main.py",
    ] {
        write(&stage, "start.sh", &format!("#!/bin/sh\n{text}\n"));
        let seen = plan_of(&stage, "./start.sh", &path);
        assert!(refusal(&seen).contains("that monopoll does not know"), "{text}: {seen:#}");
        assert_eq!(found(&seen), [u64::from(pid)], "{text}: {seen:#}");
    }
    write(&stage, "start.sh", "#!/bin/sh\nexec doppler run -- python3 other.py\n");
    assert_eq!(plan_of(&stage, "./start.sh", &path)["verdict"], "clear");
    end(&stage, running, pid);
}

#[test]
fn a_module_of_a_launcher_is_like_the_launcher() {
    let (stage, path) = stage_with_launchers();
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    for line in [
        "python3 -m pipenv run python3 main.py",
        "python3 -m poetry run python3 main.py",
        "python3 -m uv run main.py",
        "python3 -m dotenv run -- python3 main.py",
        "python3 -m watchfiles 'python3 main.py' .",
        "bash -c 'command python3 main.py'",
        "bash -c 'eval \"exec python3 main.py\"'",
    ] {
        let seen = plan_of(&stage, line, &path);
        assert_eq!(seen["verdict"], "act", "{line}: {seen:#}");
        assert_eq!(found(&seen), [u64::from(pid)], "{line}: {seen:#}");
    }
    for line in ["python3 -m pipenv run python3 other.py", "bash -c 'command python3 other.py'"] {
        assert_eq!(plan_of(&stage, line, &path)["verdict"], "clear", "{line}");
    }
    end(&stage, running, pid);
}
