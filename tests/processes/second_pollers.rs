//! Second pollers that are easy to miss: bots that lost their launcher, hid their command line, or
//! belong to another user or version.

use std::fs;
use std::path::PathBuf;

use monopoll_test_bots::programs::example;
use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, token};
use nix::sys::signal::Signal;

use crate::other_bots::{behind_a_proxy, plan, refusal, starts, unnamed};
use crate::same_command::{JAVASCRIPT, PYTHON, bot, end, found, path, program, write};
use crate::start_scripts::near_misses;
use crate::supervisors::peer;

/// Runs a program in a new session, as after a login. In the session of PID 1, it would not count
/// as an orphan.
fn in_its_session<'a>(stage: &'a Stage, line: &str) -> Start<'a> {
    program(stage, line).through(&["setsid"])
}

/// Kills a launcher, and waits until the bot below it is an orphan.
#[track_caller]
fn orphan(stage: &Stage, launcher: &Running<'_>, bot: u32) {
    launcher.signal(Signal::SIGKILL);
    let launcher = launcher.pid();
    stage.wait_until("an orphan", || {
        let stat = fs::read_to_string(format!("/proc/{bot}/stat")).unwrap();
        let parent = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().to_owned();
        (parent != launcher.to_string()).then_some(())
    });
}

#[test]
fn a_bot_whose_launcher_was_killed_is_found_by_its_token() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    // The script does not say what it starts.
    write(&stage, "name", "main.py");
    write(&stage, "start.sh", "#!/bin/sh\npython3 \"$(cat name)\"\nexit\n");
    let mine = token();
    let launcher = in_its_session(&stage, "./start.sh").env("BOT_TOKEN", &mine);
    let (launcher, pid) = bot(&stage, launcher, stage.folder());
    orphan(&stage, &launcher, pid);
    let start = |args: &[&str]| unnamed(&stage, args, "./start.sh").env("BOT_TOKEN", &mine);
    let refused = start(&["run"]).end().exits(75);
    assert!(
        refused.err.contains(&format!("(pid {pid}) carries the same bot token"))
            && !refused.err.contains("\"act\""),
        "{refused:?}"
    );
    assert!(is_alive(pid));
    let acting = plan(start(&["plan"]).set("same_token='act'"));
    assert_eq!((found(&acting), &acting["verdict"]), (vec![u64::from(pid)], &"act".into()));
    let (_own, _) = bot(&stage, start(&["run"]).set("same_token='act'"), stage.folder());
    assert!(!is_alive(pid));
}

#[test]
fn an_orphan_with_my_token_in_another_folder_or_below_its_launcher_is_only_a_suspect() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "worker.py", &format!("{PYTHON}\n"));
    write(&stage, "other/worker.py", &format!("{PYTHON}\n"));
    let mine = token();
    let below_shell = |folder: &str| {
        let start = stage.program("sh", &["-c", "python3 worker.py; exit"]);
        let folder = stage.folder().join(folder);
        bot(&stage, start.env("BOT_TOKEN", &mine).current_dir(&folder), &folder)
    };
    let (_launcher, _) = below_shell("");
    let (launcher, elsewhere) = below_shell("other");
    orphan(&stage, &launcher, elsewhere);
    let plan = plan(unnamed(&stage, &["plan"], "python3 main.py").env("BOT_TOKEN", &mine));
    assert_eq!(plan["verdict"], "clear", "{plan:#}");
    assert!(plan["suspects"].as_array().unwrap().iter().any(|it| it["pid"] == elsewhere));
}

#[test]
fn a_daemon_of_another_program_with_my_token_is_only_a_suspect_and_never_ended() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "start.sh", "#!/bin/sh\nexec python3 main.py\n");
    write(&stage, "daemon.sh", "#!/bin/sh\nsh -c 'touch ready-$$; exec sleep 600'\nexit\n");
    let mine = token();
    let launcher = behind_a_proxy(in_its_session(&stage, "./daemon.sh"), &mine);
    let (launcher, pid) = bot(&stage, launcher, stage.folder());
    orphan(&stage, &launcher, pid);
    let rule = "[[rules]]\nwhen = { found_by = 'token', orphaned = true }\naction = 'graceful'\n";
    for line in ["python3 main.py", "./start.sh"] {
        for config in [rule, "same_token = 'act'\n"] {
            for is_hidden in [true, false] {
                let start = unnamed(&stage, &["plan"], line).config(config);
                let start = if is_hidden {
                    behind_a_proxy(start, &mine)
                } else {
                    start.env("BOT_TOKEN", &mine)
                };
                let plan = plan(start);
                assert_eq!(plan["verdict"], "clear", "{line}, {config}: {plan:#}");
                let suspects = plan["suspects"].as_array().unwrap();
                assert!(suspects.iter().any(|it| it["pid"] == pid), "{plan:#}");
            }
        }
    }
    let acting = unnamed(&stage, &["run"], "python3 main.py").config("same_token = 'act'\n");
    let (_own, _) = bot(&stage, behind_a_proxy(acting, &mine), stage.folder());
    assert!(is_alive(pid));
}

#[test]
fn a_process_that_the_bot_spawned_is_found_when_the_bot_was_killed() {
    let stage = Stage::new();
    let text = "import multiprocessing, os, time\n\
                def poll():\n    open(f'ready-{os.getpid()}', 'w').close()\n    time.sleep(600)\n\
                if __name__ == '__main__':\n\
                \x20   multiprocessing.set_start_method('spawn')\n\
                \x20   multiprocessing.Process(target=poll).start()\n    time.sleep(600)\n";
    write(&stage, "main.py", text);
    let mine = token();
    let first = in_its_session(&stage, "python3 main.py").env("BOT_TOKEN", &mine);
    let (first, pid) = bot(&stage, first, stage.folder());
    orphan(&stage, &first, pid);
    let plan = plan(unnamed(&stage, &["plan"], "python3 main.py").env("BOT_TOKEN", &mine));
    assert!(refusal(&plan).contains("carries the same bot token"), "{plan:#}");
    assert!(found(&plan).contains(&u64::from(pid)), "{plan:#}");
}

#[test]
fn a_match_entry_that_finds_nothing_switches_nothing_off() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let (_bot, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    for name in ["python", "python3?(\\.\\d+)?"] {
        let config =
            format!("match = [{{ name = '{name}', cwd = '{}' }}]\n", stage.folder().display());
        let plan = plan(unnamed(&stage, &["plan"], "python3 main.py").config(&config));
        assert_eq!(found(&plan), [u64::from(pid)], "{name}: {plan:#}");
    }
}

#[test]
fn a_poller_with_the_token_in_its_url_is_found_and_an_upload_is_not() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let mine = token();
    for (method, is_found) in [("sendDocument", false), ("getUpdates?timeout=50", true)] {
        let url = format!("https://api.telegram.org/bot{mine}/{method}");
        let request = stage.program("sh", &["-c", "sleep 600; :", "curl", &url]).start();
        let start = unnamed(&stage, &["plan"], "python3 main.py").env("BOT_TOKEN", &mine);
        let plan = plan(start);
        assert_eq!(found(&plan).contains(&u64::from(request.pid())), is_found, "{plan:#}");
        assert_eq!(plan["verdict"] == "refuse", is_found, "{plan:#}");
    }
}

/// Runs a python3 with another title.
fn titled<'a>(stage: &'a Stage, script: &str) -> Start<'a> {
    let asked =
        stage.program("python3", &["-c", "import os; print(os.readlink('/proc/self/exe'))"]);
    let python = asked.end().exits(0).out.trim().to_owned();
    let home = stage.program("python3", &["-c", "import sys; print(sys.prefix)"]).end().exits(0);
    stage
        .program(python, &[])
        .arg0("bot: polling")
        .stdin_text(script)
        .env("PYTHONHOME", home.out.trim())
}

#[test]
fn a_rewritten_title_is_a_near_miss_and_with_my_token_a_conflict() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let mine = token();
    let (running, pid) = bot(&stage, titled(&stage, PYTHON), stage.folder());
    let seen = plan(unnamed(&stage, &["plan"], "python3 main.py"));
    assert_eq!(found(&seen), [] as [u64; 0], "{seen:#}");
    let near = seen["near_misses"].as_array().unwrap().iter().find(|it| it["pid"] == pid);
    let reason = near.unwrap_or_else(|| panic!("{seen:#}"))["reason"].as_str().unwrap();
    assert!(reason.contains("under a title that cannot be compared"), "{reason}");
    drop(running);

    let (_running, pid) =
        bot(&stage, behind_a_proxy(titled(&stage, PYTHON), &mine), stage.folder());
    let seen = plan(behind_a_proxy(unnamed(&stage, &["plan"], "python3 main.py"), &mine));
    assert_eq!(found(&seen), [u64::from(pid)], "{seen:#}");
}

/// Starts a guard of the previous version with this name and its own lock.
#[track_caller]
fn old_guard<'a>(stage: &'a Stage, name: &str) -> (Running<'a>, u32) {
    // A guard is recognized by the name of its program.
    let guard = stage.folder().join("monopoll");
    let old = example("old_guard").display().to_string();
    stage.program("cp", &[&old, guard.to_str().unwrap()]).end().exits(0);
    let lock = stage.folder().join("old").join(format!("{name}.lock"));
    let words = [lock.to_str().unwrap(), "python3", "main.py"];
    bot(stage, stage.program(guard, &words).env("OLD_GUARD_INSTANCE", name), stage.folder())
}

#[test]
fn a_guard_of_the_version_before_with_a_guessed_name_is_asked_in_its_own_folder() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let (guard, pid) = old_guard(&stage, "main.py-1a2b3c4d");
    let (_new, _) = bot(&stage, unnamed(&stage, &["run"], "python3 main.py"), stage.folder());
    guard.end().exits(0);
    assert!(!is_alive(pid));
    let asked = |it: &monopoll_test_bots::stage::Event| it.what.starts_with("asked ");
    assert!(stage.events().iter().any(asked), "{}", stage.transcript());
}

#[test]
fn a_guard_with_another_name_puts_the_same_command_in_doubt() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let (guard, pid) = old_guard(&stage, "voice");
    let refused = unnamed(&stage, &["run"], "python3 main.py").end().exits(75);
    assert!(refused.err.contains("start with `--instance voice`"), "{refused:?}");
    assert!(guard.is_alive() && is_alive(pid));
}

#[test]
fn what_a_script_becomes_is_the_same_command() {
    let stage = Stage::new();
    for folder in ["", "app/", "other/"] {
        write(&stage, &format!("{folder}main.py"), PYTHON);
        write(&stage, &format!("{folder}admin.py"), &format!("{PYTHON}\n"));
    }
    write(&stage, "start", "#!/bin/sh\nset -e\necho start\nexec python3 main.py \"$@\"\n");
    write(&stage, "plain.sh", "#!/bin/bash\npython3 main.py >> out.log 2>&1\n");
    write(&stage, "admin.sh", "#!/bin/sh\nexec python3 admin.py\n");
    let enters = "#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 1\nexec python3 main.py\n";
    write(&stage, "app/start.sh", enters);
    for name in ["alice", "bob"] {
        let sets = format!("#!/bin/sh\nexport NAME={name} BOT_ENV={name}\nexec python3 main.py\n");
        write(&stage, &format!("{name}.sh"), &sets);
    }
    let root = stage.folder();
    for (running, folder, same, different) in [
        (
            "./start",
            "",
            &["./start", "sh start", "./plain.sh", "python3 main.py"][..],
            &["./start -x", "./admin.sh", "app/start.sh"][..],
        ),
        ("./start -x", "", &["bash start -x"], &["./start", "./plain.sh"]),
        ("bash ./plain.sh", "", &["./plain.sh", "./start"], &["./admin.sh"]),
        ("app/start.sh", "app/", &["app/start.sh", "bash app/start.sh"], &["./start"]),
        ("./alice.sh", "", &["./alice.sh", "sh alice.sh"], &["./admin.sh"]),
        ("python3 admin.py", "", &["./admin.sh"], &["./start", "app/start.sh"]),
    ] {
        let (running_bot, pid) = bot(&stage, program(&stage, running), &root.join(folder));
        for (starts, expected) in [(same, true), (different, false)] {
            for start in starts {
                let plan = plan(unnamed(&stage, &["plan"], start));
                let is_found = found(&plan).contains(&u64::from(pid));
                assert_eq!(is_found, expected, "{running} / {start}: {plan:#}");
                let verdict = if expected { "act" } else { "clear" };
                assert_eq!(plan["verdict"], verdict, "{running} / {start}: {plan:#}");
            }
        }
        end(&stage, running_bot, pid);
    }
    let elsewhere = program(&stage, "python3 main.py").current_dir(root.join("other"));
    let (_elsewhere, _) = bot(&stage, elsewhere, &root.join("other"));
    assert_eq!(plan(unnamed(&stage, &["plan"], "./start"))["verdict"], "clear");
    let (first, pid) = bot(&stage, unnamed(&stage, &["run"], "python3 main.py"), root);
    let (_second, _) = bot(&stage, unnamed(&stage, &["run"], "./start"), root);
    assert!(!is_alive(pid));
    first.end().exits(0);
}

/// Scripts that become their last command and are not simple.
const UNCLEAR_SCRIPTS: [&str; 9] = [
    ". ./bot.env\nexec python3 main.py",
    ". ./bot.env\nexport BOT=alice\nexec python3 main.py",
    "set -a; . ./bot.env; set +a\nexec python3 main.py \"$@\"",
    "if [ -f bot.env ]; then\nexec python3 main.py\nfi",
    "python3 other.py\nexec python3 main.py < /dev/null",
    "shift $#; exec python3 main.py",
    "run() {\n  exec python3 main.py \"$@\"\n}\nrun",
    "while [ -f bot.env ]; do python3 main.py; sleep 2; done",
    "exec \"$@\"",
];

#[test]
fn what_a_script_may_become_is_in_doubt_and_with_my_token_the_same_command() {
    let stage = Stage::new();
    let mine = token();
    write(&stage, "main.py", PYTHON);
    write(&stage, "other.py", PYTHON);
    write(&stage, "bot.env", "NAME=bot\n");
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    let line = |text: &str| {
        write(&stage, "start", &format!("#!/bin/sh\n{text}\n"));
        if text == "exec \"$@\"" { "sh -u start python3 main.py" } else { "./start" }
    };
    for text in UNCLEAR_SCRIPTS {
        let line = line(text);
        let plan = plan(unnamed(&stage, &["plan"], line));
        if line == "./start" {
            assert!(refusal(&plan).contains("lines that may choose another bot"), "{text}");
        }
        assert_eq!(found(&plan), [u64::from(pid)], "{text}: {plan:#}");
    }
    let start = unnamed(&stage, &["run"], line(UNCLEAR_SCRIPTS[0]));
    let refused = start.env("BOT_TOKEN", &mine).end().exits(75);
    assert!(refused.err.contains("end it first (`kill"), "{refused:?}");
    assert!(is_alive(pid));
    end(&stage, running, pid);

    let with_token = behind_a_proxy(program(&stage, "python3 main.py"), &mine);
    let (_with_token, pid) = bot(&stage, with_token, stage.folder());
    for text in UNCLEAR_SCRIPTS {
        let plan = plan(behind_a_proxy(unnamed(&stage, &["plan"], line(text)), &mine));
        assert_eq!(
            (&plan["verdict"], found(&plan)),
            (&"act".into(), vec![u64::from(pid)]),
            "{text}"
        );
    }
}

#[test]
fn a_script_never_says_that_another_program_is_the_bot() {
    let stage = Stage::new();
    let mine = token();
    for name in ["main.py", "other.py", "web.py"] {
        write(&stage, name, PYTHON);
    }
    write(&stage, "bot.env", "");
    let script = |text: &str| write(&stage, "start", &format!("#!/bin/sh\n{text}\n"));
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    for text in [
        ". ./bot.env\nexec python3 other.py",
        ". ./bot.env\nexec python3 main.py --all",
        ". ./bot.env\ncd /\nexec python3 main.py",
        "python3 main.py\nexec python3 other.py",
        ". ./bot.env\necho 'exec python3 main.py'",
        "# exec python3 main.py\n. ./bot.env",
        "cat <<EOF\nexec python3 main.py\nEOF",
    ] {
        script(text);
        let plan = plan(unnamed(&stage, &["plan"], "./start"));
        assert_eq!((&plan["verdict"], found(&plan)), (&"clear".into(), vec![]), "{text}: {plan:#}");
    }
    // Conditions choose one of several.
    script("case \"$1\" in\n  a) exec python3 main.py ;;\n  b) exec python3 other.py ;;\nesac");
    let chosen = plan(unnamed(&stage, &["plan"], "./start b"));
    assert_eq!(chosen["verdict"], "clear", "{chosen:#}");
    assert!(near_misses(&chosen).contains(&u64::from(pid)), "{chosen:#}");
    end(&stage, running, pid);

    // The token of the bot is handed to everything that the script starts.
    script("python3 web.py &\nexec python3 main.py");
    let web = program(&stage, "python3 web.py").env("BOT_TOKEN", &mine);
    let (_web, pid) = bot(&stage, web, stage.folder());
    let refused = plan(unnamed(&stage, &["plan"], "./start").env("BOT_TOKEN", &mine));
    assert!(refusal(&refused).contains("this one may not be the bot"), "{refused:#}");
    assert_eq!(found(&refused), [u64::from(pid)]);
    write(&stage, "bare", "#!/bin/sh\nexec sleep 599\n");
    let _sleeps = program(&stage, "sleep 599").start();
    assert_eq!(plan(unnamed(&stage, &["plan"], "./bare"))["verdict"], "clear");
}

#[test]
fn two_guarded_scripts_that_may_become_one_command_both_live() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    for name in ["alice", "bob"] {
        write(&stage, &format!("{name}.env"), &format!("NAME={name}\n"));
        let text = format!("#!/bin/sh\n. ./{name}.env\nexec python3 main.py\n");
        write(&stage, &format!("{name}.sh"), &text);
    }
    write(&stage, "start.sh", "#!/bin/sh\n. ./$1.env\nexec python3 main.py\n");
    for (first, second) in [("./alice.sh", "./bob.sh"), ("./start.sh alice", "./start.sh bob")] {
        let (guard, one) = bot(&stage, unnamed(&stage, &["run"], first), stage.folder());
        let (other_guard, other) = bot(&stage, unnamed(&stage, &["run"], second), stage.folder());
        assert!(guard.is_alive() && is_alive(one));
        let (again, _) = bot(&stage, unnamed(&stage, &["run"], first), stage.folder());
        assert!(!is_alive(one) && is_alive(other));
        // The bot itself under a guard may be either.
        drop((again, other_guard));
    }
    let plain = unnamed(&stage, &["run"], "python3 main.py");
    let (guard, pid) = bot(&stage, plain, stage.folder());
    let refused = unnamed(&stage, &["run"], "./alice.sh").end().exits(75);
    assert!(refused.err.contains("lines that may choose another bot"), "{refused:?}");
    assert!(guard.is_alive() && is_alive(pid));
}

#[test]
fn a_package_is_found_by_the_filter_of_pnpm_and_bun() {
    let Some(pnpm) = peer("js/node_modules/.bin/pnpm") else { return };
    let stage = Stage::new();
    write(&stage, "package.json", r#"{"name": "root", "workspaces": ["bots/*"]}"#);
    write(&stage, "pnpm/package.json", r#"{"name": "root"}"#);
    write(&stage, "pnpm/pnpm-workspace.yaml", "packages:\n  - 'bots/*'\n");
    for folder in ["bots/a", "bots/b", "pnpm/bots/a", "pnpm/bots/b"] {
        let name = if folder.ends_with('a') { "alice" } else { "bob" };
        let package = format!(r#"{{"name": "{name}", "scripts": {{"start": "node index.js"}}}}"#);
        write(&stage, &format!("{folder}/package.json"), &package);
        write(&stage, &format!("{folder}/index.js"), JAVASCRIPT);
    }
    let path = format!("{}:{}", pnpm.parent().unwrap().display(), path());
    for (root, line) in [
        ("pnpm", "pnpm --filter bob start"),
        ("pnpm", "pnpm -F ./bots/b run start"),
        ("", "bun --filter bob start"),
        ("", "bun run --filter ./bots/b start"),
    ] {
        let root = stage.folder().join(root);
        let running = program(&stage, line).current_dir(&root).env("PATH", &path);
        let (running, pid) = bot(&stage, running, &root.join("bots/b"));
        let other = line.replace("bob", "alice").replace("bots/b", "bots/a");
        let plan = |line: &str| {
            plan(unnamed(&stage, &["plan"], line).current_dir(&root).env("PATH", &path))
        };
        assert!(found(&plan(line)).contains(&u64::from(pid)), "{line}: {:#}", plan(line));
        assert_eq!(plan(&other)["verdict"], "clear", "{other}");
        end(&stage, running, pid);
    }
}

#[test]
fn a_bot_inside_the_shim_of_a_version_manager_is_found() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "other.py", PYTHON);
    // It stays a shim for a moment before it becomes python.
    let shim = "#!/bin/bash\n: > ready-$$\nsleep 600\n:\n";
    for shim_of in ["libexec/pyenv-exec", "shims/python3", "bin/pyenv", "bin/asdf"] {
        write(&stage, shim_of, shim);
    }
    for line in [
        "libexec/pyenv-exec python3 main.py",
        "shims/python3 main.py",
        "bin/pyenv exec python3 main.py",
        "bin/asdf exec python3 main.py",
    ] {
        let (running, pid) = bot(&stage, program(&stage, line), stage.folder());
        let plan = |line: &str| plan(unnamed(&stage, &["plan"], line));
        for line in [line, "python3 main.py"] {
            assert!(found(&plan(line)).contains(&u64::from(pid)), "{line}: {:#}", plan(line));
        }
        assert_eq!(plan("python3 other.py")["verdict"], "clear");
        end(&stage, running, pid);
    }
}

#[test]
fn what_cargo_run_becomes_is_the_same_command() {
    let stage = Stage::new();
    let loops = "fn main() { loop { std::thread::park(); } }\n";
    write(&stage, "src/main.rs", loops);
    write(
        &stage,
        "Cargo.toml",
        "[package]\nname = \"tbot\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
         [features]\nx = []\n[workspace]\n",
    );
    // Not by rustup, which would ask for its own home.
    let cargo = PathBuf::from(std::env::var_os("CARGO").unwrap());
    let cargo = |subcommand: &str| {
        let start = stage.program(&cargo, &[subcommand, "--quiet", "--offline"]);
        start.env("RUSTC", cargo.with_file_name("rustc"))
    };
    cargo("build").end().exits(0);
    let running = cargo("run").start();
    let pid = stage.wait_until("the bot", || {
        let line = std::fs::read(format!("/proc/{}/cmdline", running.pid())).ok()?;
        line.starts_with(b"target/debug/tbot").then(|| running.pid())
    });
    let plan = |line: &str| plan(unnamed(&stage, &["plan"], line));
    assert_eq!(found(&plan("cargo run")), [u64::from(pid)]);
    assert_eq!(found(&plan("target/debug/tbot")), [u64::from(pid)]);
    for options in [
        "-p tbot",
        "--features x --no-default-features",
        "--locked -j 4",
        "--profile=dev --bin tbot",
        "--manifest-path Cargo.toml",
        "--target-dir target",
    ] {
        let plan = plan(&format!("cargo run {options}"));
        assert_eq!(plan["verdict"], "act", "{options}: {plan:#}");
        assert_eq!(found(&plan), [u64::from(pid)], "{options}");
    }
    assert!(found(&plan("cargo run -- --profile alice")).is_empty());
    for options in ["--release", "--example tbot", "--target-dir other", "-p other"] {
        assert!(found(&plan(&format!("cargo run {options}"))).is_empty(), "{options}");
    }
}

#[test]
fn the_identical_cargo_run_with_options_takes_over() {
    let stage = Stage::new();
    let ready = "std::fs::write(format!(\"ready-{}\", std::process::id()), \"\").unwrap();";
    let text = format!("fn main() {{ {ready} loop {{ std::thread::park(); }} }}\n");
    write(&stage, "bots/alice/src/main.rs", &text);
    let package = "[package]\nname = \"alice\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    write(&stage, "bots/alice/Cargo.toml", package);
    write(&stage, "Cargo.toml", "[workspace]\nmembers = [\"bots/*\"]\nresolver = \"2\"\n");
    let cargo = PathBuf::from(std::env::var_os("CARGO").unwrap());
    let line = format!("{} run --offline -p alice -j 2", cargo.display());
    let start =
        |args: &[&str]| unnamed(&stage, args, &line).env("RUSTC", cargo.with_file_name("rustc"));
    let (_first, old) = starts(&stage, start(&["run"]));
    let (second, new) = starts(&stage, start(&["run"]));
    assert!(!is_alive(old) && is_alive(new));
    drop(second);
    let by_hand = program(&stage, &line).env("RUSTC", cargo.with_file_name("rustc"));
    let (_third, old) = starts(&stage, by_hand);
    let (_fourth, new) = starts(&stage, start(&["run"]));
    assert!(!is_alive(old) && is_alive(new));
}
