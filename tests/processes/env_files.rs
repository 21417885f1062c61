//! Files with bot tokens that loaders read differently: a start that may be either bot is refused.

use std::fs;

use monopoll_test_bots::stage::{Ended, SECRET, Stage, Start, is_alive, token};
use serde_json::Value;

use crate::changed_env_files::wait_until_dotenv_is_old;
use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, write};

/// Two bots of one folder, each with the token in its own file.
fn two_bots() -> (Stage, [String; 2]) {
    let (stage, tokens) = (Stage::new(), [token(), token()]);
    write(&stage, ".env", &format!("# the main bot\nBOT_TOKEN={}\n", tokens[0]));
    write(&stage, "bots/b/.env", &format!("BOT_TOKEN={}\n", tokens[1]));
    for script in ["main.py", "bots/b/main.py", "bots/b/src/main.py"] {
        write(&stage, script, PYTHON);
    }
    (stage, tokens)
}

/// Checks which bot's name a plan has.
#[track_caller]
fn names(plan: &Value, token: &str) {
    let id = token.split(':').next().unwrap();
    assert_eq!(plan["instance"], format!("bot{id}"), "{plan:#}");
}

/// Checks that every command that names the instance fails with 78 and these words.
#[track_caller]
fn all_refuse<'a>(start: impl Fn(&[&str]) -> Start<'a>, words: &[&str]) {
    let commands = [
        &["run"][..],
        &["plan"],
        &["plan", "--json"],
        &["stop"],
        &["status"],
        &["explain"],
        &["config", "show"],
    ];
    for args in commands {
        let Ended { err, out, .. } = start(args).end().exits(78).says(words[0]);
        assert!(words.iter().all(|word| err.contains(word)), "{args:?}: {err}");
        assert!(out.is_empty() && !err.contains(SECRET), "{args:?}: {out}{err}");
    }
}

#[test]
fn an_env_file_beside_the_script_that_names_another_bot_refuses_the_start() {
    let (stage, tokens) = two_bots();
    let file = |name: &str| format!("{}/{name}", stage.folder().display());
    let (other, pid) = bot(&stage, unnamed(&stage, &["run"], "python3 main.py"), stage.folder());
    let places = [file(".env:2"), file("bots/b/.env:1")];
    let words = [
        &places[0],
        &places[1],
        "`--set env_file=",
        "`--instance`",
        "set its token in the environment",
    ];
    for line in [
        "python3 bots/b/main.py",
        "python3 bots/b/src/main.py",
        "python3 -m bots.b.main",
        "env -C bots/b python3 main.py",
    ] {
        all_refuse(|args| unnamed(&stage, args, line), &words);
    }
    let doctor = unnamed(&stage, &["doctor", "--offline"], "python3 bots/b/main.py").end().exits(1);
    assert!(doctor.out.contains(&places[1]) && !doctor.out.contains("  instance  "), "{doctor:?}");
    assert!(other.is_alive() && is_alive(pid));

    let start = |args: &[&str]| unnamed(&stage, args, "python3 bots/b/main.py");
    let file = |name: &str| format!("env_file=\"{}\"", file(name));
    let own = plan(start(&["plan"]).set(&file("bots/b/.env")));
    names(&own, &tokens[1]);
    assert_eq!(own["verdict"], "clear");
    let own = plan(start(&["plan"]).env("BOT_TOKEN", &tokens[1]));
    names(&own, &tokens[1]);
    assert_eq!(own["verdict"], "clear");
    let main = plan(start(&["plan"]).set(&file(".env")));
    names(&main, &tokens[0]);
    let named = start(&["run", "--instance", "bot-b"]);
    let (guard, _second) = bot(&stage, named, stage.folder());
    assert!(guard.stderr().contains("so no token is used to find the bot"));
    assert!(other.is_alive() && is_alive(pid));
}

#[test]
fn an_env_file_beside_the_script_that_names_the_same_bot_or_none_is_no_matter() {
    let (stage, tokens) = two_bots();
    let rotated = format!("BOT_TOKEN={}2\n", &tokens[0][..tokens[0].len() - 1]);
    for text in [&rotated, "PORT=8080\n", &format!("ADMIN_BOT_TOKEN={}\n", tokens[1])] {
        write(&stage, "bots/b/.env", text);
        let plan = plan(unnamed(&stage, &["plan"], "python3 bots/b/main.py"));
        names(&plan, &tokens[0]);
    }
}

#[test]
fn a_file_that_command_names_refuses_the_start_if_it_names_another_bot() {
    let (stage, tokens) = two_bots();
    let own = format!("BOT_TOKEN={}\n", tokens[1]);
    write(&stage, ".env.bob", &own);
    write(&stage, "bob/.env", &own);
    write(&stage, "bob/Makefile", "run:\n\tpython3 main.py\n");
    write(&stage, "start-bob.sh", "set -a; . ./.env.bob; set +a\nexec python3 main.py\n");
    write(&stage, "run.sh", "cd \"$1\"\npython3 ../main.py\n");
    let (other, pid) = bot(&stage, unnamed(&stage, &["run"], "python3 main.py"), stage.folder());
    let (by_name, by_folder) = ("which COMMAND names", "which is nearer to the script");
    for (line, named, how) in [
        ("env ENV_FILE=.env.bob python3 main.py", ".env.bob:1", by_name),
        ("make -C bob run", "bob/.env:1", by_folder),
        ("sh start-bob.sh", ".env.bob:1", by_name),
        ("sh run.sh bob", "bob/.env:1", by_folder),
    ] {
        all_refuse(|args| unnamed(&stage, args, line), &[named, how]);
    }
    assert!(other.is_alive() && is_alive(pid));
    // An option sets the variables before the program reads `.env`.
    write(&stage, "main.js", "setInterval(() => {}, 1000)\n");
    let line = "node --env-file=.env.bob main.js";
    names(&plan(unnamed(&stage, &["plan"], line)), &tokens[1]);
    names(&plan(unnamed(&stage, &["plan"], line).set("env_file='.env.bob'")), &tokens[1]);
}

#[test]
fn a_token_that_command_sets_itself_names_the_instance() {
    let (stage, tokens) = two_bots();
    let package = format!(r#"{{"scripts": {{"bob": "BOT_TOKEN={} node main.js"}}}}"#, tokens[1]);
    write(&stage, "package.json", &package);
    write(&stage, "main.js", "setInterval(() => {}, 1000)\n");
    let env = format!("env BOT_TOKEN={} python3 main.py", tokens[1]);
    for line in [env.as_str(), "npm run bob"] {
        names(&plan(unnamed(&stage, &["plan"], line)), &tokens[1]);
    }
    // The main bot has its token from the file, where nobody sees it.
    let program = stage.program("python3", &["main.py"]);
    let (main, _) = bot(&stage, program, stage.folder());
    let refused = unnamed(&stage, &["run", "--on-conflict", "force"], &env).end().exits(75);
    assert!(refused.err.contains("BOT_TOKEN"), "{refused:?}");
    assert!(main.is_alive());
    // Its own other copy is seen.
    main.signal(nix::sys::signal::Signal::SIGKILL);
    let (own, pid) = bot(
        &stage,
        stage.program("python3", &["main.py"]).env("BOT_TOKEN", &tokens[1]),
        stage.folder(),
    );
    let found = plan(unnamed(&stage, &["plan"], &env));
    assert_eq!(found["verdict"], "act", "{found:#}");
    assert!(found["conflicts"].to_string().contains(&format!("\"pid\":{pid}")), "{found:#}");
    assert!(own.is_alive());
}

#[test]
fn two_lines_that_set_one_variable_to_different_bots_refuse_the_start() {
    let (stage, [first, last]) = two_bots();
    write(&stage, ".env", &format!("BOT_TOKEN={first}\nPORT=1\nexport BOT_TOKEN=\"{last}\"\n"));
    let place = |line: u32| format!("{}/.env:{line}", stage.folder().display());
    let words = ["BOT_TOKEN", &place(1), &place(3), "remove one of the lines"];
    all_refuse(|args| unnamed(&stage, args, "python3 main.py"), &words);
    let check = stage.monopoll(&["config", "check"]).set("instance='x'").end().exits(0);
    assert!(check.out.contains(words[1]) && check.out.contains(words[2]), "{check:?}");

    let start = |args: &[&str]| unnamed(&stage, args, "python3 main.py");
    let by_environment = plan(start(&["plan"]).env("BOT_TOKEN", &first));
    names(&by_environment, &first);
    start(&["plan", "--instance", "main"]).end().exits(0);
    let rotated = format!("{}2", &last[..last.len() - 1]);
    write(&stage, ".env", &format!("BOT_TOKEN={last}\nBOT_TOKEN={rotated}\n# BOT_TOKEN={first}\n"));
    names(&plan(start(&["plan"])), &last);
}

#[test]
fn what_a_start_script_sets_through_env_tells_two_bots_apart() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    for (name, set) in [("alice", "BOT=alice"), ("bob", "BOT=bob"), ("prod", "BOT_ENV=prod")] {
        write(&stage, &format!("{name}.sh"), &format!("exec env {set} python3 main.py\n"));
    }
    let script = |name: &str| format!("sh {name}.sh");
    for name in ["alice", "prod"] {
        let own = stage.program("sh", &[&format!("{name}.sh")]);
        let (own, _) = bot(&stage, own, stage.folder());
        let found = plan(unnamed(&stage, &["plan"], &script(name)));
        assert_eq!(found["verdict"], "act", "{found:#}");
        if name == "alice" {
            let other = plan(unnamed(&stage, &["plan"], &script("bob")));
            assert!(refusal(&other).contains("another value of $BOT"), "{other:#}");
        }
        own.signal(nix::sys::signal::Signal::SIGKILL);
        own.end();
    }
}

/// A process that loads its token by dotenv shows none.
#[test]
fn a_process_that_may_have_read_another_bots_token_from_dotenv_is_in_doubt() {
    let (stage, [main, _]) = two_bots();
    let id = main.split(':').next().unwrap();
    let other = token();
    wait_until_dotenv_is_old(&stage);
    let (_running, pid) = bot(&stage, stage.program("python3", &["main.py"]), stage.folder());
    let line = "python3 main.py";
    let plan_with = |token: &str| plan(unnamed(&stage, &["plan"], line).env("BOT_TOKEN", token));
    let doubted = plan_with(&other);
    assert!(
        refusal(&doubted).contains(&format!("`.env` of its folder, which names bot {id}")),
        "{doubted:#}"
    );
    write(&stage, ".env.test", &format!("BOT_TOKEN={other}\n"));
    let by_file = plan(unnamed(&stage, &["--set", "env_file=.env.test", "plan"], line));
    assert!(
        refusal(&by_file).contains(&format!("`.env` of its folder, which names bot {id}")),
        "{by_file:#}"
    );
    // The bot of `.env` itself, and a process that shows the token.
    let same = plan_with(&main);
    assert_eq!(same["conflicts"][0]["pid"], pid, "{same:#}");
    assert_eq!(same["conflicts"][0]["action"], "graceful", "{same:#}");
}

/// A token in the environment is stronger than one in a file: each of the two is its own bot.
#[test]
fn the_bot_of_dotenv_that_shows_its_token_is_another_bot() {
    let (stage, [main, _]) = two_bots();
    let other = token();
    let running = stage.program("python3", &["main.py"]).env("BOT_TOKEN", &main);
    let (running, pid) = bot(&stage, running, stage.folder());
    let start = |args: &[&str], token: &str| {
        unnamed(&stage, args, "python3 main.py").env("BOT_TOKEN", token)
    };
    let (test, own) = bot(&stage, start(&["run"], &other), stage.folder());
    assert!(is_alive(pid) && is_alive(own));
    // A file with more bots does not say which of them this start is too.
    let dotenv = fs::read_to_string(stage.folder().join(".env")).unwrap();
    write(&stage, ".env", &format!("{dotenv}ADMIN_TOKEN={}\n", token()));
    assert!(refusal(&plan(start(&["plan"], &token()))).contains("may be another bot's"));
    write(&stage, ".env", &dotenv);
    // The same with two guards, and each still finds its own bot.
    end(&stage, running, pid);
    let (_main, pid) = bot(&stage, start(&["run"], &main), stage.folder());
    assert!(test.is_alive() && is_alive(own));
    let (_again, _) = bot(&stage, start(&["run"], &other), stage.folder());
    assert!(is_alive(pid) && !is_alive(own));
    test.end().exits(0);
}

/// A browser is started without the variables of the bot.
#[test]
fn what_a_bot_has_started_without_its_variables_is_ended_with_it() {
    let (stage, _) = two_bots();
    let mine = token();
    let starts =
        "import subprocess\nsubprocess.Popen(['env', '-u', 'BOT_TOKEN', 'sleep', '600'])\n";
    let (first, rest) = PYTHON.split_once('\n').unwrap();
    write(&stage, "main.py", &format!("{first}\n{starts}{rest}"));
    let (running, pid) =
        bot(&stage, stage.program("python3", &["main.py"]).env("BOT_TOKEN", &mine), stage.folder());
    let seen = plan(unnamed(&stage, &["plan"], "python3 main.py").env("BOT_TOKEN", &mine));
    assert_eq!(seen["verdict"], "act", "{seen:#}");
    assert_eq!(seen["conflicts"][0]["tree"].as_array().map(Vec::len), Some(1), "{seen:#}");
    let (_run, _) = bot(
        &stage,
        unnamed(&stage, &["run"], "python3 main.py").env("BOT_TOKEN", &mine),
        stage.folder(),
    );
    assert!(!is_alive(pid));
    running.end();
}

/// A start from cron, in the home of the user: a loader finds the file from the script.
#[test]
fn a_token_beside_a_script_that_is_started_in_another_folder_is_named() {
    let (stage, tokens) = (Stage::new(), [token(), token()]);
    let file = stage.folder().join("bot/.env").display().to_string();
    write(&stage, "bot/.env", &format!("BOT_TOKEN={}\n", tokens[0]));
    write(&stage, "bot/src/main.py", PYTHON);
    write(&stage, "home/.env", "OTHER=1\n");
    let main = stage.folder().join("bot/src/main.py").display().to_string();
    let at = |folder: &str, args: &[&str]| {
        unnamed(&stage, args, &format!("python3 {main}")).current_dir(stage.folder().join(folder))
    };
    let warning = format!(
        "`{file}:1` has the token of bot {}, but only `.env` in the folder of the start is read; \
         start it there, as in `cd {}/bot && …`, or set `env_file`",
        tokens[0].split(':').next().unwrap(),
        stage.folder().display()
    );
    let ended = at("home", &["plan"]).end().exits(0);
    assert!(ended.err.contains(&warning) && !ended.err.contains(SECRET), "{ended:?}");
    for start in [
        at("bot", &["plan"]),
        at("home", &["plan", "--set", &format!("env_file={file}")]),
        at("home", &["plan"]).env("BOT_TOKEN", &tokens[1]),
        unnamed(&stage, &["plan"], "true"),
    ] {
        let ended = start.end().exits(0);
        assert!(!ended.err.contains("folder of the start"), "{ended:?}");
    }
}

/// Vite, Next.js and bun read `.env.local`, Python's dotenv does not.
#[test]
fn a_local_file_of_variables_that_names_another_bot_refuses_the_start() {
    let (stage, tokens) = two_bots();
    write(&stage, ".env.local", &format!("BOT_TOKEN={}\n", tokens[1]));
    let file = |name: &str| format!("{}/{name}", stage.folder().display());
    let words = [&*file(".env:2"), &file(".env.local:1"), "`--instance`"];
    all_refuse(|args| unnamed(&stage, args, "python3 main.py"), &words);
    let start = || unnamed(&stage, &["plan"], "python3 main.py");
    names(&plan(start().env("BOT_TOKEN", &tokens[0])), &tokens[0]);
    let chosen = format!("env_file=\"{}\"", file(".env.local"));
    names(&plan(start().set(&chosen)), &tokens[1]);
    write(&stage, ".env.local", &format!("BOT_TOKEN={}\nDEBUG=1\n", tokens[0]));
    names(&plan(start()), &tokens[0]);
}
