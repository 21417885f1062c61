//! Processes that look like the bot but are not: other bots with the same script, and programs that
//! serve people.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use monopoll_test_bots::programs;
use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, skip, token};
use serde_json::Value;

use crate::same_command::{PYTHON, bot, end, found, program, write};

/// `monopoll ARGS -- LINE` with `graceful`, this stage's locks and no name.
pub(crate) fn unnamed<'a>(stage: &'a Stage, args: &[&str], line: &str) -> Start<'a> {
    let lock = format!("lock.paths=[\"{}/{{instance}}.lock\"]", stage.locks().display());
    let start = stage.program(programs::monopoll(), args).set(&lock).on_conflict("graceful");
    line.split(' ').fold(start.argument("--"), Start::argument)
}

/// Returns the plan as JSON.
#[track_caller]
pub(crate) fn plan(start: Start<'_>) -> Value {
    let ended = start.flag("--json").end();
    serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// Returns the reason of a refused plan.
#[track_caller]
pub(crate) fn refusal(plan: &Value) -> &str {
    assert_eq!(plan["verdict"], "refuse", "{plan:#}");
    plan["reason"].as_str().unwrap()
}

/// Sets the bot token and a proxy, so that connections do not show who polls.
pub(crate) fn behind_a_proxy<'a>(start: Start<'a>, token: &str) -> Start<'a> {
    start.env("BOT_TOKEN", token).env("HTTPS_PROXY", "http://127.0.0.1:9")
}

fn main_py() -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    stage
}

#[track_caller]
pub(crate) fn starts<'a>(stage: &'a Stage, start: Start<'a>) -> (Running<'a>, u32) {
    bot(stage, start, stage.folder())
}

#[test]
fn a_token_under_any_name_tells_two_bots_of_one_script_apart() {
    let stage = main_py();
    let (mine, other) = (token(), token());
    let first = program(&stage, "python3 main.py").env("MY_SECRET", &other);
    let (_first, pid) = starts(&stage, first);
    let start = |args: &[&str], token: &str| {
        unnamed(&stage, args, "python3 main.py").env("MY_SECRET", token)
    };
    let shown = start(&["plan"], &mine).end().exits(0);
    assert!(shown.out.contains("another bot's process"), "{shown:?}");
    let (_second, _) = starts(&stage, start(&["run"], &mine));
    assert!(is_alive(pid));
    assert_eq!(found(&plan(start(&["plan"], &other))), [u64::from(pid)]);
}

#[test]
fn one_bot_under_two_names_is_refused() {
    let stage = main_py();
    let token = token();
    let start = |args: &[&str], name: &str| {
        unnamed(&stage, args, "python3 main.py")
            .env("BOT_TOKEN", &token)
            .flag("--instance")
            .flag(name)
    };
    let (_first, pid) = starts(&stage, start(&["run"], "blue"));
    let refused = start(&["run"], "green").end().exits(75);
    assert!(refused.err.contains("blue"), "{refused:?}");
    assert!(is_alive(pid));
}

#[test]
fn a_script_with_the_name_of_an_interpreter_is_itself() {
    for name in ["sh1", "node2", "bash5", "python3", "perl"] {
        let stage = Stage::new();
        let line = format!("./{name}");
        write(&stage, name, "#!/bin/sh\nexec sleep 60\n");
        fs::set_permissions(stage.folder().join(name), PermissionsExt::from_mode(0o755)).unwrap();
        unnamed(&stage, &["plan"], &line).end().exits(0);
    }
}

#[test]
fn two_guarded_bots_of_one_script_with_tokens_of_their_own_both_live() {
    let stage = main_py();
    let (mine, other) = (token(), token());
    let start = |args: &[&str], token: &str| {
        unnamed(&stage, args, "python3 main.py").env("MY_SECRET", token)
    };
    let (first, pid) = starts(&stage, start(&["run"], &other));
    let (_second, own) = starts(&stage, start(&["run"], &mine));
    assert!(first.is_alive() && is_alive(pid));
    assert!(found(&plan(start(&["plan"], &other))).contains(&u64::from(pid)));
    let plan = plan(start(&["plan"], &mine));
    assert!(found(&plan).contains(&u64::from(own)), "{plan:#}");
    assert!(!found(&plan).contains(&u64::from(pid)), "{plan:#}");
}

#[test]
fn two_given_names_of_one_script_are_two_bots() {
    let stage = main_py();
    let start = |args: &[&str], name: &str| {
        unnamed(&stage, args, "python3 main.py").flag("--instance").flag(name)
    };
    let (first, pid) = starts(&stage, start(&["run"], "bot-a"));
    let (_second, _) = starts(&stage, start(&["run"], "bot-b"));
    assert!(first.is_alive() && is_alive(pid));
    let (_third, _) = starts(&stage, start(&["run"], "bot-a"));
    assert!(!is_alive(pid));
    first.end().exits(0);
}

#[test]
fn a_variable_that_chooses_the_bot_puts_the_same_command_in_doubt() {
    let stage = main_py();
    write(&stage, "profiles/b.env", &format!("BOT_TOKEN={}\n", token()));
    let start = |args: &[&str], profile: &str| {
        unnamed(&stage, args, "python3 main.py").env("BOT_PROFILE", profile)
    };
    let running = program(&stage, "python3 main.py").env("BOT_PROFILE", "a");
    let (running, pid) = starts(&stage, running);
    let env_file = format!("env_file='{}/profiles/b.env'", stage.folder().display());
    let refused = start(&["run"], "b").set(&env_file).end().exits(75);
    assert!(refused.err.contains("it has another value of $BOT_PROFILE"), "{refused:?}");
    assert!(is_alive(pid));
    let same = plan(start(&["plan"], "a").set(&env_file));
    assert_eq!((found(&same), &same["verdict"]), (vec![u64::from(pid)], &"act".into()));
    end(&stage, running, pid);

    // Even if the other one has a guard.
    let (first, pid) = starts(&stage, start(&["run"], "a"));
    let refused = start(&["run"], "b").end().exits(75);
    assert!(refused.err.contains("it has another value of $BOT_PROFILE"), "{refused:?}");
    assert!(first.is_alive() && is_alive(pid));
}

#[test]
fn two_values_of_a_variable_that_often_chooses_the_bot_are_in_doubt() {
    let stage = main_py();
    for name in ["DATABASE_URL", "CREDENTIALS_DIRECTORY", "BOT_VERSION"] {
        let running = program(&stage, "python3 main.py").env(name, "a");
        let (running, pid) = starts(&stage, running);
        let start = |args: &[&str]| unnamed(&stage, args, "python3 main.py");
        let refused = start(&["run"]).env(name, "b").end().exits(75);
        assert!(refused.err.contains(&format!("another value of ${name}")), "{refused:?}");
        assert!(is_alive(pid));
        for start in [start(&["plan"]), start(&["plan"]).env(name, "a")] {
            let same = plan(start);
            assert_eq!((found(&same), &same["verdict"]), (vec![u64::from(pid)], &"act".into()));
        }
        end(&stage, running, pid);
    }
    // Two guards of one script.
    let start = |value: &str| unnamed(&stage, &["run"], "python3 main.py").env("NODE_ENV", value);
    let (first, pid) = starts(&stage, start("a"));
    start("b").end().exits(75);
    assert!(first.is_alive() && is_alive(pid));
    let (_again, _) = starts(&stage, start("a"));
    assert!(!is_alive(pid));
}

#[test]
fn a_variable_that_the_command_sets_itself_is_no_doubt_about_its_guard() {
    let stage = main_py();
    write(&stage, "start.sh", "#!/bin/sh\nBOT_ENV=production python3 main.py\nexit\n");
    let start = || unnamed(&stage, &["run"], "./start.sh");
    let (first, pid) = starts(&stage, start());
    let (_second, _) = starts(&stage, start());
    assert!(!is_alive(pid));
    first.end().exits(0);
}

#[test]
fn a_guard_is_found_by_its_command_whatever_became_of_it() {
    let mine = token();
    for (first_env, second_env) in [(true, false), (false, true), (false, false)] {
        let stage = main_py();
        write(&stage, "start.sh", "#!/bin/sh\nexec python3 main.py\n");
        let start = |has_token: bool, args: &[&str], line: &str| {
            let start = unnamed(&stage, args, line);
            if has_token { start.env("BOT_TOKEN", &mine) } else { start }
        };
        let (first, pid) = starts(&stage, start(first_env, &["run"], "./start.sh"));
        let other = plan(start(second_env, &["plan"], "./start.sh x"));
        assert_eq!(other["verdict"], "clear", "{other:#}");
        for line in ["./start.sh", "sh start.sh"] {
            let plan = plan(start(second_env, &["plan"], line));
            if first_env {
                assert!(
                    refusal(&plan).contains("no bot token is set here, but "),
                    "{line}: {plan:#}"
                );
            } else {
                assert!(found(&plan).contains(&u64::from(first.pid())), "{line}: {plan:#}");
                assert_eq!(plan["verdict"], "act", "{line}: {plan:#}");
            }
        }
        let second = start(second_env, &["run"], "./start.sh");
        if first_env {
            assert!(second.end().exits(75).err.contains("BOT_TOKEN") && is_alive(pid));
        } else {
            let (_second, _) = starts(&stage, second);
            assert!(!is_alive(pid));
            first.end().exits(0);
        }
    }
}

#[test]
fn a_launcher_with_the_token_in_its_command_line_is_left_to_its_guard() {
    let stage = main_py();
    let mine = token();
    let start = |args: &[&str]| unnamed(&stage, args, "python3 main.py").env("BOT_TOKEN", &mine);
    let token = format!("BOT_TOKEN={mine}");
    let launched = start(&["run"]).through(&["sh", "-c", "\"$@\"; exit 7", "sh", "env", &token]);
    let (shell, pid) = starts(&stage, launched);
    let plan = plan(start(&["plan"]));
    assert_eq!(plan["conflicts"].as_array().unwrap().len(), 1, "{plan:#}");
    assert!(!found(&plan).contains(&u64::from(shell.pid())), "{plan:#}");
    let (_second, _) = starts(&stage, start(&["run"]));
    assert!(!is_alive(pid));
    shell.end().exits(7);
}

#[test]
fn a_bot_can_be_stopped_by_its_given_name_without_its_token() {
    let stage = main_py();
    let mine = token();
    let lock = format!("lock.paths=[\"{}/{{instance}}.lock\"]", stage.locks().display());
    let start = || unnamed(&stage, &["--instance", "voice", "run"], "python3 main.py");
    let (first, pid) = starts(&stage, start().env("BOT_TOKEN", &mine));
    assert!(start().end().exits(75).err.contains("no bot token is set here, but "));
    assert!(is_alive(pid));
    let stop = |name: &str| {
        stage.program(programs::monopoll(), &["--instance", name, "stop"]).set(&lock).end()
    };
    assert!(stop("another").exits(0).out.contains("nothing to stop"));
    assert!(is_alive(pid));
    stop("voice").exits(0);
    assert!(!is_alive(pid));
    first.end().exits(0);
}

#[test]
fn two_scripts_that_share_the_tokens_of_two_bots_are_in_doubt() {
    let stage = main_py();
    write(&stage, "admin.py", &format!("{PYTHON}\n"));
    let env = format!("BOT_TOKEN={}\nADMIN_BOT_TOKEN={}\n", token(), token());
    write(&stage, ".env", &env);
    let (first, pid) = starts(&stage, unnamed(&stage, &["run"], "python3 main.py"));
    let other = plan(unnamed(&stage, &["plan"], "python3 admin.py"));
    assert!(refusal(&other).contains("`--instance NAME`"), "{other:#}");
    let refused = unnamed(&stage, &["run"], "python3 admin.py").end().exits(75);
    assert!(
        refused
            .err
            .contains("start both with monopoll, each with a name of its own (`--instance NAME`)"),
        "{refused:?}"
    );
    assert!(first.is_alive() && is_alive(pid));
    let same = plan(unnamed(&stage, &["plan"], "python3 main.py"));
    assert_eq!(same["verdict"], "act", "{same:#}");
}

#[test]
fn two_folders_or_arguments_that_share_the_tokens_of_two_bots_are_in_doubt() {
    let stage = Stage::new();
    let env = format!("BOT_TOKEN={}\nADMIN_BOT_TOKEN={}\n", token(), token());
    for folder in ["a", "b"] {
        write(&stage, &format!("{folder}/main.py"), PYTHON);
        write(&stage, &format!("{folder}/.env"), &env);
    }
    let [a, b] = ["a", "b"].map(|name| stage.folder().join(name));
    let start = |args: &[&str], line: &str, folder: &Path| {
        unnamed(&stage, args, line).current_dir(folder).env("PWD", folder)
    };
    let (first, pid) = bot(&stage, start(&["run"], "python3 main.py", &a), &a);
    for action in ["graceful", "force"] {
        for (line, folder) in [("python3 main.py", &b), ("python3 main.py admin", &a)] {
            let refused = start(&["run", "--on-conflict", action], line, folder).end().exits(75);
            assert!(
                refused.err.contains(
                    "start both with monopoll, each with a name of its own (`--instance NAME`)"
                ),
                "{refused:?}"
            );
        }
    }
    assert!(first.is_alive() && is_alive(pid));
    let (_second, _) = bot(&stage, start(&["run"], "python3 -u ./main.py", &a), &a);
    first.end().exits(0);
    assert!(!is_alive(pid));
}

#[test]
fn another_script_with_the_token_of_the_one_bot_takes_over() {
    let stage = main_py();
    write(&stage, "other/renamed.py", PYTHON);
    let env = format!("BOT_TOKEN={}\n", token());
    write(&stage, ".env", &env);
    write(&stage, "other/.env", &env);
    let other = stage.folder().join("other");
    let (first, pid) = starts(&stage, unnamed(&stage, &["run"], "python3 main.py"));
    let start = unnamed(&stage, &["run"], "python3 renamed.py").current_dir(&other);
    let (_second, _) = bot(&stage, start, &other);
    first.end().exits(0);
    assert!(!is_alive(pid));
}

#[test]
fn a_given_name_says_which_of_two_bots_another_script_is() {
    let stage = main_py();
    write(&stage, "renamed.py", PYTHON);
    write(&stage, ".env", &format!("BOT_TOKEN={}\nADMIN_BOT_TOKEN={}\n", token(), token()));
    let named = |name: &str, line: &str| unnamed(&stage, &["run", "--instance", name], line);
    let (first, pid) = starts(&stage, named("main", "python3 main.py"));
    let (_admin, _) = starts(&stage, named("admin", "python3 renamed.py"));
    assert!(first.is_alive() && is_alive(pid));
    let (_second, _) = starts(&stage, named("main", "python3 renamed.py"));
    first.end().exits(0);
    assert!(!is_alive(pid));
}

#[test]
fn an_unguarded_bot_with_the_tokens_of_two_bots_is_ended_only_by_the_same_command() {
    let stage = main_py();
    for file in ["admin.py", "other/main.py"] {
        write(&stage, file, PYTHON);
    }
    let (mine, admin) = (token(), token());
    let with = |start| behind_a_proxy(start, &mine).env("ADMIN_BOT_TOKEN", &admin);
    let other = stage.folder().join("other");
    let (running, pid) = starts(&stage, with(program(&stage, "python3 main.py")));
    let start = |line: &str| with(unnamed(&stage, &["plan"], line)).set("same_token='act'");
    let same = plan(start("python3 main.py"));
    assert_eq!((found(&same), &same["verdict"]), (vec![u64::from(pid)], &"act".into()));
    for start in [
        start("python3 main.py admin"),
        start(&format!("python3 {}/main.py", stage.folder().display())).current_dir(&other),
    ] {
        assert!(refusal(&plan(start)).contains("`--instance NAME`"));
    }
    let clear = [start("python3 admin.py"), start("python3 main.py").current_dir(&other)];
    for start in clear {
        assert_eq!(plan(start)["verdict"], "clear");
    }
    end(&stage, running, pid);
}

#[test]
fn a_digest_is_no_token() {
    let stage = main_py();
    let line = format!("python3 main.py --image sha256:{}", "0123456789abcdef".repeat(4));
    let (_bot, pid) = starts(&stage, program(&stage, &line));
    let plan = plan(unnamed(&stage, &["plan"], &line).env("BOT_TOKEN", token()));
    assert_eq!((found(&plan), &plan["verdict"]), (vec![u64::from(pid)], &"act".into()));
}

/// Starts a tmux server with one window for this command and one for a user.
fn tmux<'a>(stage: &'a Stage, command: &str) -> Option<Start<'a>> {
    let words = ["-S", "tmux", "-f", "/dev/null", "new-session", "-d", command];
    let words = [&words[..], &[";", "new-window", "-d", "sleep 600"]].concat();
    if !Path::new("/usr/bin/tmux").exists() {
        skip("tmux is missing; `.ci/run` installs it");
        return None;
    }
    Some(stage.program("tmux", &words).env("SHELL", "/bin/sh"))
}

fn tmux_server(stage: &Stage) -> u32 {
    let asked = stage.program("tmux", &["-S", "tmux", "display-message", "-p", "#{pid}"]).end();
    asked.exits(0).out.trim().parse().unwrap()
}

/// Returns a `match` entry for everything in this stage's folder with `main.py` on its command
/// line.
fn entry(stage: &Stage) -> String {
    format!("match = [{{ cmdline = 'main\\.py', cwd = '{}' }}]\n", stage.folder().display())
}

#[test]
fn a_pattern_ends_the_bot_in_a_window_and_not_the_terminal_multiplexer() {
    let stage = main_py();
    write(&stage, "new.py", PYTHON);
    let Some(tmux) = tmux(&stage, "python3 main.py") else { return };
    let (client, pid) = starts(&stage, tmux);
    client.end().exits(0);
    let server = tmux_server(&stage);
    let cmdline = fs::read_to_string(format!("/proc/{server}/cmdline")).unwrap();
    assert!(cmdline.contains("python3 main.py"), "{cmdline}");
    let (_new, _) =
        starts(&stage, unnamed(&stage, &["run"], "python3 new.py").config(&entry(&stage)));
    assert!(!is_alive(pid) && is_alive(server));
    let windows = stage.program("tmux", &["-S", "tmux", "list-windows", "-F", "#{pane_pid}"]).end();
    assert_eq!(windows.out.lines().count(), 1, "the person's window: {windows:?}");
}

#[test]
fn another_bot_below_a_shell_that_an_entry_found_is_not_ended_with_it() {
    let stage = main_py();
    write(&stage, "new.py", PYTHON);
    let config =
        format!("match = [{{ name = '(ba|da)?sh', cwd = '{}' }}]\n", stage.folder().display());
    let start = |args: &[&str]| unnamed(&stage, args, "python3 new.py").config(&config);
    let line = "sh -c export BOT_PROFILE=alice; python3 main.py; :";
    let (shell, pid) = starts(&stage, program(&stage, line));
    start(&["run"]).end().exits(75).says("it has another value of $BOT_PROFILE");
    assert!(is_alive(pid));
    end(&stage, shell, pid);
    let (_shell, pid) = starts(&stage, program(&stage, "sh -c python3 main.py; :"));
    let (_new, _) = starts(&stage, start(&["run"]));
    assert!(!is_alive(pid));
}

#[test]
fn a_terminal_multiplexer_that_has_my_token_is_not_mentioned() {
    let stage = main_py();
    let Some(tmux) = tmux(&stage, "sleep 600") else { return };
    let mine = token();
    // Its parent is PID 1, and its folder is the start's.
    behind_a_proxy(tmux, &mine).end().exits(0);
    let server = u64::from(tmux_server(&stage));
    let plan = plan(behind_a_proxy(unnamed(&stage, &["plan"], "python3 main.py"), &mine));
    assert_eq!(plan["verdict"], "clear", "{plan:#}");
    let suspects = plan["suspects"].as_array().unwrap();
    assert!(suspects.iter().all(|it| it["pid"] != server), "{plan:#}");
}

#[test]
fn a_pattern_finds_the_bot_below_what_only_names_it() {
    let stage = main_py();
    write(&stage, "new.py", PYTHON);
    for name in ["screen", "sshd", "vim"] {
        let path = stage.folder().join(name);
        stage.program("cp", &["/bin/sh", path.to_str().unwrap()]).end().exits(0);
    }
    write(&stage, "supervisord", "import subprocess\nsubprocess.run(['python3', 'main.py'])\n");
    let below = "python3 main.py; :";
    for words in [
        &["./screen", "-c", below, "main.py"][..],
        &["./sshd", "-c", below],
        &["./vim", "-c", below, "main.py"],
        &["python3", "supervisord", "-c", "main.py.conf"],
    ] {
        let (server, pid) = starts(&stage, stage.program(words[0], &words[1..]));
        let plan = plan(unnamed(&stage, &["plan"], "python3 new.py").config(&entry(&stage)));
        assert_eq!(found(&plan), [u64::from(pid)], "{words:?}: {plan:#}");
        end(&stage, server, pid);
    }
}

#[test]
fn a_pattern_finds_the_bot_and_no_editor_or_tool_that_names_it() {
    let stage = main_py();
    write(&stage, "new.py", PYTHON);
    write(&stage, "bin/pytest", PYTHON);
    let (_bot, pid) = starts(&stage, program(&stage, "python3 main.py"));
    let tools =
        ["vim.nox", "nvim", "emacs-gtk", "lnav", "tee", "gdb", "git", "inotifywait", "code"].map(
            |name| {
                let path = stage.folder().join(name);
                stage.program("cp", &["/usr/bin/tail", path.to_str().unwrap()]).end().exits(0);
                stage.program(path, &["-f", "main.py"]).start()
            },
        );
    let (pytest, checks) = starts(&stage, program(&stage, "python3 bin/pytest main.py"));
    let start = |args: &[&str]| unnamed(&stage, args, "python3 new.py").config(&entry(&stage));
    let plan = plan(start(&["plan"]));
    assert_eq!(found(&plan), [u64::from(pid)], "{plan:#}");
    let (_new, _) = starts(&stage, start(&["run"]));
    assert!(!is_alive(pid) && is_alive(checks) && pytest.is_alive());
    assert!(tools.iter().all(Running::is_alive));
}

#[test]
fn a_bot_with_the_name_of_a_tool_is_found_as_the_same_command() {
    let stage = main_py();
    let tool = stage.folder().join("kate");
    stage.program("cp", &["/usr/bin/tail", tool.to_str().unwrap()]).end().exits(0);
    let bot = program(&stage, "./kate -f main.py").start();
    stage.wait_until("the bot", || {
        let plan = plan(unnamed(&stage, &["plan"], "./kate -f main.py"));
        (found(&plan) == [u64::from(bot.pid())]).then_some(())
    });
}

#[test]
fn a_pattern_of_the_command_line_alone_is_warned_about() {
    let stage = main_py();
    // No other process on this machine has that name.
    let name = format!("{}.py", stage.folder().file_name().unwrap().display());
    write(&stage, &name, PYTHON);
    let config = format!("match = [{{ cmdline = '{}' }}]\n", regex_escape(&name));
    let _pager = stage.program("tail", &["-f", &name]).start();
    let _agent = stage.program("sh", &["-c", "sleep 600; :", &name]).start();
    let (_bot, pid) = starts(&stage, program(&stage, &format!("python3 {name}")));
    let shown = unnamed(&stage, &["plan"], "python3 main.py").config(&config).end().exits(0);
    let seen = plan(unnamed(&stage, &["plan"], "python3 main.py").config(&config));
    assert!(found(&seen).contains(&u64::from(pid)), "{seen:#}");
    assert!(!seen.to_string().contains("tail -f"), "{seen:#}");
    assert!(shown.out.contains("match[0] finds different programs"), "{shown:?}");
    let check = stage.program(programs::monopoll(), &["config", "check"]).config(&config).end();
    assert!(
        [&check.out, &check.err].iter().any(|text| text.contains("match[0] has only `cmdline`")),
        "{check:?}"
    );
}

#[test]
fn a_pattern_of_the_folder_alone_is_warned_about() {
    let stage = main_py();
    let config = format!("match = [{{ cwd = '{}' }}]\n", stage.folder().display());
    let warning = "match[0] has only `cwd`, so it finds every process in this folder";
    let plan = unnamed(&stage, &["plan"], "python3 main.py").config(&config).end().exits(0);
    let check = stage.program(programs::monopoll(), &["config", "check"]).config(&config).end();
    let started = unnamed(&stage, &["run"], "true").config(&config).end();
    for ended in [plan, check, started] {
        assert!([&ended.out, &ended.err].iter().any(|text| text.contains(warning)), "{ended:?}");
    }
}

fn regex_escape(name: &str) -> String {
    name.replace('.', "\\.")
}
