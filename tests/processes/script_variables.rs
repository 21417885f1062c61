//! Start scripts and recipes that set or read variables: a second poller is found, and another bot
//! is never ended.

use monopoll_test_bots::stage::{Stage, Start, is_alive, token};
use serde_json::Value;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{JAVASCRIPT, PYTHON, bot, end, found, path, program, write};

/// Variables of a start: `BOT=bob SLOT=UTC`.
pub(crate) fn with<'a>(start: Start<'a>, variables: &str) -> Start<'a> {
    let pairs = variables.split_whitespace().filter_map(|it| it.split_once('='));
    pairs.fold(start, |start, (name, value)| start.env(name, value))
}

/// Splits `BOT=bob make run` into the variables and the command line.
pub(crate) fn split(line: &str) -> (String, String) {
    let is_set = |word: &&str| word.contains('=');
    let variables: Vec<&str> = line.split(' ').take_while(is_set).collect();
    let words: Vec<&str> = line.split(' ').skip(variables.len()).collect();
    (variables.join(" "), words.join(" "))
}

fn running<'a>(stage: &'a Stage, line: &str) -> Start<'a> {
    let (variables, line) = split(line);
    with(program(stage, &line), &variables)
}

fn start<'a>(stage: &'a Stage, args: &[&str], line: &str) -> Start<'a> {
    let (variables, line) = split(line);
    with(unnamed(stage, args, &line), &variables)
}

/// Returns the plan of a start while a bot runs, and whether it finds that bot.
#[track_caller]
pub(crate) fn planned(stage: &Stage, bot_line: &str, start_line: &str) -> (Value, bool) {
    let (process, pid) = bot(stage, running(stage, bot_line), stage.folder());
    let plan = plan(start(stage, &["plan"], start_line));
    end(stage, process, pid);
    let is_found = found(&plan).contains(&u64::from(pid));
    (plan, is_found)
}

#[track_caller]
fn is_in_doubt(stage: &Stage, bot_line: &str, start_line: &str, variable: &str) {
    let (plan, is_found) = planned(stage, bot_line, start_line);
    let reason = refusal(&plan);
    let expected = format!("another value of ${variable}");
    assert!(is_found && reason.contains(&expected), "{bot_line} / {start_line}: {reason}");
    assert!(reason.contains("end it first (`kill"), "{reason}");
}

#[track_caller]
pub(crate) fn is_the_same(stage: &Stage, bot_line: &str, start_line: &str) {
    let (plan, is_found) = planned(stage, bot_line, start_line);
    assert_eq!(plan["verdict"], "act", "{bot_line} / {start_line}: {plan:#}");
    assert!(is_found, "{bot_line} / {start_line}: {plan:#}");
}

/// A stage with `main.py` and a start script that ends with it.
fn stage_with(script: &str) -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "start.sh", &format!("#!/bin/sh\n{script}\n"));
    stage
}

#[test]
fn a_script_that_sets_a_variable_finds_the_bot_without_it() {
    for (script, variable, value) in [
        ("export SLOT=UTC\nexec python3 main.py", "SLOT", "UTC"),
        ("OPTION_A=1 exec python3 main.py", "OPTION_A", "1"),
        ("exec env OPTION_A=1 python3 main.py", "OPTION_A", "1"),
        ("export WORKERS=2\npython3 main.py", "WORKERS", "2"),
        ("export BOT_ENV=bob\nexec python3 main.py", "BOT_ENV", "bob"),
        ("exec env BOT_ENV=bob python3 main.py", "BOT_ENV", "bob"),
        ("unset BOT_ENV\nexec python3 main.py", "BOT_ENV", ""),
    ] {
        let stage = stage_with(script);
        let [without, other] =
            [String::new(), format!("{variable}=other ")].map(|set| set + "python3 main.py");
        if value.is_empty() {
            is_the_same(&stage, &without, "./start.sh");
        } else {
            is_in_doubt(&stage, &without, "./start.sh", variable);
        }
        is_in_doubt(&stage, &other, "./start.sh", variable);
        is_the_same(&stage, "./start.sh", "./start.sh");
    }
    // A start by cron.
    let stage = stage_with("export PATH=\"/opt/bot/bin:$PATH\"\nexec python3 main.py");
    is_in_doubt(&stage, "PATH=/bin:/usr/bin:/opt/cron/bin python3 main.py", "./start.sh", "PATH");
    // A shell.
    is_the_same(&stage, "python3 main.py", "./start.sh");
    is_the_same(&stage, "./start.sh", "./start.sh");
    // The shim of a version manager.
    let path = path();
    let shim = format!("PATH=/opt/shims:/opt/bot/bin:{path} python3 main.py");
    is_the_same(&stage, &shim, "./start.sh");
    let other = format!("PATH=/opt/bot/bin:{path}:/opt/other python3 main.py");
    is_in_doubt(&stage, &other, "./start.sh", "PATH");
}

#[test]
fn a_recipe_that_sets_a_variable_finds_the_bot_without_it() {
    for makefile in [
        "run:\n\texport SLOT=UTC; exec python3 main.py\n",
        "run:\n\tSLOT=UTC python3 main.py\n",
        "export SLOT = UTC\nrun:\n\tpython3 main.py\n",
        "ZONE := UTC\nexport SLOT ?= $(ZONE)\nrun:\n\tpython3 main.py\n",
        "SLOT = UTC\nexport SLOT\nrun:\n\tpython3 main.py\n",
        "export\nSLOT = UTC\nrun:\n\tpython3 main.py\n",
    ] {
        let stage = stage_with("");
        write(&stage, "Makefile", makefile);
        is_in_doubt(&stage, "python3 main.py", "make run", "SLOT");
        is_the_same(&stage, "SLOT=UTC python3 main.py", "make run");
        is_the_same(&stage, "make run", "make run");
    }
    let stage = stage_with("");
    write(&stage, "Makefile", "SLOT = UTC\nrun:\n\tpython3 main.py\n");
    is_the_same(&stage, "python3 main.py", "make run");
}

#[test]
fn a_variable_before_another_script_counts_for_what_that_script_starts() {
    let stage = stage_with("");
    write(&stage, "common.sh", "#!/bin/sh\npython3 main.py\n");
    let makefile = "bob:\n\tenv BOT=$@ ./common.sh\nrun:\n\tpython3 main.py\n";
    write(&stage, "Makefile", makefile);
    for script in [
        "env BOT=bob sh common.sh",
        "exec env BOT=bob ./common.sh",
        "nohup env BOT=bob bash common.sh",
        "env BOT=bob sh -c ./common.sh",
        "exec env BOT=bob make run",
        "make bob",
    ] {
        write(&stage, "start.sh", &format!("#!/bin/sh\n{script}\n"));
        is_in_doubt(&stage, "BOT=alice python3 main.py", "./start.sh", "BOT");
        is_in_doubt(&stage, "python3 main.py", "./start.sh", "BOT");
        is_the_same(&stage, "./start.sh", "./start.sh");
    }
    is_in_doubt(&stage, "BOT=alice python3 main.py", "make bob", "BOT");
    write(&stage, "alice.sh", "#!/bin/sh\nexec env BOT=alice sh common.sh\n");
    write(&stage, "bob.sh", "#!/bin/sh\nexec env BOT=bob sh common.sh\n");
    let (guard, pid) = bot(&stage, start(&stage, &["run"], "./alice.sh"), stage.folder());
    let (other, other_pid) = bot(&stage, start(&stage, &["run"], "./bob.sh"), stage.folder());
    assert!(guard.is_alive() && is_alive(pid));
    end(&stage, guard, pid);
    end(&stage, other, other_pid);
}

#[test]
fn the_variables_of_a_script_are_compared_with_those_of_a_guarded_bot_too() {
    let stage = stage_with("export SLOT=UTC\nexec python3 main.py");
    let run = |line: &str| start(&stage, &["run"], line);
    let (guard, pid) = bot(&stage, run("python3 main.py"), stage.folder());
    let refused = run("./start.sh").end().exits(75);
    assert!(refused.err.contains("another value of $SLOT"), "{refused:?}");
    assert!(guard.is_alive() && is_alive(pid));
    end(&stage, guard, pid);
    // The script was edited since.
    let (guard, pid) = bot(&stage, run("./start.sh"), stage.folder());
    write(&stage, "start.sh", "#!/bin/sh\nexport SLOT=CET\nexec python3 main.py\n");
    let (_again, own) = bot(&stage, run("./start.sh"), stage.folder());
    assert!(!is_alive(pid) && is_alive(own));
    guard.end().exits(0);
}

#[test]
fn the_bot_of_an_earlier_version_of_the_script_is_in_doubt_and_with_my_token_the_same() {
    let stage = stage_with("export SLOT=UTC\nexec python3 main.py");
    let (process, pid) = bot(&stage, running(&stage, "./start.sh"), stage.folder());
    write(&stage, "start.sh", "#!/bin/sh\nexport SLOT=CET\nexec python3 main.py\n");
    let refused = start(&stage, &["run"], "./start.sh").end().exits(75);
    assert!(refused.err.contains("another value of $SLOT"), "{refused:?}");
    assert!(is_alive(pid));
    end(&stage, process, pid);

    let mine = token();
    let with_token = running(&stage, "SLOT=UTC python3 main.py").env("BOT_TOKEN", &mine);
    let (_process, pid) = bot(&stage, with_token, stage.folder());
    let same = plan(start(&stage, &["plan"], "./start.sh").env("BOT_TOKEN", &mine));
    assert_eq!((found(&same), &same["verdict"]), (vec![u64::from(pid)], &"act".into()), "{same:#}");
}

#[test]
fn a_script_that_still_waits_for_its_bot_says_whose_it_is() {
    let stage = stage_with("export SLOT=UTC\npython3 main.py");
    let (process, pid) = bot(&stage, running(&stage, "sh start.sh"), stage.folder());
    write(&stage, "start.sh", "#!/bin/sh\nexport SLOT=CET\npython3 main.py\n");
    let plan = plan(start(&stage, &["plan"], "sh start.sh"));
    assert_eq!(plan["verdict"], "act", "{plan:#}");
    assert!(found(&plan).contains(&u64::from(pid)), "{plan:#}");
    end(&stage, process, pid);
}

#[test]
fn two_bots_that_one_script_starts_by_a_variable_stay_apart() {
    for script in [
        "export BOT=$1\nexec python3 main.py",
        "export BOT_ENV=$1\nexec python3 main.py",
        "exec env BOT_ENV=\"$1\" python3 main.py",
    ] {
        let stage = stage_with(script);
        for (first, second) in [("alice", "bob"), ("bob", "alice")] {
            let [first, second] = [first, second].map(|name| format!("./start.sh {name}"));
            let (plan, is_found) = planned(&stage, &first, &second);
            assert!(is_found && refusal(&plan).contains("another value of $BOT"), "{plan:#}");
            is_the_same(&stage, &first, &first);
        }
        // Two guards with two commands that set two values.
        let run = |name: &str| start(&stage, &["run"], &format!("./start.sh {name}"));
        let (alice, one) = bot(&stage, run("alice"), stage.folder());
        let (bob, other) = bot(&stage, run("bob"), stage.folder());
        assert!(alice.is_alive() && bob.is_alive() && is_alive(one));
        let (_again, _) = bot(&stage, run("alice"), stage.folder());
        assert!(!is_alive(one) && is_alive(other), "{script}");
        alice.end().exits(0);
    }
}

/// Such as two releases of one bot.
#[test]
fn a_variable_that_only_often_chooses_does_not_keep_two_guards_apart() {
    for name in ["BOT_VERSION", "NODE_ENV", "DATABASE_URL"] {
        let stage = stage_with(&format!("export {name}=$1\nexec python3 main.py"));
        let run = |value: &str| start(&stage, &["run"], &format!("./start.sh {value}"));
        let (_one, one) = bot(&stage, run("1"), stage.folder());
        run("2").end().exits(75).says(&format!("another value of ${name}"));
        assert!(is_alive(one), "{name}");
    }
}

#[test]
fn a_variable_that_a_script_or_recipe_reads_may_be_unset_on_one_side() {
    let stage = stage_with("");
    write(&stage, "main.js", JAVASCRIPT);
    for (name, text) in [
        ("plain.sh", "echo \"starting ${BOT:-alice}\"\nexec python3 main.py"),
        ("own.sh", "BOT=${BOT:-alice}\nexport BOT\nexec python3 main.py"),
        ("default.sh", ": \"${BOT:=alice}\"\nexport BOT\nexec python3 main.py"),
        ("waits.sh", "echo \"$BOT\"\npython3 main.py"),
    ] {
        write(&stage, name, &format!("#!/bin/sh\n{text}\n"));
    }
    let makefile = "BOT ?= alice\nNAME = alice\nrun:\n\tpython3 main.py --bot $(BOT)\n\
                    echo:\n\techo $(NAME); python3 main.py\n";
    write(&stage, "Makefile", makefile);
    write(&stage, "exported/Makefile", "export BOT ?= alice\nrun:\n\tpython3 ../main.py\n");
    write(
        &stage,
        "package.json",
        r#"{"scripts": {"start": "node main.js ${BOT:-b1}", "echo": "echo $BOT; node main.js"}}"#,
    );
    for line in [
        "./plain.sh",
        "./own.sh",
        "./default.sh",
        "./waits.sh",
        "make run",
        "make -f exported/Makefile run",
        "npm start",
        "npm run echo",
    ] {
        if line.contains("exported") {
            write(&stage, "exported/Makefile", "export BOT ?= alice\nrun:\n\tpython3 main.py\n");
        }
        let bob = format!("BOT=bob {line}");
        for (running, started) in [(line, &*bob), (&*bob, line)] {
            let (plan, _) = planned(&stage, running, started);
            assert_ne!(plan["verdict"], "act", "{running} / {started}: {plan:#}");
            assert!(refusal(&plan).contains("$BOT"), "{running} / {started}: {plan:#}");
        }
        let (plan, _) = planned(&stage, &bob, &bob);
        assert_ne!(plan["verdict"], "clear", "{line}: {plan:#}");
    }
    for line in ["make -e echo", "make --environment-overrides echo", "make -ke echo"] {
        let (plan, _) = planned(&stage, &format!("NAME=bob {line}"), line);
        assert!(refusal(&plan).contains("$NAME"), "{line}: {plan:#}");
        is_the_same(&stage, line, line);
    }
    is_the_same(&stage, "NAME=bob make echo", "make echo");
}

#[test]
fn a_near_miss_of_what_a_script_starts_is_listed() {
    let stage = stage_with("CFG=b.toml\npython3 main.py --config $CFG");
    write(&stage, "Makefile", "CFG = b.toml\nrun:\n\tpython3 main.py --config $(CFG)\n");
    for started in ["./start.sh", "make run"] {
        for running in ["python3 main.py", "python3 main.py --config a.toml"] {
            let (plan, is_found) = planned(&stage, running, started);
            assert_eq!((&plan["verdict"], is_found), (&"clear".into(), false), "{plan:#}");
            // Bots of other tests may be listed too.
            let listed = plan["near_misses"].to_string();
            assert!(listed.contains("other arguments"), "{running} / {started}: {plan:#}");
        }
        is_the_same(&stage, "python3 main.py --config b.toml", started);
    }
}

#[test]
fn a_file_on_standard_input_may_choose_the_bot() {
    let stage = stage_with("exec python3 main.py < b.toml");
    for name in ["a", "b"] {
        write(&stage, &format!("{name}.toml"), "");
        write(&stage, &format!("{name}.sh"), &format!("exec python3 main.py < {name}.toml\n"));
    }
    for (running, started) in
        [("sh a.sh", "sh b.sh"), ("python3 main.py", "./start.sh"), ("sh a.sh", "./start.sh")]
    {
        let (plan, is_found) = planned(&stage, running, started);
        assert_eq!((&plan["verdict"], is_found), (&"refuse".into(), true), "{running}: {plan:#}");
    }
    write(&stage, "null.sh", "exec python3 main.py < /dev/null\n");
    is_the_same(&stage, "python3 main.py", "sh null.sh");
}

#[test]
fn what_an_outer_script_sets_counts_for_the_inner_one() {
    let stage = stage_with("export NAME=bob\nexec ./inner.sh");
    write(&stage, "inner.sh", "#!/bin/sh\nexec python3 main.py --bot $NAME\n");
    is_the_same(&stage, "./start.sh", "NAME=alice ./start.sh");
    let (plan, is_found) =
        planned(&stage, "NAME=alice python3 main.py --bot alice", "NAME=alice ./start.sh");
    assert_eq!((&plan["verdict"], is_found), (&"clear".into(), false), "{plan:#}");
}

#[test]
fn a_script_that_only_sets_the_output_the_locale_or_the_time_zone_starts_the_same_bot() {
    for script in [
        "export TZ=UTC LANG=C.UTF-8 LC_ALL=C\nexec python3 main.py",
        "export PYTHONUNBUFFERED=1\nexport PYTHONDONTWRITEBYTECODE=1\npython3 main.py",
        "LOG_LEVEL=debug exec python3 main.py",
        "exec env TZ=UTC python3 main.py",
    ] {
        let stage = stage_with(script);
        is_the_same(&stage, "python3 main.py", "./start.sh");
        is_the_same(&stage, "./start.sh", "python3 main.py");
        is_the_same(&stage, "TZ=CET LANG=C LOG_LEVEL=info python3 main.py", "./start.sh");
        let stage = stage_with(&format!("export SLOT=1\n{script}"));
        is_in_doubt(&stage, "python3 main.py", "./start.sh", "SLOT");
    }
}

/// The script has ended, and its bot goes on.
#[test]
fn a_script_that_starts_one_bot_in_the_background_starts_the_same_bot_again() {
    for script in [
        "nohup python3 main.py > bot.log 2>&1 &\necho $! > bot.pid",
        "python3 main.py & echo $! >bot.pid; disown",
        "python3 main.py &\nPID=$!\ntrap \"kill $PID\" TERM INT\nwait $PID",
        "trap 'rm -f bot.pid' EXIT\npython3 main.py\necho done",
        "export VERSION=$(date +%s)\nexec python3 main.py",
    ] {
        let stage = stage_with(script);
        is_the_same(&stage, "./start.sh", "./start.sh");
        is_the_same(&stage, "python3 main.py", "./start.sh");
    }
    // Another program follows.
    for script in [
        "python3 main.py &\npython3 web.py",
        "python3 web.py &\nnohup python3 main.py &",
        "python3 main.py &\ntrap 'wait; python3 web.py' EXIT\nwait",
    ] {
        let stage = stage_with(script);
        write(&stage, "web.py", "import time\ntime.sleep(600)\n");
        let (plan, is_found) = planned(&stage, "python3 main.py", "./start.sh");
        assert_eq!((&plan["verdict"], is_found), (&"refuse".into(), true), "{script}: {plan:#}");
    }
    // The script chooses.
    let stage = stage_with("[ -f bob ] && cd bob\npython3 main.py &\necho $! > bot.pid");
    let (plan, is_found) = planned(&stage, "python3 main.py", "./start.sh");
    assert_eq!(plan["verdict"] == "refuse", is_found, "{plan:#}");
    assert_ne!(plan["verdict"], "act", "{plan:#}");
}

/// One of them may be no bot, although all have its token.
#[test]
fn what_a_script_starts_with_several_arguments_or_variables_is_in_doubt_with_my_token_too() {
    for (script, line) in [
        ("python3 main.py runserver &\npython3 main.py bot", "python3 main.py runserver"),
        ("python3 main.py runserver &\npython3 main.py bot &", "python3 main.py bot"),
        ("ROLE=web python3 main.py &\nROLE=bot python3 main.py", "ROLE=web python3 main.py"),
        ("env ROLE=web python3 main.py & python3 main.py", "ROLE=web python3 main.py"),
        ("python3 main.py $A &\npython3 main.py $B &\nwait", "python3 main.py runserver"),
        ("ROLE=$A python3 main.py &\nROLE=$B python3 main.py &\nwait", "ROLE=x python3 main.py"),
        ("ROLE=$A python3 main.py &\npython3 main.py &\nwait", "python3 main.py"),
        ("python3 main.py & ROLE=$(cat b) python3 main.py & wait", "ROLE=x python3 main.py"),
        (
            "export ROLE=$(cat a)\npython3 main.py &\n\
             export ROLE=$(cat b)\npython3 main.py &\nwait",
            "ROLE=x python3 main.py",
        ),
        (". ./a.env; python3 main.py & . ./b.env; python3 main.py & wait", "python3 main.py"),
        ("for r in web bot; do ROLE=$r python3 main.py & done; wait", "ROLE=web python3 main.py"),
    ] {
        let stage = stage_with(script);
        let mine = token();
        let with_token = running(&stage, line);
        let (process, pid) = bot(&stage, with_token.env("BOT_TOKEN", &mine), stage.folder());
        let plan = plan(start(&stage, &["plan"], "./start.sh").env("BOT_TOKEN", &mine));
        assert_eq!(plan["verdict"], "refuse", "{script}: {plan:#}");
        assert!(found(&plan).contains(&u64::from(pid)), "{script}: {plan:#}");
        end(&stage, process, pid);
    }
}
