//! One project and several folders: a bot that runs a file of the project from elsewhere, the same
//! file named from two folders, and a folder that was copied for another bot.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};

use monopoll_test_bots::stage::{Stage, Start, is_alive, token};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::listed_only::{connected, near_miss};
use crate::only_by_pwd::within;
use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{JAVASCRIPT, PYTHON, bot, end, found, program, write};
use crate::same_file_elsewhere::script;

#[test]
fn a_connected_program_of_the_project_is_listed_from_any_folder() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let api = format!("telegram.api_url='http://127.0.0.1:{port}'");
    let project = stage.folder().join("project");
    let poller = connected(&stage, port);
    let leaves = poller.replace("time.sleep", "os.chdir('/'); time.sleep");
    for (name, code) in [
        ("bot.py", &*poller),
        ("src/app.py", &poller),
        ("leaves.py", &leaves),
        ("worker.py", PYTHON),
        ("src/worker.py", PYTHON),
        ("requirements.txt", ""),
    ] {
        write(&stage, &format!("project/{name}"), code);
    }
    write(&stage, "project/.venv/pyvenv.cfg", "");
    write(&stage, "project/.venv/bin/bot", PYTHON);
    write(&stage, "main.py", PYTHON);
    let elsewhere = stage.folder().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let path = |name: &str| project.join(name).display().to_string();
    let script = format!("python3 {}", path("bot.py"));
    let installed = path(".venv/bin/bot");
    let worker_below = format!("python3 {}", path("src/worker.py"));
    // What runs, its folder, what starts, and its folder.
    for (running, its_folder, started, folder, is_listed) in [
        (&*script, &elsewhere, &*installed, &elsewhere, true),
        (&script, &elsewhere, "python3 worker.py", &project, true),
        ("python3 bot.py", &project, &installed, &elsewhere, true),
        ("python3 src/app.py", &project, &installed, &elsewhere, true),
        ("python3 worker.py", &project, &installed, &elsewhere, false),
        (&script, &elsewhere, "python3 main.py", &stage.folder().to_owned(), true),
        (&script, &elsewhere, "python3 -c pass", &elsewhere, true),
        // Below the folder of COMMAND, and above that of its script.
        ("python3 app.py", &project.join("src"), "python3 worker.py", &project, true),
        ("python3 bot.py", &project, &worker_below, &elsewhere, true),
        ("python3 leaves.py", &project, "python3 worker.py", &project, true),
        (
            "python3 project/bot.py --debug",
            &stage.folder().to_owned(),
            &worker_below,
            &project,
            true,
        ),
    ] {
        let (process, pid) = bot(&stage, within(program(&stage, running), its_folder), its_folder);
        let seen = plan(unnamed(&stage, &["plan"], started).set(&api).current_dir(folder));
        assert_eq!(seen["verdict"], "clear", "{running} / {started}: {seen:#}");
        if is_listed {
            let reason = near_miss(&seen, pid)["reason"].as_str().unwrap();
            assert!(reason.ends_with("connected to the Bot API"), "{reason}");
        } else {
            let mut listed = seen["near_misses"].as_array().unwrap().iter();
            assert!(listed.all(|it| it["pid"] != pid), "{seen:#}");
        }
        end(&stage, process, pid);
    }
}

#[test]
fn a_connected_program_beside_the_module_or_the_line_of_code_of_a_start_is_listed() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let api = format!("telegram.api_url='http://127.0.0.1:{port}'");
    let project = stage.folder().join("project");
    let poller = connected(&stage, port);
    for name in ["main.py", "tgbot/app.py"] {
        write(&stage, &format!("project/{name}"), &poller);
    }
    for name in [".env", "pyproject.toml", "tgbot/__init__.py", "tgbot/__main__.py"] {
        write(&stage, &format!("project/{name}"), "");
    }
    // An editable installation.
    write(&stage, "project/.venv/pyvenv.cfg", "");
    let line = format!("{}\n", project.display());
    write(&stage, "project/.venv/lib/python3.11/site-packages/tgbot.pth", &line);
    write(&stage, "project/.venv/bin/activate", "");
    let python = project.join(".venv/bin/python");
    fs::create_dir_all(python.parent().unwrap()).unwrap();
    symlink("/usr/bin/env", &python).unwrap();
    let module = format!("{} -m tgbot", python.display());
    let code = format!("cd {} && source .venv/bin/activate && python main.py", project.display());
    for (running, folder) in
        [("python3 main.py", &project), ("python3 app.py", &project.join("tgbot"))]
    {
        let (process, pid) = bot(&stage, within(program(&stage, running), folder), folder);
        let by_module = unnamed(&stage, &["plan"], &module);
        let by_code = unnamed(&stage, &["plan"], "bash -c").argument(&code);
        for (start, what) in [(by_module, &module), (by_code, &code)] {
            let seen = plan(start.set(&api).current_dir("/"));
            let listed = ["near_misses", "conflicts"].map(|key| {
                let listed = seen[key].as_array().unwrap().iter();
                listed.filter(|it| it["pid"] == pid).count()
            });
            assert_eq!(listed.iter().sum::<usize>(), 1, "{running} / {what}: {seen:#}");
        }
        end(&stage, process, pid);
    }
}

#[test]
fn a_file_that_an_argument_names_from_another_folder_is_the_same_argument() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "main.js", JAVASCRIPT);
    let other = stage.folder().join("other");
    fs::create_dir(&other).unwrap();
    for name in ["prod.env", "test.env", "other/prod.env"] {
        write(&stage, name, "");
    }
    let whole = |name: &str| stage.folder().join(name).display().to_string();
    for (program_name, script) in [("python3", "main.py"), ("node", "main.js")] {
        let absolute = format!("{program_name} {}", whole(script));
        for (running, started, is_found) in [
            ("--config @/prod.env", "--config prod.env", true),
            ("--config=@/prod.env", "--config ./prod.env", true),
            // Each folder has its own.
            ("--config prod.env", "--config prod.env", false),
            ("--config @/test.env", "--config prod.env", false),
            ("--config @/other/prod.env", "--config prod.env", false),
        ] {
            let running = running.replace('@', stage.folder().to_str().unwrap());
            let line = format!("{absolute} {running}");
            let (process, pid) = bot(&stage, program(&stage, &line).current_dir(&other), &other);
            let started = format!("{program_name} {script} {started}");
            let seen = plan(unnamed(&stage, &["plan"], &started));
            // The folder differs, so the same command is in doubt.
            let pids = found(&seen);
            assert_eq!(pids.contains(&u64::from(pid)), is_found, "{line} / {started}: {seen:#}");
            if is_found {
                refusal(&seen);
            }
            end(&stage, process, pid);
        }
        let line = format!("{program_name} {script} --config {}", whole("prod.env"));
        let (process, pid) = bot(&stage, program(&stage, &line), stage.folder());
        let started = format!("{program_name} {script} --config prod.env");
        let seen = plan(unnamed(&stage, &["plan"], &started));
        assert_eq!(seen["verdict"], "act", "{line}: {seen:#}");
        end(&stage, process, pid);
    }
}

#[test]
fn a_copied_folder_with_another_bot_never_ends_the_bot_of_the_first() {
    let stage = Stage::new();
    let bots = [token(), token()];
    for (name, token) in ["alice", "bob"].iter().zip(&bots) {
        write(&stage, &format!("{name}/main.py"), PYTHON);
        write(&stage, &format!("{name}/.env"), &format!("BOT_TOKEN={token}\n"));
        let path = stage.folder().join(name).join(".env");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let start = |args: &[&str], name: &str| {
        let start = unnamed(&stage, args, "python3 main.py").set("instance=my-bot");
        start.current_dir(stage.folder().join(name))
    };
    let alice = stage.folder().join("alice");
    let (guard, pid) = bot(&stage, start(&["run"], "alice"), &alice);
    let id = |token: &str| token.split(':').next().unwrap().to_owned();
    for command in ["run", "stop"] {
        let refused = start(&[command], "bob").end().exits(75);
        assert!(refused.err.contains(&id(&bots[0])), "{refused:?}");
        assert!(is_alive(pid) && guard.is_alive());
    }
    let taken = plan(start(&["plan"], "alice"));
    assert_eq!(taken["verdict"], "act", "{taken:#}");
    end(&stage, guard, pid);
}

#[test]
fn a_bot_that_a_script_left_below_another_one_is_not_ended_with_it() {
    let stage = Stage::new();
    let bots = [token(), token()];
    for (name, token) in [("", &bots[0]), ("bob/", &bots[1])] {
        write(&stage, &format!("{name}main.py"), PYTHON);
        write(&stage, &format!("{name}.env"), &format!("BOT_TOKEN={token}\n"));
        let path = stage.folder().join(format!("{name}.env"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let bob = stage.folder().join("bob");
    // A variable that differs is no doubt about what the bot has started.
    for setting in ["", "BOT_NAME=bob "] {
        let below = format!("(cd bob && {setting}exec python3 main.py)");
        write(&stage, "start.sh", &format!("#!/bin/sh\n{below} &\nexec python3 main.py\n"));
        let (running, below) = bot(&stage, program(&stage, "./start.sh"), &bob);
        let alice = stage.wait_until("alice", || {
            fs::read_dir(stage.folder()).unwrap().flatten().find_map(|entry| {
                entry.file_name().to_str()?.strip_prefix("ready-")?.parse::<u32>().ok()
            })
        });
        let refused = unnamed(&stage, &["run"], "python3 main.py").end().exits(75);
        let id = bots[1].split(':').next().unwrap();
        assert!(refused.err.contains(&format!("which names bot {id}")), "{refused:?}");
        assert!(is_alive(below) && is_alive(alice));
        fs::remove_file(stage.folder().join(format!("ready-{alice}"))).unwrap();
        end(&stage, running, alice);
    }
}

#[test]
fn bots_that_run_in_one_folder_are_told_apart_by_the_files_beside_their_scripts() {
    let stage = Stage::new();
    let bots = [token(), token()];
    for (name, token) in ["alice", "bob"].iter().zip(&bots) {
        write(&stage, &format!("{name}/src/main.py"), &script(&stage, ""));
        write(&stage, &format!("{name}/.env"), &format!("BOT_TOKEN={token}\n"));
        let path = stage.folder().join(name).join(".env");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let folder = stage.folder().display();
    let id = bots[1].split(':').next().unwrap();
    let [alice, bob] = ["alice", "bob"].map(|name| format!("python3 {folder}/{name}/src/main.py"));
    let config = format!("[[match]]\ncmdline = '{folder}/.*/main\\.py'\n");
    let below = format!("sh -c {bob} & exec {alice}");
    // Without a token of its own, the start is the bot of the file beside its script.
    for has_token in [true, false] {
        let start = |args: &[&str], line: &str| {
            let start = unnamed(&stage, args, line).current_dir("/");
            if has_token { start.env("BOT_TOKEN", &bots[0]) } else { start }
        };
        let is_refused = |start: Start<'_>| {
            let refused = start.end().exits(75);
            assert!(refused.err.contains(&format!("which names bot {id}")), "{refused:?}");
        };
        // Found by an entry.
        let (running, pid) = bot(&stage, program(&stage, &bob).current_dir("/"), stage.folder());
        is_refused(start(&["run"], &alice).config(&config));
        assert!(is_alive(pid));
        end(&stage, running, pid);
        // Of the same instance.
        let named = |args: &[&str], line: &str| start(args, line).set("instance=my-bot");
        let guard = unnamed(&stage, &["run"], &bob).set("instance=my-bot").current_dir("/");
        let (guard, pid) = bot(&stage, guard, stage.folder());
        is_refused(named(&["run"], &alice));
        is_refused(named(&["stop"], &alice));
        assert!(guard.is_alive() && is_alive(pid));
        end(&stage, guard, pid);
        let (guard, pid) = bot(&stage, named(&["run"], &alice), stage.folder());
        assert_eq!(plan(named(&["plan"], &alice))["verdict"], "act");
        end(&stage, guard, pid);
        // Left below the bot.
        let line = program(&stage, &below).current_dir("/");
        let (running, one) = bot(&stage, line, stage.folder());
        let other = stage.wait_until("the other bot", || {
            let mut entries = fs::read_dir(stage.folder()).unwrap().flatten();
            entries
                .find_map(|it| it.file_name().to_str()?.strip_prefix("ready-")?.parse::<i32>().ok())
        });
        is_refused(start(&["run"], &alice));
        assert!(is_alive(one) && is_alive(other.try_into().unwrap()));
        fs::remove_file(stage.folder().join(format!("ready-{other}"))).unwrap();
        end(&stage, running, one);
        // It may have just ended.
        let _ = kill(Pid::from_raw(other), Signal::SIGKILL);
    }
}

#[test]
fn with_the_tokens_of_two_bots_a_variable_on_one_side_may_choose_one() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let (one, two) = (token(), token());
    for (tokens, is_doubt) in [
        (format!("BOT_TOKEN={one}\nDEV_TOKEN={two}\n"), true),
        (format!("BOT_TOKEN={one}\n"), false),
    ] {
        write(&stage, ".env", &tokens);
        let env_file = stage.folder().join(".env");
        fs::set_permissions(env_file, fs::Permissions::from_mode(0o600)).unwrap();
        for (name, value) in
            [("DEBUG", "1"), ("IS_LOCAL", "1"), ("DRY_RUN", "1"), ("NODE_ENV", "production")]
        {
            let running = program(&stage, "python3 main.py").env(name, value);
            let (process, pid) = bot(&stage, running, stage.folder());
            let seen = plan(unnamed(&stage, &["plan"], "python3 main.py"));
            if is_doubt {
                let reason = refusal(&seen);
                assert!(reason.contains(&format!("${name}")), "{reason}");
            } else {
                assert_eq!(seen["verdict"], "act", "{name}: {seen:#}");
            }
            end(&stage, process, pid);
        }
    }
}

/// A second clone of the project, or a program that was installed from it.
#[test]
fn a_connected_program_whose_own_env_file_names_this_bot_is_listed() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let api = format!("telegram.api_url='http://127.0.0.1:{port}'");
    let (mine, another) = (token(), token());
    let poller = connected(&stage, port);
    for (folder, token) in [("here", &mine), ("there", &mine), ("other", &another)] {
        write(&stage, &format!("{folder}/.env"), &format!("BOT_TOKEN={token}\n"));
        write(&stage, &format!("{folder}/bot.py"), &format!("{poller}# {folder}\n"));
    }
    write(&stage, "none/bot.py", &poller);
    write(&stage, "there/src/bot.py", &poller);
    write(&stage, "here/main.py", PYTHON);
    let tool = format!("python3 bot.py {}", stage.folder().join("here").display());
    for (running, its_folder, is_listed) in [
        ("python3 bot.py", "there", true),
        ("python3 bot.py", "there/src", true),
        ("python3 bot.py", "other", false),
        ("python3 bot.py", "none", false),
        // The folder itself is an argument.
        (&*tool, "none", true),
    ] {
        let its_folder = stage.folder().join(its_folder);
        let (process, pid) =
            bot(&stage, within(program(&stage, running), &its_folder), &its_folder);
        let start = unnamed(&stage, &["plan"], "python3 main.py").set(&api);
        let seen = plan(start.current_dir(stage.folder().join("here")));
        assert_eq!(seen["verdict"], "clear", "{running}: {seen:#}");
        if is_listed {
            let reason = near_miss(&seen, pid)["reason"].as_str().unwrap();
            assert!(reason.ends_with("connected to the Bot API"), "{reason}");
        } else {
            let mut listed = seen["near_misses"].as_array().unwrap().iter();
            assert!(listed.all(|it| it["pid"] != pid), "{running}: {seen:#}");
        }
        end(&stage, process, pid);
    }
}
