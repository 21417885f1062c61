//! A bot of an older release, which a deploy has removed or left beside the new one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use monopoll_test_bots::stage::{Stage, token};
use serde_json::Value;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{bot, end, found, program, words, write};
use crate::start_scripts::near_misses;

fn script(stage: &Stage, release: &str) -> String {
    let folder = stage.folder().display();
    format!(
        "import os, time\nopen(f'{folder}/ready-{{os.getpid()}}', 'w').close()\n\
         time.sleep(600)  # {release}\n"
    )
}

/// Two releases, and a link that leads to the second one.
fn stage() -> Stage {
    let stage = Stage::new();
    for name in ["releases/1", "releases/2", "releases/alice", "releases/2/tests", "other/2"] {
        write(&stage, &format!("{name}/main.py"), &script(&stage, name));
        write(&stage, &format!("{name}/web.py"), &script(&stage, name));
    }
    symlink("releases/2", stage.folder().join("current")).unwrap();
    stage
}

/// Replaces `@` by the folder of the stage.
fn at(stage: &Stage, text: &str) -> String {
    text.replace('@', &stage.folder().display().to_string())
}

/// Returns the plan of a start while a bot runs, whose folder was removed since.
fn plan_after(
    stage: &Stage,
    running: (&str, &str),
    removed: Option<&str>,
    start: (&str, &str),
    bot_token: Option<&str>,
) -> (Value, u32) {
    let it = program(stage, &at(stage, running.1)).current_dir(at(stage, running.0));
    let it = it.env("PWD", at(stage, running.0));
    let it = if let Some(token) = bot_token { it.env("BOT_TOKEN", token) } else { it };
    let (process, pid) = bot(stage, it, stage.folder());
    if let Some(folder) = removed {
        fs::remove_dir_all(stage.folder().join(folder)).unwrap();
    }
    let words = words(&at(stage, start.1));
    let planned = unnamed(stage, &["plan"], &words[0]);
    let planned = words[1..].iter().fold(planned, |it, word| it.argument(word));
    let folder = at(stage, start.0);
    let planned = planned.current_dir(Path::new(&folder)).env("PWD", &folder);
    let planned =
        if let Some(token) = bot_token { planned.env("BOT_TOKEN", token) } else { planned };
    let seen = plan(planned);
    end(stage, process, pid);
    (seen, pid)
}

const OLD: [(&str, &str); 3] = [
    ("@/releases/1", "python3 main.py"),
    ("/", "python3 @/releases/1/main.py"),
    ("@/releases", "python3 1/main.py"),
];

#[test]
fn a_bot_of_a_release_that_was_removed_is_in_doubt() {
    for running in OLD {
        for start in [
            ("/", "python3 @/current/main.py"),
            ("@/current", "python3 main.py"),
            ("@/releases/2", "python3 main.py"),
            ("@", "python3 current/main.py"),
            ("@/current", "sh -c exec python3 main.py"),
        ] {
            for bot_token in [None, Some(token())] {
                let stage = stage();
                let removed = Some("releases/1");
                let (seen, pid) = plan_after(&stage, running, removed, start, bot_token.as_deref());
                assert_eq!(found(&seen), [u64::from(pid)], "{running:?} {start:?}: {seen:#}");
                let reason = refusal(&seen);
                let says = reason.contains("its script was removed")
                    && reason.contains("end it first (`kill");
                assert!(says, "{running:?} {start:?}: {reason}");
            }
        }
    }
}

#[test]
fn a_bot_of_a_release_that_is_still_there_is_a_near_miss() {
    for running in OLD {
        for start in [("/", "python3 @/current/main.py"), ("@/current", "python3 main.py")] {
            let stage = stage();
            let (seen, pid) = plan_after(&stage, running, None, start, None);
            assert_eq!(seen["verdict"], "clear", "{running:?} {start:?}: {seen:#}");
            assert!(
                near_misses(&seen).contains(&u64::from(pid)),
                "{running:?} {start:?}: {seen:#}"
            );
        }
    }
    // A removed folder that is named like no release.
    let stage = stage();
    let running = ("@/releases/alice", "python3 main.py");
    let start = ("@/releases/2", "python3 main.py");
    let (seen, pid) = plan_after(&stage, running, Some("releases/alice"), start, None);
    assert_eq!(seen["verdict"], "clear", "{seen:#}");
    assert!(near_misses(&seen).contains(&u64::from(pid)), "{seen:#}");
}

/// Root can read all folders, but no loop of links.
#[test]
fn a_release_that_cannot_be_read_was_not_removed() {
    let stage = stage();
    let (process, pid) =
        bot(&stage, program(&stage, &at(&stage, "python3 @/releases/1/main.py")), stage.folder());
    fs::remove_dir_all(stage.folder().join("releases/1")).unwrap();
    symlink("1", stage.folder().join("releases/1")).unwrap();
    let start = at(&stage, "@/current/main.py");
    let seen = plan(unnamed(&stage, &["plan"], "python3").argument(&start));
    assert_eq!(seen["verdict"], "clear", "{seen:#}");
    assert!(near_misses(&seen).contains(&u64::from(pid)), "{seen:#}");
    end(&stage, process, pid);
}

#[test]
fn another_script_of_a_release_or_one_elsewhere_is_left_alone() {
    let current = ("@/current", "python3 main.py");
    for (running, removed, start) in [
        (("@/releases/1", "python3 web.py"), Some("releases/1"), current),
        (("@/releases/1", "python3 main.py --debug"), Some("releases/1"), current),
        (("@/releases/2/tests", "python3 main.py"), Some("releases/2/tests"), current),
        (("@/other/2", "python3 main.py"), Some("other"), ("@/releases/1", "python3 main.py")),
        (("@/releases/1", "python3 main.py"), None, ("@/releases/2", "python3 main.py")),
    ] {
        let stage = stage();
        let (seen, pid) = plan_after(&stage, running, removed, start, None);
        let is_named =
            found(&seen).contains(&u64::from(pid)) || near_misses(&seen).contains(&u64::from(pid));
        assert!(!is_named, "{running:?} {start:?}: {seen:#}");
    }
}
