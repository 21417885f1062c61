//! A start script that asks on its standard input which bot it starts: `./run.sh` may be that of
//! another answer. A question that chooses no bot is no doubt.

use std::fs;

use monopoll_test_bots::stage::{Stage, Start, is_alive};

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, program, write};

const DOUBT: &str = "reads its standard input, and the answer may choose another bot";

/// Scripts that choose bot 2 by the answer, and the folder in which it then runs.
const CHOOSING: [(&str, &str); 16] = [
    ("read -p 'Which bot? ' BOT\ncd \"$BOT\"\npython3 main.py", "2"),
    ("read -r BOT\npython3 main.py $BOT", ""),
    ("read -p'Bot token' BOT\ncd \"$BOT\"\npython3 main.py", "2"),
    ("IFS= read -r BOT\nexport BOT\npython3 main.py", ""),
    ("set -a\nread -r BOT\npython3 main.py", ""),
    ("select BOT in 1 2; do cd $BOT; python3 main.py; break; done", "2"),
    (
        "while true; do read n; case $n in \
         1) (cd 1; python3 main.py);; 2) (cd 2; python3 main.py);; esac; done",
        "2",
    ),
    ("read -r n\nif [ \"$n\" = 2 ]; then BOT=bob; else BOT=alice; fi\npython3 main.py $BOT", ""),
    ("read -r n\n[[ $n == 2 ]] && cd 2 || cd 1\npython3 main.py", "2"),
    ("read -p 'Bot: '\ncp $REPLY/config.json config.json\npython3 main.py", ""),
    ("case $(read x; echo $x) in 2) cd 2;; *) cd 1;; esac\npython3 main.py", "2"),
    ("BOT=$(head -n 1)\ncd \"$BOT\"\npython3 main.py", "2"),
    ("ask() { read -r BOT; }\nask\ncd $BOT && python3 main.py", "2"),
    ("mapfile -n 1 -t BOTS\ncd \"${BOTS[0]}\"\npython3 main.py", "2"),
    ("read -r n\n(( n == 2 )) && cd 2\npython3 main.py", "2"),
    (". ./ask.sh\ncd \"$BOT\"\npython3 main.py", "2"),
];

const HARMLESS: [&str; 13] = [
    "read -p 'Press Enter to start'\npython3 main.py",
    "read -r _\npython3 main.py",
    "read -n 1 -s -r -p 'Press any key' key\necho\npython3 main.py",
    "while read -r line; do echo \"$line\"; done < names.txt\npython3 main.py",
    "while read -r name value; do export \"$name=$value\"; done < names.txt\npython3 main.py",
    "cat names.txt | while read -r line; do echo $line; done\npython3 main.py",
    "read -r VERSION < names.txt\npython3 main.py --version $VERSION",
    "IFS=. read -r A B <<< 1.2\npython3 main.py $A",
    "exec 3< names.txt\nread -ru 3 A\npython3 main.py $A",
    "exec < names.txt\nread -r A\npython3 main.py $A",
    "read -p 'Update? ' yn\nif [ \"$yn\" = y ]; then git pull; fi\npython3 main.py",
    "read -p 'Start? ' yn\n[ \"$yn\" = n ] && exit 0\npython3 main.py",
    "python3 main.py\nread -p 'Press Enter to close' key",
];

fn stage_with(script: &str) -> Stage {
    let stage = Stage::new();
    for folder in ["1/", "2/", ""] {
        write(&stage, &format!("{folder}main.py"), PYTHON);
        write(&stage, &format!("{folder}config.json"), "{}");
    }
    write(&stage, "names.txt", "A=1\n");
    write(&stage, "ask.sh", "read -p 'Which bot? ' BOT\n");
    write(&stage, "run.sh", &format!("#!/bin/bash\n{script}\n"));
    stage
}

fn answered<'a>(start: Start<'a>, stage: &Stage) -> Start<'a> {
    start.stdin_text("2\n").env("PWD", stage.folder())
}

#[test]
fn a_script_that_asks_for_the_bot_does_not_end_the_one_of_another_answer() {
    for (script, folder) in CHOOSING {
        let stage = stage_with(script);
        let folder = fs::canonicalize(stage.folder().join(folder)).unwrap();
        for line in ["./run.sh", "bash run.sh"] {
            let (running, pid) = bot(&stage, answered(program(&stage, line), &stage), &folder);
            let seen = plan(unnamed(&stage, &["plan"], "./run.sh").env("PWD", stage.folder()));
            assert!(refusal(&seen).contains(DOUBT), "{script} / {line}: {seen:#}");
            assert!(found(&seen).contains(&u64::from(pid)), "{script} / {line}: {seen:#}");
            end(&stage, running, pid);
        }
    }
}

#[test]
fn a_question_that_chooses_no_bot_leaves_no_doubt() {
    for script in HARMLESS {
        let stage = stage_with(script);
        let (running, pid) =
            bot(&stage, answered(program(&stage, "./run.sh"), &stage), stage.folder());
        let seen = plan(unnamed(&stage, &["plan"], "./run.sh").env("PWD", stage.folder()));
        assert_eq!(seen["verdict"], "act", "{script}: {seen:#}");
        assert!(found(&seen).contains(&u64::from(pid)), "{script}: {seen:#}");
        end(&stage, running, pid);
    }
}

#[test]
fn a_question_in_a_line_of_code_or_in_an_inner_script_leaves_a_doubt_too() {
    let code = "read -r BOT; cd $BOT; python3 main.py";
    let stage = stage_with(code);
    let second = stage.folder().join("2");
    let by_code = answered(stage.program("bash", &["-c", code]), &stage);
    let (running, pid) = bot(&stage, by_code, &second);
    let seen = plan(unnamed(&stage, &["plan"], "bash -c").argument(code));
    assert_ne!(seen["verdict"], "act", "{seen:#}");
    end(&stage, running, pid);
    write(&stage, "outer.sh", "#!/bin/bash\n./run.sh\necho ended\n");
    let (running, pid) = bot(&stage, answered(program(&stage, "./outer.sh"), &stage), &second);
    let seen = plan(unnamed(&stage, &["plan"], "./outer.sh"));
    assert!(refusal(&seen).contains(DOUBT), "{seen:#}");
    end(&stage, running, pid);
    write(&stage, "Makefile", "run:\n\t@read -r BOT; cd $$BOT; python3 main.py\n");
    let (running, pid) = bot(&stage, answered(program(&stage, "make run"), &stage), &second);
    let seen = plan(unnamed(&stage, &["plan"], "make run"));
    assert_ne!(seen["verdict"], "act", "{seen:#}");
    end(&stage, running, pid);
}

#[test]
fn a_guard_with_a_guessed_name_does_not_end_the_bot_of_another_answer() {
    let stage = stage_with(CHOOSING[0].0);
    let second = stage.folder().join("2");
    let start = |args: &[&str]| answered(unnamed(&stage, args, "./run.sh"), &stage);
    let (guard, pid) = bot(&stage, start(&["run"]), &second);
    let refused = start(&["run"]).end().exits(75);
    assert!(refused.err.contains(DOUBT), "{refused:?}");
    assert!(is_alive(pid) && guard.is_alive());
    let stopped = start(&["stop"]).end().exits(0);
    assert!(!is_alive(pid), "{stopped:?}");
    drop(guard);
    // A given name says that it is one bot.
    let named = |args: &[&str]| start(args).set("instance=two");
    let (first, pid) = bot(&stage, named(&["run"]), &second);
    let (_second, own) = bot(&stage, named(&["run"]), &second);
    assert!(!is_alive(pid) && is_alive(own));
    drop(first);
}
