//! Processes that almost run the same command: they are doubtful or other bots, and are never
//! ended.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Stage, Start, is_alive, is_root};
use serde_json::Value;

use crate::other_bots::unnamed;
use crate::same_command::{JAVASCRIPT, PYTHON, bot, end, found, path, program, words, write};
use crate::supervisors::peer;

/// The verdict of a plan on one process.
#[derive(Debug, PartialEq)]
pub(crate) enum Judged {
    /// The process would be ended.
    Same,
    InDoubt(String),
    Different,
}

#[track_caller]
pub(crate) fn plan<'a>(
    stage: &'a Stage,
    line: &str,
    change: impl Fn(Start<'a>) -> Start<'a>,
) -> Value {
    let start = unnamed(stage, &["plan", "--json"], &words(line)[0]);
    let start = words(line)[1..].iter().fold(start, |start, word| start.argument(word));
    let ended = change(start).end();
    serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{line}: {ended:?}"))
}

#[track_caller]
pub(crate) fn judge<'a>(
    stage: &'a Stage,
    running: &str,
    started: &str,
    change: impl Fn(Start<'a>) -> Start<'a>,
) -> Judged {
    let (process, pid) = bot(stage, change(program(stage, running)), stage.folder());
    let plan = plan(stage, started, change);
    let judged = match (found(&plan).contains(&u64::from(pid)), plan["verdict"].as_str().unwrap()) {
        (true, "act") => Judged::Same,
        (true, "refuse") => Judged::InDoubt(plan["reason"].as_str().unwrap().to_owned()),
        (false, "clear") => Judged::Different,
        other => panic!("{other:?}: {plan:#}"),
    };
    end(stage, process, pid);
    judged
}

/// Checks that two spellings each match themselves and doubt each other because of this option.
#[track_caller]
fn doubt_each_other(stage: &Stage, option: &str, pair: [&str; 2], path: &str) {
    let judge = |running, started| judge(stage, running, started, |it| it.env("PATH", path));
    for (running, started) in [(pair[0], pair[1]), (pair[1], pair[0])] {
        let expected =
            format!("has another `{option}`; if it is this bot, start it with the same option");
        match judge(running, started) {
            Judged::InDoubt(reason) => assert!(reason.contains(&expected), "{reason}"),
            other => panic!("{running} / {started}: {other:?}"),
        }
        assert_eq!(judge(running, running), Judged::Same, "{running}");
    }
}

fn javascript() -> Stage {
    let stage = Stage::new();
    write(&stage, "index.js", JAVASCRIPT);
    for name in ["alice", "bob"] {
        write(&stage, &format!(".env.{name}"), &format!("BOT={name}\n"));
        write(&stage, &format!("{name}.js"), "");
    }
    stage
}

#[test]
fn an_option_that_may_choose_the_bot_puts_the_same_command_in_doubt() {
    let stage = javascript();
    write(
        &stage,
        "package.json",
        r#"{"scripts": {"alice": "node --env-file=.env.alice index.js",
                        "bob": "node --env-file=.env.bob index.js"}}"#,
    );
    write(&stage, "bin/dotenv", "#!/bin/sh\nshift 2\n\"$@\"\n");
    let path = format!("{}:{}", stage.folder().join("bin").display(), path());
    for (option, pair) in [
        (
            "--env-file",
            ["node --env-file=.env.alice index.js", "node --env-file .env.bob index.js"],
        ),
        ("--env-file", ["node index.js", "node --env-file .env.bob index.js"]),
        ("--env-file", ["npm run alice", "npm run bob"]),
        ("--require", ["node -r ./alice.js index.js", "node --require ./bob.js index.js"]),
        ("--import", ["node --import ./alice.js index.js", "node --import ./bob.js index.js"]),
        ("-e", ["dotenv -e .env.alice node index.js", "dotenv -e .env.bob node index.js"]),
    ] {
        doubt_each_other(&stage, option, pair, &path);
    }
    let judged = judge(&stage, "node --no-warnings index.js", "node --inspect=0 index.js", |it| it);
    assert_eq!(judged, Judged::Same);
}

#[test]
fn the_options_of_every_runtime_of_javascript_may_choose_the_bot() {
    let Some(pnpm) = peer("js/node_modules/.bin/pnpm") else { return };
    let stage = javascript();
    write(
        &stage,
        "deno.mjs",
        "Deno.writeTextFileSync(`ready-${Deno.pid}`, '');\nsetTimeout(() => {}, 600000);\n",
    );
    for name in ["alice", "bob"] {
        write(&stage, &format!("{name}.json"), "{}");
    }
    let path = format!("{}:{}", pnpm.parent().unwrap().display(), path());
    for (option, pair) in [
        ("--env-file", ["bun --env-file=.env.alice index.js", "bun --env-file=.env.bob index.js"]),
        ("--env-file", ["tsx --env-file=.env.alice index.js", "tsx --env-file=.env.bob index.js"]),
        (
            "--env-file",
            [
                "deno run -A --env-file=.env.alice deno.mjs",
                "deno run -A --env-file=.env.bob deno.mjs",
            ],
        ),
        (
            "--config",
            ["deno run -A --config alice.json deno.mjs", "deno run -A --config=bob.json deno.mjs"],
        ),
    ] {
        doubt_each_other(&stage, option, pair, &path);
    }
}

#[test]
fn the_options_of_uv_may_choose_the_bot() {
    let Some(uv) = peer("launchers/bin/uv") else { return };
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    for name in ["alice", "bob"] {
        write(&stage, &format!(".env.{name}"), "A=b\n");
    }
    let path = format!("{}:{}", uv.parent().unwrap().display(), path());
    let line = |name| format!("uv run --no-project --offline --env-file .env.{name} main.py");
    doubt_each_other(&stage, "--env-file", [&line("alice"), &line("bob")], &path);
}

#[test]
fn the_options_of_other_interpreters_may_choose_the_bot() {
    let stage = Stage::new();
    for interpreter in ["java", "ruby", "php", "perl"] {
        let copy = stage.folder().join("bin").join(interpreter);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(testbot(), copy).unwrap();
    }
    for script in ["bot.jar", "Bot.java", "bot.rb", "bot.php", "bot.pl"] {
        write(&stage, script, "");
    }
    let path = format!("{}:{}", stage.folder().join("bin").display(), path());
    let judge = |running: &str, started: &str| {
        let number = stage.events().len();
        let bot = program(&stage, running).env("PATH", &path).start();
        stage.wait_until("the bot", || (stage.events().len() > number).then_some(()));
        let plan = plan(&stage, started, |it| it.env("PATH", &path));
        assert!(found(&plan).contains(&u64::from(bot.pid())), "{running} / {started}: {plan:#}");
        (plan["verdict"].as_str().unwrap().to_owned(), plan["reason"].to_string())
    };
    for (option, alice, bob) in [
        (
            "-Dspring.profiles.active",
            "java -Dspring.profiles.active=alice -jar bot.jar",
            "java -Xmx1g -Dspring.profiles.active=bob -jar bot.jar",
        ),
        ("-r", "ruby -ralice bot.rb", "ruby -r bob bot.rb"),
        ("--define", "php -d bot=alice bot.php", "php -dbot=bob bot.php"),
        ("-M", "perl -MAlice bot.pl", "perl -MBob bot.pl"),
        ("--class-path", "java -cp alice Bot.java", "java -classpath bob Bot.java"),
        ("-Duser.dir", "java -Duser.dir=/a -jar bot.jar", "java -Duser.dir=/b -jar bot.jar"),
        ("-I", "ruby -Ialice bot.rb", "ruby -I bob bot.rb"),
        ("-I", "perl -Ialice bot.pl", "perl -I bob bot.pl"),
    ] {
        let (verdict, reason) = judge(alice, bob);
        assert_eq!(verdict, "refuse");
        assert!(reason.contains(&format!("has another `{option}`")), "{reason}");
        assert_eq!(judge(bob, alice).0, "refuse");
        assert_eq!(judge(bob, bob).0, "act");
    }
    for (one, other) in [
        ("java -Xmx1g -jar bot.jar", "java -ea -jar bot.jar"),
        ("ruby -w bot.rb", "ruby bot.rb"),
        ("php -d memory_limit=1G bot.php", "php bot.php"),
        ("perl -w bot.pl", "perl -Mstrict bot.pl"),
        ("perl -w -Ilib bot.pl", "perl -I lib bot.pl"),
        ("java -cp lib Bot.java", "java -Duser.timezone=UTC --class-path=lib Bot.java"),
    ] {
        assert_eq!(judge(one, other).0, "act");
    }
}

/// Returns the guessed name.
#[track_caller]
fn name(stage: &Stage, line: &str) -> String {
    plan(stage, line, |start| start)["instance"].as_str().unwrap().to_owned()
}

#[test]
fn what_chooses_the_bot_in_the_command_is_part_of_the_guessed_name() {
    let stage = javascript();
    let [alice, bob] = ["alice", "bob"].map(|bot| {
        let lines = [
            format!("node --env-file=.env.{bot} index.js"),
            format!("env BOT_ENV={bot} node index.js"),
            format!("sh -c BOT_ENV={bot} node index.js"),
        ];
        lines.map(|line| name(&stage, &line))
    });
    assert_eq!(alice[1], alice[2]);
    for (one, other) in alice.iter().zip(&bob) {
        assert_ne!(one, other);
    }
    assert_eq!(
        name(&stage, "node --env-file=.env.bob index.js"),
        name(&stage, "node --no-warnings --env-file ./.env.bob index.js")
    );
}

#[test]
fn a_variable_that_the_command_sets_chooses_the_bot() {
    let stage = javascript();
    write(&stage, "main.py", PYTHON);
    write(
        &stage,
        "package.json",
        r#"{"scripts": {"alice": "BOT_ENV=alice node index.js",
                        "bob": "BOT_ENV=bob node index.js"}}"#,
    );
    write(&stage, "bin/cross-env", "#!/bin/sh\nexec env \"$@\"\n");
    let path = format!("{}:{}", stage.folder().join("bin").display(), path());
    let judge = |running, started| judge(&stage, running, started, |it| it.env("PATH", &path));
    for [alice, bob] in [
        ["env BOT_ENV=alice python3 main.py", "env BOT_ENV=bob python3 main.py"],
        ["sh -c BOT_ENV=alice python3 main.py", "sh -c export BOT_ENV=bob; exec python3 main.py"],
        ["cross-env BOT_ENV=alice node index.js", "cross-env BOT_ENV=bob node index.js"],
        ["npm run alice", "npm run bob"],
        ["env BOT_ENV=alice python3 main.py", "python3 main.py"],
        ["npm run alice", "env -u BOT_ENV node index.js"],
    ] {
        for (running, started) in [(alice, bob), (bob, alice)] {
            match judge(running, started) {
                Judged::InDoubt(reason) => {
                    assert!(reason.contains("it has another value of $BOT_ENV"), "{reason}");
                }
                other => panic!("{running} / {started}: {other:?}"),
            }
            assert_eq!(judge(running, running), Judged::Same, "{running}");
        }
    }
}

#[test]
fn two_guards_whose_commands_choose_other_bots_leave_each_other_alone() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let start =
        |bot: &str| unnamed(&stage, &["run"], &format!("env BOT_ENV={bot} python3 main.py"));
    let (alice, pid) = bot(&stage, start("alice"), stage.folder());
    start("bob").end().exits(75).says("it has another value of $BOT_ENV");
    assert!(alice.is_alive() && is_alive(pid));
    let (_second, _) = bot(&stage, start("alice"), stage.folder());
    assert!(!is_alive(pid));
    alice.end().exits(0);
}

#[test]
fn two_guards_of_other_options_leave_each_other_alone_and_one_name_is_one_bot() {
    let stage = javascript();
    let line = |bot: &str| format!("node --env-file=.env.{bot} index.js");
    let start = |args: &[&str], bot: &str| unnamed(&stage, args, &line(bot));
    let (alice, pid) = bot(&stage, start(&["run"], "alice"), stage.folder());
    start(&["run"], "bob").end().exits(75).says("has another `--env-file`");
    assert!(alice.is_alive() && is_alive(pid));
    let (guard, second) = bot(&stage, start(&["run"], "alice"), stage.folder());
    assert!(!is_alive(pid));
    alice.end().exits(0);
    let named = ["run", "--instance", "bot"];
    start(&named, "bob").end().exits(75).says("has another `--env-file`");
    assert!(is_alive(second));
    drop(guard);
    stage.wait_until("its end", || (!is_alive(second)).then_some(()));
    let (first, pid) = bot(&stage, start(&named, "alice"), stage.folder());
    let (_other, _) = bot(&stage, start(&named, "bob"), stage.folder());
    assert!(!is_alive(pid));
    first.end().exits(0);
}

/// Creates a package that contains two others.
fn monorepo(root_scripts: &str) -> Stage {
    let stage = Stage::new();
    let root = format!(r#"{{"name": "root", "workspaces": ["packages/*"]{root_scripts}}}"#);
    write(&stage, "package.json", &root);
    write(&stage, "index.js", JAVASCRIPT);
    for name in ["alice", "bob"] {
        let package = format!(r#"{{"name": "{name}", "scripts": {{"start": "node index.js"}}}}"#);
        write(&stage, &format!("packages/{name}/package.json"), &package);
        write(&stage, &format!("packages/{name}/index.js"), JAVASCRIPT);
    }
    stage
}

#[test]
fn npm_in_another_package_is_another_bot() {
    let stage = monorepo(r#", "scripts": {"start": "node index.js"}"#);
    let root = stage.folder();
    let bob = root.join("packages/bob");
    let lines = [
        "npm start --prefix packages/bob",
        "npm --prefix=packages/bob start",
        "npm -C packages/bob run start",
        "npm run start --workspace bob",
        "npm start -w=packages/bob",
    ];
    for line in lines {
        let (process, pid) = bot(&stage, program(&stage, line), &bob);
        for (started, folder, expected) in [
            ("npm start", root, false),
            ("npm start --workspace alice", root, false),
            ("npm start --prefix packages/alice", root, false),
            (line, root, true),
            ("npm start", &bob, true),
            ("node index.js", &bob, true),
        ] {
            let plan = plan(&stage, started, |it| it.current_dir(folder));
            let verdict = if expected { "act" } else { "clear" };
            assert_eq!(plan["verdict"], verdict, "{line} / {started}: {plan:#}");
            assert_eq!(found(&plan).contains(&u64::from(pid)), expected, "{line} / {started}");
        }
        end(&stage, process, pid);
    }
    let (process, pid) = bot(&stage, program(&stage, "npm start"), root);
    for line in lines {
        let plan = plan(&stage, line, |it| it);
        assert_eq!(plan["verdict"], "clear", "{line}: {plan:#}");
    }
    end(&stage, process, pid);
}

#[test]
fn npm_finds_a_script_that_only_another_package_has() {
    let stage = monorepo("");
    for line in ["npm run start --workspace bob", "npm --prefix packages/bob start"] {
        let plan = plan(&stage, line, |it| it);
        assert_eq!(plan["verdict"], "clear", "{line}: {plan:#}");
        assert!(plan["instance"].as_str().unwrap().starts_with("index.js-"), "{plan:#}");
    }
    let refused = unnamed(&stage, &["plan"], "npm start").end().exits(127);
    assert!(refused.err.contains("`server.js` is not in"), "{refused:?}");
}

#[test]
fn an_option_that_npm_passes_to_the_script_is_in_doubt() {
    let stage = monorepo(r#", "scripts": {"start": "node index.js"}"#);
    for plain in ["npm start", "npm run start --audit=false --loglevel silent", "node index.js"] {
        for chosen in ["npm start --bot=alice", "npm run start --bot_name=alice"] {
            let option = if chosen.contains('_') { "--bot-name" } else { "--bot" };
            doubt_each_other(&stage, option, [plain, chosen], &path());
        }
    }
    doubt_each_other(
        &stage,
        "--bot",
        ["npm start --bot=bob", "npx --bot=alice node index.js"],
        &path(),
    );
    for (running, started) in [
        ("npm start --silent", "npm start"),
        ("npm start --bot=alice", "env npm_config_bot=alice node index.js"),
        ("npm start --no-bot", "npm start"),
    ] {
        assert_eq!(judge(&stage, running, started, |it| it), Judged::Same, "{running}");
    }
    let judged = judge(&stage, "npm start alice", "npm start", |it| it);
    assert_eq!(judged, Judged::Different);
    assert_eq!(judge(&stage, "npm start -- --bot=alice", "npm start", |it| it), Judged::Different);
}

#[test]
fn an_option_that_pnpm_or_yarn_passes_to_the_script_is_in_doubt() {
    let Some(pnpm) = peer("js/node_modules/.bin/pnpm") else { return };
    let stage = monorepo(r#", "scripts": {"start": "node index.js"}"#);
    let path = format!("{}:{}", pnpm.parent().unwrap().display(), path());
    for pair in [
        ["pnpm start", "pnpm --bot=alice start"],
        ["pnpm --silent start", "pnpm --config.bot=alice start"],
        ["npm start --bot=bob", "pnpm --bot=alice start"],
        ["yarn start", "yarn --bot=alice start"],
        ["bun start", "bun --bot=alice start"],
    ] {
        doubt_each_other(&stage, "--bot", pair, &path);
    }
    for manager in ["pnpm", "yarn", "bun"] {
        let (plain, chosen) =
            (format!("{manager} run start"), format!("{manager} run start --bot alice"));
        for (running, started) in [(&plain, &chosen), (&chosen, &plain)] {
            let judged = judge(&stage, running, started, |it| it.env("PATH", &path));
            assert_eq!(judged, Judged::Different, "{running}");
        }
    }
}

#[test]
fn a_variable_on_the_command_line_of_make_is_in_doubt() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "Makefile", "run:\n\tpython3 main.py\n");
    for (make, started, other) in [
        ("make BOT=alice run", "python3 main.py", Some("BOT")),
        ("make BOT=alice run", "make run", Some("BOT")),
        ("make run", "python3 main.py", None),
    ] {
        let judged = judge(&stage, make, started, |it| it);
        match (judged, other) {
            (Judged::Same, None) => {}
            (Judged::InDoubt(reason), Some(name)) => {
                assert!(reason.contains(&format!("has another value of ${name}")), "{reason}");
            }
            other => panic!("{make}: {other:?}"),
        }
    }
}

#[test]
fn another_program_with_the_name_of_the_script_is_another_one() {
    let stage = Stage::new();
    write(&stage, "bot", PYTHON);
    fs::create_dir(stage.folder().join("x")).unwrap();
    fs::copy(testbot(), stage.folder().join("x/bot")).unwrap();
    let absolute = format!("{}/x/bot", stage.folder().display());
    for line in ["x/bot", "./x/bot", &absolute] {
        let number = stage.events().len();
        let _other = program(&stage, line).start();
        stage.wait_until("the program", || (stage.events().len() > number).then_some(()));
        let plan = plan(&stage, "./bot", |it| it);
        assert_eq!(plan["verdict"], "clear", "{line}: {plan:#}");
    }
    let (_bot, _) = bot(&stage, program(&stage, "./bot"), stage.folder());
    assert_eq!(plan(&stage, "x/bot", |it| it)["verdict"], "clear");
    assert_eq!(plan(&stage, "./bot", |it| it)["verdict"], "act");
}

#[test]
fn a_mode_that_does_not_run_the_bot_is_another_command() {
    let stage = javascript();
    write(&stage, "main.py", PYTHON);
    write(&stage, "bot.sh", "#!/bin/sh\n: > ready-$$\nsleep 600\n");
    // The fakes wait like the bot, whatever their arguments.
    let fakes = ["node", "python3", "bash", "deno", "bun"];
    fs::create_dir(stage.folder().join("bin")).unwrap();
    for fake in fakes {
        fs::copy(testbot(), stage.folder().join("bin").join(fake)).unwrap();
    }
    let bin = stage.folder().join("bin");
    for (mode, command) in [
        ("node --test index.js", "node index.js"),
        ("node --check index.js", "node index.js"),
        ("node -c index.js", "node index.js"),
        ("bash -n bot.sh", "bash bot.sh"),
        ("python3 -m py_compile main.py", "python3 main.py"),
        ("python3 -m pytest main.py", "python3 main.py"),
        ("python3 -m black main.py", "python3 main.py"),
        ("deno test index.js", "deno run index.js"),
        ("deno check index.js", "deno run index.js"),
        ("bun test index.js", "bun index.js"),
    ] {
        let number = stage.events().len();
        let line = format!("{}/{mode}", bin.display());
        let _mode = program(&stage, &line).start();
        stage.wait_until("the program", || (stage.events().len() > number).then_some(()));
        let plan =
            plan(&stage, command, |it| it.env("PATH", format!("{}:{}", bin.display(), path())));
        assert_eq!(plan["verdict"], "clear", "{mode}: {plan:#}");
    }
}

/// Runs in a mount namespace in which `from` is mounted on `on`.
fn mounted<'a>(start: Start<'a>, from: &Path, on: &Path) -> Start<'a> {
    let mount = "mount --bind \"$1\" \"$2\" && cd \"$2\" && shift 2 && exec \"$@\"";
    let (from, on) = (from.to_str().unwrap(), on.to_str().unwrap());
    start.through(&["unshare", "-m", "sh", "-c", mount, "sh", from, on])
}

#[test]
fn the_same_path_in_other_mounts_may_be_another_bot() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let (alice, bob, app) =
        (stage.folder().join("alice"), stage.folder().join("bob"), stage.folder().join("app"));
    for folder in ["alice", "bob", "app"] {
        write(&stage, &format!("{folder}/main.py"), PYTHON);
    }
    let run = |start| program(&stage, start);
    let plan = |change: &dyn Fn(Start<'_>) -> Start<'_>| -> Value {
        let start = unnamed(&stage, &["plan", "--json"], "python3 main.py");
        serde_json::from_str(&change(start.current_dir(&app)).end().out).unwrap()
    };
    let line = "python3 main.py";
    let absolute = format!("python3 {}/main.py", app.display());

    // A different folder at the same path, seen from outside and from inside.
    for line in [line, &absolute] {
        let (process, pid) = bot(&stage, mounted(run(line), &alice, &app), &alice);
        assert_eq!(plan(&|it| it)["verdict"], "clear");
        assert_eq!(plan(&|it| mounted(it, &bob, &app))["verdict"], "clear");
        let same = plan(&|it| mounted(it, &alice, &app));
        assert_eq!((found(&same), &same["verdict"]), (vec![u64::from(pid)], &"act".into()));
        end(&stage, process, pid);
        let (process, pid) = bot(&stage, run(line).current_dir(&app), &app);
        assert_eq!(plan(&|it| mounted(it, &bob, &app))["verdict"], "clear");
        end(&stage, process, pid);
    }

    // The same folder in another mount namespace, as in a service with a private `/tmp`.
    let (process, pid) = bot(&stage, run(line).through(&["unshare", "-m"]).current_dir(&app), &app);
    assert_eq!(
        (found(&plan(&|it| it)), &plan(&|it| it)["verdict"]),
        (vec![u64::from(pid)], &"act".into())
    );
    end(&stage, process, pid);
    let (process, pid) = bot(&stage, run(line).current_dir(&app), &app);
    let inside = plan(&|it| it.through(&["unshare", "-m"]));
    assert_eq!(found(&inside), [u64::from(pid)], "{inside:#}");
    end(&stage, process, pid);
}

#[test]
fn what_the_command_itself_sets_tells_two_bots_apart() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "index.js", JAVASCRIPT);
    write(
        &stage,
        "package.json",
        r#"{"scripts": {"alice": "BOT=alice node index.js", "bob": "BOT=bob node index.js"}}"#,
    );
    for pair in [
        ["env BOT=alice python3 main.py", "env BOT=bob python3 main.py"],
        ["npm run alice", "npm run bob"],
    ] {
        for (running, started) in [(pair[0], pair[1]), (pair[1], pair[0])] {
            match judge(&stage, running, started, |it| it) {
                Judged::InDoubt(reason) => assert!(reason.contains("another value of $BOT")),
                other => panic!("{running} / {started}: {other:?}"),
            }
            assert_eq!(judge(&stage, running, running, |it| it), Judged::Same, "{running}");
        }
    }
}

#[test]
fn a_guard_of_another_bot_is_not_stopped() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let [first, second] = ["alice", "bob"].map(|name| format!("env BOT={name} python3 main.py"));
    let (guard, pid) = bot(&stage, unnamed(&stage, &["run"], &first), stage.folder());
    let stop = unnamed(&stage, &["stop"], &second).end();
    assert!(is_alive(pid) && guard.is_alive(), "{stop:?}");
    unnamed(&stage, &["stop"], &first).end().exits(0);
    assert!(!is_alive(pid));
}

#[test]
fn what_the_command_itself_sets_is_part_of_the_guessed_name() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let name = |line: &str| {
        let ended = unnamed(&stage, &["status", "--json"], line).end().exits(3);
        let document: Value = serde_json::from_str(&ended.out).unwrap();
        document["instance"].as_str().unwrap().to_owned()
    };
    for [one, other] in [
        ["env BOT=alice python3 main.py", "env BOT=bob python3 main.py"],
        ["setpriv --reuid 65534 python3 main.py", "setpriv --reuid=1 python3 main.py"],
    ] {
        assert_ne!(name(one), name(other));
        assert_ne!(name(one), name("python3 main.py"));
    }
    assert_eq!(name("env PYTHONUNBUFFERED=1 python3 main.py"), name("python3 main.py"));
}

/// A script can choose its bot by its own name.
#[test]
fn one_script_under_two_links_is_in_doubt() {
    let stage = Stage::new();
    write(&stage, "bot.py", PYTHON);
    let text = "NAME=$(basename \"$0\" .sh)\npython3 bot.py --config \"$NAME.toml\"\n";
    write(&stage, "bot.sh", text);
    for name in ["alice", "bob"] {
        for ending in ["py", "sh"] {
            let link = stage.folder().join(format!("bot_{name}.{ending}"));
            symlink(format!("bot.{ending}"), link).unwrap();
        }
    }
    for (program, ending) in [("python3", "py"), ("sh", "sh")] {
        let line = |name: &str| format!("{program} bot_{name}.{ending}");
        let (process, pid) =
            bot(&stage, crate::same_command::program(&stage, &line("alice")), stage.folder());
        for (name, expected) in [("alice", "act"), ("bob", "refuse")] {
            let plan = plan(&stage, &line(name), |it| it);
            assert_eq!(plan["verdict"], expected, "{program} {name}: {plan:#}");
        }
        end(&stage, process, pid);
    }
}

#[test]
fn make_with_another_value_from_the_environment_is_never_ended() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "Makefile", "BOT ?= alice\nrun:\n\tpython3 main.py --bot $(BOT)\n");
    let with_bot = |line: &str, bot: &str| {
        let start = if line == "plan" {
            unnamed(&stage, &["plan", "--json"], "make").argument("run")
        } else {
            program(&stage, line)
        };
        if bot.is_empty() { start } else { start.env("BOT", bot) }
    };
    for (running, started, is_same) in
        [("alice", "alice", true), ("", "", true), ("alice", "bob", false)]
    {
        let (process, pid) = bot(&stage, with_bot("make run", running), stage.folder());
        let ended = with_bot("plan", started).end();
        let plan: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(plan["verdict"] == "act", is_same, "{running} / {started}: {plan:#}");
        end(&stage, process, pid);
    }
    let (process, pid) =
        bot(&stage, program(&stage, "python3 main.py --bot alice"), stage.folder());
    let plan: Value = serde_json::from_str(&with_bot("plan", "bob").end().out).unwrap();
    assert_ne!(plan["verdict"], "act", "{plan:#}");
    end(&stage, process, pid);
}
