//! Two usual ways to start one bot: an option that says what holds without it, or in another
//! spelling. Another value is still a doubt.

use monopoll_test_bots::stage::{Stage, is_alive};

use crate::almost_the_same::{Judged, judge};
use crate::other_bots::unnamed;
use crate::same_command::{JAVASCRIPT, PYTHON, bot, program, write};
use crate::script_variables::{is_the_same, planned};

fn javascript() -> Stage {
    let stage = Stage::new();
    write(&stage, "main.js", JAVASCRIPT);
    for name in ["", ".bob"] {
        write(&stage, &format!(".env{name}"), "PORT=1\n");
    }
    stage
}

#[track_caller]
fn is_in_doubt(stage: &Stage, running: &str, started: &str, words: &str) {
    for (running, started) in [(running, started), (started, running)] {
        match judge(stage, running, started, |it| it) {
            Judged::InDoubt(reason) => assert!(reason.contains(words), "{reason}"),
            other => panic!("{running} / {started}: {other:?}"),
        }
    }
}

#[test]
fn the_env_file_of_the_folder_is_that_of_no_option() {
    let stage = javascript();
    let whole = format!("node --env-file={}/.env main.js", stage.folder().display());
    let usual = [
        "node main.js",
        "node --env-file=.env main.js",
        "node --env-file ./.env main.js",
        "node --env-file-if-exists=.env main.js",
        &whole,
    ];
    for other in &usual[1..] {
        for (running, started) in [(usual[0], *other), (*other, usual[0]), (usual[1], *other)] {
            let judged = judge(&stage, running, started, |it| it);
            assert_eq!(judged, Judged::Same, "{running} / {started}");
        }
    }
    let whole = format!("node --env-file={}/.env.bob main.js", stage.folder().display());
    let if_exists = "node --env-file-if-exists=.env.bob main.js";
    for bob in ["node --env-file=.env.bob main.js", if_exists, &whole] {
        assert_eq!(judge(&stage, bob, if_exists, |it| it), Judged::Same, "{bob}");
        for other in &usual[..3] {
            is_in_doubt(&stage, bob, other, "another `--env-file`");
        }
    }
}

#[test]
fn an_option_with_one_dash_may_have_its_value_in_one_word_or_two() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    for name in ["a.yml", "b.yml"] {
        write(&stage, name, "");
    }
    let [one, two] = ["python3 main.py -config=a.yml", "python3 main.py -config a.yml"];
    for (running, started) in [(one, two), (two, one), (one, one)] {
        assert_eq!(judge(&stage, running, started, |it| it), Judged::Same, "{running}");
    }
    for other in ["python3 main.py -config=b.yml", "python3 main.py -config b.yml"] {
        assert_eq!(judge(&stage, other, one, |it| it), Judged::Different, "{other}");
    }
}

#[test]
fn production_that_a_script_sets_is_that_of_no_variable() {
    let stage = javascript();
    let scripts = r#"{"scripts": {"start": "NODE_ENV=production node main.js",
                                  "dev": "NODE_ENV=development node main.js"}}"#;
    write(&stage, "package.json", scripts);
    write(&stage, "start.sh", "#!/bin/sh\nexport NODE_ENV=production\nexec node main.js\n");
    write(&stage, "dev.sh", "#!/bin/sh\nexport NODE_ENV=development\nexec node main.js\n");
    let bare = "node main.js";
    for production in ["npm start", "./start.sh", "env NODE_ENV=production node main.js"] {
        is_the_same(&stage, bare, production);
        is_the_same(&stage, production, bare);
        for development in ["npm run dev", "./dev.sh"] {
            for (running, started) in [(production, development), (development, production)] {
                let (plan, _) = planned(&stage, running, started);
                assert_eq!(plan["verdict"], "refuse", "{running} / {started}: {plan:#}");
            }
        }
    }
    for development in ["npm run dev", "./dev.sh"] {
        for (running, started) in [(bare, development), (development, bare)] {
            let (plan, _) = planned(&stage, running, started);
            assert_eq!(plan["verdict"], "refuse", "{running} / {started}: {plan:#}");
        }
    }
    // A variable of a guessed name tells two bots apart with any value.
    let (plan, _) = planned(&stage, bare, "env BOT_ENV=production node main.js");
    assert_eq!(plan["verdict"], "refuse", "{plan:#}");
    // A guard of one takes over from the other.
    let (first, pid) = bot(&stage, program(&stage, "npm start"), stage.folder());
    let (_second, own) = bot(&stage, unnamed(&stage, &["run"], bare), stage.folder());
    assert!(!is_alive(pid) && is_alive(own));
    drop(first);
}
