//! What begins after a start without a guard: reported if it may be this bot.

use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, token};

use crate::other_bots::{behind_a_proxy, unnamed};
use crate::same_command::{PYTHON, bot, program, write};

const MAY_BE: &str = "it began after this bot, so two pollers may be running";

fn main_py() -> Stage {
    let stage = Stage::new();
    for name in ["main.py", "other.py", "elsewhere/main.py"] {
        write(&stage, name, PYTHON);
    }
    stage
}

#[track_caller]
fn starts<'a>(stage: &'a Stage, start: Start<'a>) -> (Running<'a>, u32) {
    bot(stage, start, stage.folder())
}

#[test]
fn one_in_doubt_is_reported_and_what_is_no_copy_is_not() {
    let stage = main_py();
    let (mine, other, third) = (token(), token(), token());
    let start = |args: &[&str], line: &str| behind_a_proxy(unnamed(&stage, args, line), &mine);
    let (guard, own) = starts(&stage, start(&["run"], "python3 main.py"));
    let plain = |line: &str| program(&stage, line);
    let elsewhere = stage.folder().join("elsewhere");
    let (_running, later): (Vec<Running<'_>>, Vec<u32>) = [
        starts(&stage, plain("python3 other.py")),
        starts(&stage, behind_a_proxy(plain("python3 other.py"), &mine)),
        starts(&stage, plain("python3 main.py").env("BOT_TOKEN", &other)),
        starts(&stage, behind_a_proxy(unnamed(&stage, &["run"], "python3 main.py"), &third)),
        bot(&stage, plain("python3 main.py").current_dir(&elsewhere), &elsewhere),
    ]
    .into_iter()
    .unzip();
    let (_doubtful, pid) = starts(&stage, plain("python3 main.py").env("BOT_ENV", "bob"));
    guard.wait_for(MAY_BE);
    let said = guard.stderr();
    let about = format!("(pid {pid}) may be another bot's: it has another value of $BOT_ENV");
    let reports: Vec<&str> = said.lines().filter(|line| line.contains("began after")).collect();
    assert!(reports.len() == 1 && reports[0].contains(&about), "{said}");
    assert!(is_alive(own) && later.into_iter().all(is_alive) && is_alive(pid));
}

#[test]
fn one_that_a_rule_ignores_is_not_reported() {
    let stage = main_py();
    let rule = "[[rules]]\naction = \"ignore\"\nwhen.found_by = \"command\"\n";
    let start = unnamed(&stage, &["run"], "python3 main.py").config(rule);
    let (guard, _) = starts(&stage, start);
    let (_ignored, _) = starts(&stage, program(&stage, "python3 main.py"));
    let doubtful = program(&stage, "python3 -u main.py").env("BOT_ENV", "bob");
    let (_doubtful, pid) = starts(&stage, doubtful);
    guard.wait_for(MAY_BE);
    let said = guard.stderr();
    assert!(said.matches("began after").count() == 1, "{said}");
    assert!(said.contains(&format!("(pid {pid}) may be another bot's")), "{said}");
}
