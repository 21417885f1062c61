//! The same script from another folder: in doubt where the folders are those of ordinary set-ups,
//! such as cron beside a terminal, and else a near miss.

use std::path::{Path, PathBuf};

use monopoll_test_bots::programs;
use monopoll_test_bots::stage::{Stage, Start, is_alive, token};
use serde_json::Value;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, program, words, write};
use crate::start_scripts::near_misses;

/// Starts a command in a folder as cron would, which sets no `$PWD` of its own.
fn within<'a>(start: Start<'a>, folder: &Path) -> Start<'a> {
    start.current_dir(folder).env("PWD", "/")
}

/// A script that reports below the stage, whatever its folder is.
pub(crate) fn script(stage: &Stage, enters: &str) -> String {
    let folder = stage.folder().display();
    format!(
        "#!/usr/bin/env python3\nimport os, time\n{enters}\n\
         open(f'{folder}/ready-{{os.getpid()}}', 'w').close()\ntime.sleep(600)\n"
    )
}

fn stage() -> Stage {
    let stage = Stage::new();
    write(&stage, "bot/main.py", &script(&stage, ""));
    for file in ["bot/a.toml", "alice/data", "bob/data"] {
        write(&stage, file, "");
    }
    stage
}

/// Replaces `@` by the folder of the stage.
fn at(stage: &Stage, text: &str) -> String {
    text.replace('@', &stage.folder().display().to_string())
}

fn folder(stage: &Stage, text: &str) -> PathBuf {
    PathBuf::from(at(stage, text))
}

/// Returns the plan of a start in one folder beside a bot in another one.
pub(crate) fn plan_beside(
    stage: &Stage,
    running: (&str, &str),
    start: (&str, &str),
) -> (Value, u32) {
    let it = within(program(stage, &at(stage, running.1)), &folder(stage, running.0));
    let (process, pid) = bot(stage, it, stage.folder());
    let words = words(&at(stage, start.1));
    let planned = unnamed(stage, &["plan"], &words[0]);
    let planned = words[1..].iter().fold(planned, |it, word| it.argument(word));
    let seen = plan(within(planned, &folder(stage, start.0)));
    end(stage, process, pid);
    (seen, pid)
}

#[test]
fn one_script_from_its_own_folder_and_from_another_is_in_doubt() {
    let stage = stage();
    for pair in [
        [("@/bot", "python3 main.py"), ("/", "python3 @/bot/main.py")],
        [("@/bot", "python3 main.py"), ("@", "python3 bot/main.py")],
        [("@/bot", "python3 main.py"), ("@", "python3 -m bot.main")],
        [("@/bot", "python3 main.py --all"), ("/", "python3 @/bot/main.py --all")],
        [("@/bot", "python3 main.py"), ("@", "sh -c cd / && exec python3 @/bot/main.py")],
        [("@", "python3 bot/main.py"), ("/", "python3 @/bot/main.py")],
        [("@/bot", "./main.py"), ("/", "@/bot/main.py")],
    ] {
        for (running, start) in [(pair[0], pair[1]), (pair[1], pair[0])] {
            let (seen, pid) = plan_beside(&stage, running, start);
            let reason = refusal(&seen);
            assert!(
                reason.contains("the same script from another folder")
                    && reason.contains("end it first (`kill"),
                "{running:?} {start:?}: {seen:#}"
            );
            assert_eq!(found(&seen), [u64::from(pid)], "{running:?} {start:?}: {seen:#}");
        }
    }
}

/// The folder may choose the bot, or the file that an argument names.
#[test]
fn one_script_from_two_other_folders_or_with_a_relative_argument_is_a_near_miss() {
    let stage = stage();
    write(&stage, "copy/main.py", &script(&stage, ""));
    for (running, start) in [
        (("@/alice", "python3 ../bot/main.py"), ("@/bob", "python3 ../bot/main.py")),
        (("@/alice", "python3 @/bot/main.py"), ("/", "python3 @/bot/main.py")),
        (("/", "python3 @/bot/main.py a.toml"), ("@/bot", "python3 main.py a.toml")),
        (
            ("/", "python3 @/bot/main.py --config=a.toml"),
            ("@/bot", "python3 main.py --config a.toml"),
        ),
        (("@/copy", "python3 main.py"), ("@/bot", "python3 main.py")),
        (("@/bot", "python3 main.py --debug"), ("@/bot", "python3 main.py")),
    ] {
        let (seen, pid) = plan_beside(&stage, running, start);
        assert_eq!(seen["verdict"], "clear", "{running:?} {start:?}: {seen:#}");
        assert!(near_misses(&seen).contains(&u64::from(pid)), "{running:?} {start:?}: {seen:#}");
    }
    let (seen, _) =
        plan_beside(&stage, ("/", "python3 @/bot/main.py --debug"), ("@/bot", "python3 main.py"));
    assert_eq!((&seen["verdict"], found(&seen)), (&"clear".into(), vec![]), "{seen:#}");
}

#[test]
fn a_bot_that_enters_the_folder_of_its_script_is_in_doubt_without_its_pwd() {
    let stage = Stage::new();
    let enters = "os.chdir(os.path.dirname(os.path.abspath(__file__)))";
    write(&stage, "src/main.py", &script(&stage, enters));
    write(&stage, "up.py", &script(&stage, "os.chdir('..')"));
    write(&stage, "other/up.py", &script(&stage, ""));
    for (line, start) in [
        ("python3 src/main.py", ("@", "python3 src/main.py")),
        ("python3 up.py", ("@", "python3 up.py")),
        ("python3 src/main.py", ("@", "python3 -m src.main")),
    ] {
        // A version manager's shim is a shell, which would correct `$PWD`.
        let running = line.replace("python3", "/usr/bin/python3");
        let (seen, pid) = plan_beside(&stage, ("@", &running), start);
        assert!(refusal(&seen).contains("from another folder"), "{line}: {seen:#}");
        assert_eq!(found(&seen), [u64::from(pid)], "{line}: {seen:#}");
    }
    let (seen, _) =
        plan_beside(&stage, ("@", "/usr/bin/python3 up.py"), ("@/other", "python3 up.py"));
    assert_eq!((&seen["verdict"], found(&seen)), (&"clear".into(), vec![]), "{seen:#}");
}

#[test]
fn the_token_or_the_guard_of_a_bot_in_another_folder_says_whose_it_is() {
    let stage = stage();
    let mine = token();
    let absolute = at(&stage, "python3 @/bot/main.py");
    let (root, home) = (Path::new("/"), folder(&stage, "@/bot"));
    let with_token = within(program(&stage, &absolute), root).env("BOT_TOKEN", &mine);
    let (running, pid) = bot(&stage, with_token, stage.folder());
    let start = |token: &str| {
        plan(within(unnamed(&stage, &["plan"], "python3 main.py"), &home).env("BOT_TOKEN", token))
    };
    let seen = start(&mine);
    assert_eq!((&seen["verdict"], found(&seen)), (&"act".into(), vec![u64::from(pid)]), "{seen:#}");
    assert_eq!(start(&token())["verdict"], "clear");
    end(&stage, running, pid);

    // A guard from cron.
    let guard = within(unnamed(&stage, &["run"], &absolute), root);
    let (guard, pid) = bot(&stage, guard, stage.folder());
    within(unnamed(&stage, &["run"], "python3 main.py"), &home).end().exits(75);
    assert!(is_alive(pid));
    let (_again, _) =
        bot(&stage, within(unnamed(&stage, &["run"], &absolute), root), stage.folder());
    assert!(!is_alive(pid));
    guard.end().exits(0);
}

#[test]
fn a_refusal_beside_a_guard_names_the_stop_that_ends_it() {
    let stage = stage();
    let absolute = at(&stage, "python3 @/bot/main.py");
    let (root, home) = (Path::new("/"), folder(&stage, "@/bot"));
    let (guard, pid) =
        bot(&stage, within(unnamed(&stage, &["run"], &absolute), root), stage.folder());
    let refused = within(unnamed(&stage, &["run"], &absolute), &home).end().exits(75);
    let explained = within(unnamed(&stage, &["explain"], &absolute), &home).end();
    let stop = "or end it with `monopoll stop --instance ";
    for text in [&refused.err, &explained.out] {
        assert!(text.contains(&format!("{stop}main.py-")), "{text}");
        assert!(!text.contains("end it first (`kill"), "{text}");
    }
    let name = refused.err.split(stop).nth(1).unwrap().split('`').next().unwrap();
    let name = format!("--instance={name}");
    let lock = format!("lock.paths=[\"{}/{{instance}}.lock\"]", stage.locks().display());
    let stop = stage.program(programs::monopoll(), &["stop", &name]).set(&lock);
    within(stop, root).end().exits(0);
    assert!(!is_alive(pid));
    guard.end().exits(0);
    let (_bot, _) =
        bot(&stage, within(unnamed(&stage, &["run"], &absolute), &home), stage.folder());
}

#[test]
fn an_option_with_its_value_in_one_word_or_in_two_is_the_same() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let spellings = ["python3 main.py --config a.toml -v", "python3 main.py --config=a.toml -v"];
    for (running, started) in [(0, 1), (1, 0)] {
        let (process, pid) = bot(&stage, program(&stage, spellings[running]), stage.folder());
        let seen = plan(unnamed(&stage, &["plan"], spellings[started]));
        assert_eq!((&seen["verdict"], found(&seen)), (&"act".into(), vec![u64::from(pid)]));
        let other = plan(unnamed(&stage, &["plan"], "python3 main.py --config=b.toml -v"));
        assert_eq!((&other["verdict"], found(&other)), (&"clear".into(), vec![]), "{other:#}");
        end(&stage, process, pid);
    }
}

#[test]
fn the_folder_that_node_is_given_is_in_doubt_beside_its_main_file() {
    let stage = Stage::new();
    let folder = stage.folder().display();
    let ready = format!("`{folder}/ready-${{process.pid}}`");
    let script =
        format!("require('fs').writeFileSync({ready}, '');\nsetTimeout(() => {{}}, 600000);\n");
    write(&stage, "bot/index.js", &script);
    write(&stage, "elsewhere/x", "");
    let from_elsewhere = ("@/elsewhere", "node @/bot");
    for main in ["node index.js", "node .", "node index"] {
        for (running, start) in
            [(from_elsewhere, ("@/bot", main)), (("@/bot", main), from_elsewhere)]
        {
            let (seen, pid) = plan_beside(&stage, running, start);
            assert_eq!(found(&seen), [u64::from(pid)], "{running:?} {start:?}: {seen:#}");
            assert!(refusal(&seen).contains("from another folder"), "{seen:#}");
        }
    }
}
