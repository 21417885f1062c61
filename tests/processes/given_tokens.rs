//! COMMAND gives the bot another token than that of `.env` or of the start: by a line of its
//! script, a program that reads a store of secrets, or a variable that chooses one of several.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use monopoll_test_bots::stage::{SECRET, Stage, Start, is_alive, token};

use crate::changed_env_files::wait_until_dotenv_is_old;
use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{JAVASCRIPT, PYTHON, bot, end, path, program, write};

/// A folder whose `.env` has the token of the bot for development.
fn two_bots(development: &str, production: &str) -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "main.js", JAVASCRIPT);
    write(&stage, ".env", &format!("BOT_TOKEN={development}\n"));
    write(&stage, ".env.dev", &format!("BOT_TOKEN={development}\n"));
    write(&stage, "bots/.env", &format!("BOT_TOKEN={production}\n"));
    write(&stage, "token.txt", &format!("{production}\n"));
    write(&stage, "prod.env", &format!("BOT_TOKEN={production}\n"));
    write(&stage, "secrets.sh", &format!("export BOT_TOKEN={production}\n"));
    write(&stage, "show", "#!/bin/sh\ncat token.txt\n");
    write(&stage, "bin/doppler", "#!/bin/sh\nshift 2\nexec \"$@\"\n");
    stage
}

fn script(stage: &Stage, lines: &str) {
    write(stage, "start.sh", &format!("#!/bin/bash\n{lines}\n"));
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(stage.folder().join("start.sh"), executable).unwrap();
}

fn with<'a>(start: Start<'a>, set: Option<(&str, &str)>) -> Start<'a> {
    match set {
        Some((name, value)) => start.env(name, value),
        None => start,
    }
}

fn start<'a>(stage: &'a Stage, args: &[&str], line: &str) -> Start<'a> {
    let bin = stage.folder().join("bin");
    unnamed(stage, args, line).env("PATH", format!("{}:{}", bin.display(), path()))
}

#[test]
fn a_script_that_gives_the_bot_an_unknown_token_is_not_the_bot_of_dotenv() {
    let (development, production) = (token(), token());
    let stage = two_bots(&development, &production);
    let other = unnamed(&stage, &["run"], "python3 main.py");
    let (other, pid) = bot(&stage, other, stage.folder());
    let refuse = |line: &str, words: &str| {
        for args in [&["plan"][..], &["run"]] {
            let ended = start(&stage, args, line).end().exits(78);
            assert!(ended.err.contains(words), "{line} {words}: {ended:?}");
            assert!(ended.err.contains("`--instance"), "{line}: {ended:?}");
            assert!(ended.err.contains(".env:1") && !ended.err.contains(SECRET), "{ended:?}");
        }
        let named = start(&stage, &["plan", "--json", "--instance", "prod"], line).end();
        let seen: serde_json::Value = serde_json::from_str(&named.out).unwrap();
        assert_ne!(seen["verdict"], "act", "{line}: {seen:#}");
    };
    for lines in [
        "export BOT_TOKEN=\"$(./show prod | head -n 1)\"\nexec python3 main.py",
        "BOT_TOKEN=`./show prod`\nexport BOT_TOKEN\npython3 main.py",
        "TOKEN=$(./show prod)\nBOT_TOKEN=\"$TOKEN\" exec python3 main.py",
        "export BOT_TOKEN=${1:?}\nexec python3 main.py",
        "read -r BOT_TOKEN < token.txt\nexport BOT_TOKEN\nexec python3 main.py",
        "if [ -f prod ]; then export BOT_TOKEN=$(./show prod); fi\nexec python3 main.py",
        "IFS= read -r BOT_TOKEN < token.txt\nexport BOT_TOKEN\nexec python3 main.py",
        "set -a; source <(cat prod.env)\nexec python3 main.py",
        "export $(./show prod | sed s/^/BOT_TOKEN=/)\nexec python3 main.py",
        "HERE=$(pwd); set -a; . \"$HERE/prod.env\"\nexec python3 main.py",
        "NAME=prod; set -a; . \"$PWD/$NAME.env\"\nexec python3 main.py",
        "if true; then export BOT_TOKEN=${BOT_TOKEN:-$(cat token.txt)}; fi\nexec python3 main.py",
        "BOT_TOKEN=$(./show prod) exec python3 main.py --config .env",
        "BOT_TOKEN=$(./show --config .env) exec python3 main.py",
        &format!("#{}\nBOT_TOKEN=$(./show prod) exec python3 main.py", "-".repeat(5000)),
    ] {
        script(&stage, lines);
        refuse("./start.sh", "COMMAND");
    }
    script(&stage, "exec doppler run -- python3 main.py");
    refuse("./start.sh", "`doppler` may set another token");
    refuse("doppler run -- python3 main.py", "`doppler` may set another token");
    refuse("doppler run -- node --env-file=.env.dev main.js", "`doppler` may set another token");
    script(&stage, "set -a; . ./.env.dev; exec doppler run -- python3 main.py");
    refuse("./start.sh", "`doppler` may set another token");
    script(&stage, "BOT_TOKEN=$(./show prod) exec node --env-file=.env.dev main.js");
    refuse("./start.sh", "COMMAND's script sets $BOT_TOKEN");
    write(&stage, "Makefile", "prod:\n\tBOT_TOKEN=$$(./show prod) python3 main.py\n");
    refuse("make prod", "COMMAND");
    write(
        &stage,
        "Makefile",
        "prod: export BOT_TOKEN=$(shell ./show prod)\nprod:\n\tpython3 main.py\n",
    );
    refuse("make prod", "COMMAND");
    let package = r#"{"scripts":{"prod":"BOT_TOKEN=$(./show prod) node main.js",
        "option":"BOT_TOKEN=$(./show prod) node --env-file=.env.dev main.js",
        "file":"export $(cat prod.env | xargs) && node main.js"}}"#;
    write(&stage, "package.json", package);
    refuse("npm run prod", "COMMAND");
    refuse("npm run option", "COMMAND's script sets $BOT_TOKEN");
    refuse("npm run file", "prod.env");
    assert!(other.is_alive() && is_alive(pid));
}

#[test]
fn a_token_that_a_script_reads_from_a_file_names_the_instance() {
    let (development, production) = (token(), token());
    let stage = two_bots(&development, &production);
    let other = unnamed(&stage, &["run"], "python3 main.py");
    let (other, pid) = bot(&stage, other, stage.folder());
    for (line, is_in_environment) in [
        ("export BOT_TOKEN=\"$(cat token.txt)\"", false),
        ("export BOT_TOKEN=\"$(cat token.txt)\"", true),
        (". ./secrets.sh", false),
    ] {
        script(&stage, &format!("{line}\nexec python3 main.py"));
        let mut start = start(&stage, &["plan"], "./start.sh");
        if is_in_environment {
            start = start.env("BOT_TOKEN", &development);
        }
        let seen = plan(start);
        let id = production.split(':').next().unwrap();
        assert_eq!(seen["instance"], format!("bot{id}"), "{seen:#}");
        assert_eq!(seen["verdict"], "clear", "{seen:#}");
    }
    // The token of `.env` itself.
    for lines in [
        "export BOT_TOKEN=$(grep BOT_TOKEN .env | cut -d= -f2)\nexec python3 main.py",
        "export BOT_TOKEN=\"${BOT_TOKEN:?is not set}\"\nexec python3 main.py",
        "set -a; . ./.env; set +a\nexec python3 main.py",
        "export $(grep -v '^#' .env | xargs)\nexec python3 main.py",
        "cd \"$(dirname \"$0\")\"; set -a; . ./.env\nexec python3 main.py",
        "source \"$(dirname \"$0\")/venv/bin/activate\"\nexec python3 main.py",
        ". \"$(poetry env info --path)/bin/activate\"\nexec python3 main.py",
        "unset -v BOT_TOKEN; unset A BOT_TOKEN\nexec python3 main.py",
        "op --version; sops -d a.enc > a.yaml\nexec python3 main.py",
    ] {
        script(&stage, lines);
        let seen = plan(start(&stage, &["plan"], "./start.sh"));
        let id = development.split(':').next().unwrap();
        assert_eq!(seen["instance"], format!("bot{id}"), "{lines}: {seen:#}");
    }
    assert!(other.is_alive() && is_alive(pid));
}

/// The shell replaces the variable of its caller.
#[test]
fn a_script_that_reads_dotenv_replaces_the_token_of_the_start() {
    let (started, in_file) = (token(), token());
    let stage = two_bots(&in_file, &token());
    let set = Some(("BOT_TOKEN", &*started));
    let other = with(unnamed(&stage, &["run"], "python3 main.py"), set);
    let (other, pid) = bot(&stage, other, stage.folder());
    for (lines, token) in [
        ("set -a; . ./.env; exec python3 main.py", &in_file),
        ("export BOT_TOKEN=$(grep BOT_TOKEN .env | cut -d= -f2)\nexec python3 main.py", &in_file),
        ("export $(grep -v '^#' .env | xargs)\nexec python3 main.py", &in_file),
        ("export BOT_TOKEN=${BOT_TOKEN:-$(cat token.txt)}\nexec python3 main.py", &started),
        ("cd \"$(dirname \"$0\")\"; set -a; . ./.env; exec python3 main.py", &in_file),
        ("echo .env; exec python3 main.py", &started),
    ] {
        script(&stage, lines);
        for line in ["./start.sh", &format!("env BOT_TOKEN={started} ./start.sh")] {
            let seen = plan(with(start(&stage, &["plan"], line), set));
            assert_eq!(seen["instance"], instance_of(token), "{line} {lines}: {seen:#}");
            if token == &in_file {
                assert_eq!(seen["verdict"], "clear", "{line} {lines}: {seen:#}");
            }
        }
    }
    let reads = |file: &str| format!("COMMAND's script reads `{file}`");
    let sets = || "COMMAND's script sets $BOT_TOKEN".to_owned();
    for (lines, line, words) in [
        (
            "set -a; . \"$(dirname \"$0\")/.env\"; exec python3 main.py",
            "./start.sh",
            reads("$(dirname \"$0\")/.env"),
        ),
        ("env $(cat .env | xargs) python3 main.py", "./start.sh", reads(".env")),
        ("cd \"$1\"; set -a; . ./.env; exec python3 main.py", "./start.sh bots", reads("./.env")),
        ("if true; then BOT_TOKEN=$(cat bots/.env) ./bot; fi", "./start.sh", sets()),
        ("BOT_TOKEN=$(grep BOB_TOKEN .env | cut -d= -f2) ./bot", "./start.sh", sets()),
    ] {
        script(&stage, lines);
        let ended = with(start(&stage, &["run"], line), set).end().exits(78);
        assert!(ended.err.contains(&words), "{lines}: {ended:?}");
    }
    script(&stage, "set -a; . ./.env; exec python3 main.py");
    let first = with(start(&stage, &["run"], "./start.sh"), set);
    let (_first, same) = bot(&stage, first, stage.folder());
    let seen = plan(with(start(&stage, &["plan"], "./start.sh"), set));
    assert_eq!(seen["verdict"], "act", "{seen:#}");
    assert!(is_alive(same));
    assert!(other.is_alive() && is_alive(pid));
}

#[test]
fn a_file_that_a_script_reads_does_not_name_the_bot_if_a_store_sets_its_token() {
    let (development, production) = (token(), token());
    let stage = two_bots(&development, &production);
    fs::remove_file(stage.folder().join(".env")).unwrap();
    let instance = format!("bot{}", development.split(':').next().unwrap());
    script(&stage, "set -a; . ./.env.dev; exec python3 main.py");
    let (other, pid) = bot(&stage, start(&stage, &["run"], "./start.sh"), stage.folder());
    let seen = plan(start(&stage, &["plan"], "./start.sh"));
    assert_eq!((&seen["instance"], &seen["verdict"]), (&instance.into(), &"act".into()));
    script(&stage, "set -a; . ./.env.dev; exec doppler run -- python3 main.py");
    let ended = start(&stage, &["run"], "./start.sh").end().exits(78);
    assert!(ended.err.contains("a file that COMMAND reads has the token"), "{ended:?}");
    assert!(ended.err.contains("`doppler` may set another token"), "{ended:?}");
    assert!(other.is_alive() && is_alive(pid));
}

#[test]
fn a_variable_chooses_one_of_the_tokens_of_dotenv_also_below_a_guard() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, ".env", &format!("BOT_TOKEN={}\nADMIN_BOT_TOKEN={}\n", token(), token()));
    let (other, pid) = bot(&stage, unnamed(&stage, &["run"], "python3 main.py"), stage.folder());
    for (name, value) in [("ROLE", "admin"), ("TOKEN_VAR", "ADMIN_BOT_TOKEN")] {
        let admin = plan(unnamed(&stage, &["plan"], "python3 main.py").env(name, value));
        assert!(refusal(&admin).contains(name), "{admin:#}");
    }
    assert_eq!(plan(unnamed(&stage, &["plan"], "python3 main.py"))["verdict"], "act");
    assert!(other.is_alive() && is_alive(pid));
    end(&stage, other, pid);
}

/// Frameworks read `.env.production` if a variable says so.
#[test]
fn a_variable_chooses_a_file_of_another_bot_beside_dotenv() {
    let stage = two_bots(&token(), &token());
    write(&stage, ".env.production", &format!("BOT_TOKEN={}\n", token()));
    write(&stage, ".env.2", &format!("BOT_TOKEN={}\n", token()));
    write(&stage, ".env.test.example", &format!("BOT_TOKEN={}\n", token()));
    wait_until_dotenv_is_old(&stage);
    for guarded in [false, true] {
        for (running, started, refused) in [
            (None, Some(("NODE_ENV", "production")), true),
            (Some(("APP_ENV", "prod")), None, true),
            (None, Some(("BOT", "production")), true),
            (Some(("NODE_ENV", "production")), Some(("NODE_ENV", "production")), false),
            (None, Some(("which", "production")), true),
            (Some(("SHARD", "1")), Some(("SHARD", "2")), true),
            (Some(("SHLVL", "1")), Some(("SHLVL", "2")), false),
            (None, Some(("XDG_SESSION_ID", "2")), false),
            (Some(("USER", "production")), None, false),
            (None, Some(("STAGE_NAME", "test")), false),
            (None, None, false),
        ] {
            let line = "python3 main.py";
            let other =
                if guarded { unnamed(&stage, &["run"], line) } else { program(&stage, line) };
            let (other, pid) = bot(&stage, with(other, running), stage.folder());
            let seen = plan(with(unnamed(&stage, &["plan"], line), started));
            let expected = if refused { "refuse" } else { "act" };
            assert_eq!(seen["verdict"], expected, "{guarded} {running:?} {started:?}: {seen:#}");
            end(&stage, other, pid);
        }
    }
}

#[test]
fn another_bots_token_in_a_variable_of_the_start_alone_is_a_doubt() {
    let [mine, another] = [token(), token()];
    let second = format!("LOG_BOT_TOKEN={another}\n");
    for (in_file, second) in [("BOT_TOKEN", &*second), ("APP_BOT_TOKEN", "")] {
        let stage = Stage::new();
        write(&stage, "main.py", PYTHON);
        write(&stage, ".env", &format!("{in_file}={mine}\n{second}"));
        let url = format!("https://api.telegram.org/bot{another}/");
        for (name, value, is_refused) in [
            ("PROD_BOT_TOKEN", &another, true),
            ("APP_BOT_TOKEN", &another, true),
            ("TELEGRAM_URL", &url, true),
            ("MY_TOKEN", &mine, false),
            ("LOG_BOT_TOKEN", &another, second.is_empty()),
        ] {
            for guarded in [false, true] {
                let line = "python3 main.py";
                let other =
                    if guarded { unnamed(&stage, &["run"], line) } else { program(&stage, line) };
                let (other, pid) = bot(&stage, other, stage.folder());
                let seen = plan(unnamed(&stage, &["plan"], line).env(name, value));
                let expected = if is_refused { "refuse" } else { "act" };
                assert_eq!(seen["verdict"], expected, "{in_file} {name} {guarded}: {seen:#}");
                end(&stage, other, pid);
            }
        }
    }
}

/// One start has a name in its options, the other one that of the token in `.env`.
#[test]
fn the_same_command_under_a_given_name_is_listed_by_a_start_that_is_named_by_its_token() {
    let stage = Stage::new();
    write(&stage, "main.py", &format!("{PYTHON}# {}\n", stage.folder().display()));
    write(&stage, ".env", &format!("BOT_TOKEN={}\n", token()));
    let line = "python3 main.py";
    for (running, started, is_listed) in [
        (&["--instance", "voice"][..], &[][..], true),
        (&[], &["--instance", "voice"], true),
        (&["--instance", "voice"], &["--instance", "video"], false),
    ] {
        let other = unnamed(&stage, &[running, &["run"]].concat(), line);
        let (other, pid) = bot(&stage, other, stage.folder());
        let seen = plan(unnamed(&stage, &[started, &["plan"]].concat(), line));
        assert_eq!(seen["verdict"], "clear", "{seen:#}");
        let listed = seen["near_misses"].as_array().unwrap();
        assert_eq!(listed.iter().any(|it| it["pid"] == pid), is_listed, "{seen:#}");
        let second = unnamed(&stage, &[started, &["run"]].concat(), line);
        let (second, own) = bot(&stage, second, stage.folder());
        let is_said = || second.stderr().contains("with the same `--instance NAME`");
        if is_listed {
            stage.wait_until("the warning", || is_said().then_some(()));
        }
        assert_eq!(is_said(), is_listed, "{}", second.stderr());
        end(&stage, second, own);
        end(&stage, other, pid);
    }
}

#[test]
fn a_makefile_that_includes_dotenv_replaces_the_token_of_the_start() {
    let (started, in_file, other) = (token(), token(), token());
    let stage = two_bots(&in_file, &other);
    let set = Some(("BOT_TOKEN", &*started));
    wait_until_dotenv_is_old(&stage);
    let rule = "run:\n\tpython3 main.py\n";
    for (lines, line, token) in [
        ("include .env\nexport\n", "make run", &in_file),
        ("ifneq (,$(wildcard .env))\n  include .env\n  export\nendif\n", "make run", &in_file),
        ("-include .env\nexport $(shell sed 's/=.*//' .env)\n", "make run", &in_file),
        ("include .env\nexport\n", "make -e run", &started),
        ("include common.mk\nexport\n", "make run", &started),
    ] {
        write(&stage, "common.mk", "");
        write(&stage, "Makefile", &format!("{lines}{rule}"));
        let (first, pid) = bot(&stage, with(start(&stage, &["run"], line), set), stage.folder());
        let seen = plan(with(start(&stage, &["plan"], line), set));
        assert_eq!(seen["instance"], instance_of(token), "{line} {lines}: {seen:#}");
        assert_eq!(seen["verdict"], "act", "{line} {lines}: {seen:#}");
        end(&stage, first, pid);
    }
    write(&stage, "Makefile", &format!("include envs/$(BOT)/.env\nexport\n{rule}"));
    write(&stage, "envs/bob/.env", &format!("BOT_TOKEN={other}\n"));
    let seen = plan(with(start(&stage, &["plan"], "make run BOT=bob"), set));
    assert_eq!(seen["instance"], instance_of(&other), "{seen:#}");
}

#[test]
fn an_argument_of_a_script_names_the_file_with_the_token() {
    let [alice, bob] = [token(), token()];
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "envs/alice.env", &format!("BOT_TOKEN={alice}\n"));
    write(&stage, "envs/bob.env", &format!("BOT_TOKEN={bob}\n"));
    for lines in ["set -a; . envs/$1.env; set +a", "set -a\n. ./envs/${1}.env\nset +a"] {
        script(&stage, &format!("{lines}\npython3 main.py"));
        let (process, pid) = bot(&stage, program(&stage, "./start.sh alice"), stage.folder());
        let seen = plan(unnamed(&stage, &["plan"], "./start.sh alice"));
        assert_eq!(
            (&seen["verdict"], &seen["instance"]),
            (&"act".into(), &instance_of(&alice).into())
        );
        let seen = plan(unnamed(&stage, &["plan"], "./start.sh bob"));
        assert_eq!(
            (&seen["verdict"], &seen["instance"]),
            (&"clear".into(), &instance_of(&bob).into())
        );
        end(&stage, process, pid);
    }
    // The argument of the function is not that of the script.
    for lines in ["load() { . envs/$1.env; }; set -a; load alice", "shift; . envs/$1.env"] {
        script(&stage, &format!("{lines}\npython3 main.py"));
        let seen = plan(unnamed(&stage, &["plan"], "./start.sh bob alice"));
        assert_ne!(seen["instance"], instance_of(&bob), "{lines}: {seen:#}");
    }
}

/// Set-ups in which the token of the start is not that of its bot.
#[test]
fn a_start_whose_bot_may_read_another_token_than_the_first_one_is_refused() {
    let [alice, bob] = [token(), token()];
    let stage = two_bots(&alice, &bob);
    write(&stage, "bob.py", &format!("{PYTHON}# reads BOT_TOKEN\n"));
    let package = r#"{"scripts": {"start": "doppler run -- node main.js"}}"#;
    write(&stage, "package.json", package);
    write(&stage, "bash.sh", &format!("#!/usr/bin/env bash\nURL=x/bot{bob}\nsleep 600\n"));
    let latin =
        b"#!/bin/sh\n# gr\xfc\xdfe\nexport BOT_TOKEN=$(cat token.txt)\nexec python3 main.py\n";
    fs::write(stage.folder().join("latin.sh"), latin).unwrap();
    write(&stage, "words.sh", "exec python3 main.py --token \"$1\"\n");
    let other = unnamed(&stage, &["run"], "python3 main.py");
    let (other, pid) = bot(&stage, other, stage.folder());
    let refused = |set: Option<(&str, &str)>, line: &str, words: &str| {
        let ended = with(start(&stage, &["run"], line), set).end().exits(78);
        assert!(ended.err.contains(words) && !ended.err.contains(SECRET), "{line}: {ended:?}");
        assert!(ended.err.contains("--instance"), "{line}: {ended:?}");
    };
    for (line, words) in [
        ("npm start", "`doppler` may set another token"),
        ("nice -n 5 doppler run -- node main.js", "`doppler` may set another token"),
        ("bash bash.sh", "in its code"),
        ("sh words.sh bob", "sets `--token`"),
        ("node --env-file=/dev/null main.js", "COMMAND reads `/dev/null`"),
    ] {
        refused(None, line, words);
    }
    let seen = plan(start(&stage, &["plan"], "sh latin.sh"));
    assert_eq!(seen["instance"], instance_of(&bob), "{seen:#}");
    let exported = Some(("TELEGRAM_BOT_TOKEN", &*bob));
    refused(exported, "python3 bob.py", "BOT_TOKEN in `");
    let listed = with(start(&stage, &["plan"], "python3 bob.py"), exported);
    let seen = plan(listed.set("token_env=['BOT_TOKEN']"));
    assert_eq!(seen["instance"], instance_of(&alice), "{seen:#}");
    assert!(other.is_alive() && is_alive(pid));
}

#[test]
fn a_file_that_an_option_names_comes_before_dotenv() {
    let [mine, other] = [token(), token()];
    let stage = Stage::new();
    write(&stage, "main.js", JAVASCRIPT);
    write(&stage, "bob/main.js", JAVASCRIPT);
    write(&stage, ".env", &format!("BOT_TOKEN={mine}\n"));
    write(&stage, "bob/.env", &format!("BOT_TOKEN={other}\n"));
    for line in ["node --env-file=bob/.env bob/main.js", "node --env-file=bob/.env main.js"] {
        let seen = plan(unnamed(&stage, &["plan"], line));
        assert_eq!(seen["instance"], instance_of(&other), "{line}: {seen:#}");
        let seen = plan(unnamed(&stage, &["plan"], line).env("BOT_TOKEN", &mine));
        assert_eq!(seen["instance"], instance_of(&mine), "{line}: {seen:#}");
    }
}

#[test]
fn a_program_with_its_token_in_its_code_is_not_the_bot_of_dotenv_or_of_the_environment() {
    let [mine, another] = [token(), token()];
    let stage = Stage::new();
    write(&stage, "main.py", &format!("{PYTHON}# the bot of .env\n"));
    write(&stage, "admin.py", &format!("{PYTHON}bot = TeleBot('{another}')\n"));
    write(&stage, "admin.js", &format!("const bot = new Bot(\"{another}\");\n{JAVASCRIPT}"));
    write(&stage, "jobs/__main__.py", &format!("{PYTHON}TOKEN = \"{another}\"\n"));
    write(&stage, "admin.sh", "#!/bin/sh\nexec python3 admin.py\n");
    write(&stage, "bot.env", &format!("BOT_TOKEN={mine}\n"));
    write(&stage, "own.py", &format!("{PYTHON}TOKEN = '{mine}'\n"));
    write(&stage, "reads.py", &format!("{PYTHON}TOKEN = os.getenv('BOT_TOKEN', '{another}')\n"));
    for in_file in [true, false] {
        let dotenv = if in_file { format!("BOT_TOKEN={mine}\n") } else { String::new() };
        write(&stage, ".env", &dotenv);
        let start = |args: &[&str], line: &str| {
            with(unnamed(&stage, args, line), (!in_file).then_some(("BOT_TOKEN", &mine)))
        };
        let (other, pid) = bot(&stage, start(&["run"], "python3 main.py"), stage.folder());
        for line in ["python3 admin.py", "node admin.js", "python3 -m jobs", "./admin.sh"] {
            for args in [&["plan"][..], &["run"]] {
                let ended = start(args, line).end().exits(78);
                assert!(ended.err.contains("in its code"), "{line}: {ended:?}");
                assert!(ended.err.contains("`--instance NAME`"), "{line}: {ended:?}");
                assert!(!ended.err.contains(SECRET), "{line}: {ended:?}");
            }
            let seen = plan(start(&["plan", "--instance", "admin"], line));
            assert_eq!(seen["verdict"], "clear", "{line}: {seen:#}");
            // The user says that the bot reads this file.
            if in_file {
                let seen = plan(start(&["plan"], line).set("env_file='bot.env'"));
                assert_eq!(seen["instance"], instance_of(&mine), "{line}: {seen:#}");
            }
        }
        for line in ["python3 own.py", "python3 reads.py"] {
            let seen = plan(start(&["plan"], line));
            assert_eq!(seen["instance"], instance_of(&mine), "{line}: {seen:#}");
        }
        assert!(is_alive(pid));
        end(&stage, other, pid);
    }
}

/// The name of the instance of the bot with this token.
fn instance_of(token: &str) -> String {
    format!("bot{}", token.split(':').next().unwrap())
}
