//! The interpreters of other languages than Python and JavaScript. `.ci/run` installs them.

use monopoll_test_bots::stage::Stage;

use crate::almost_the_same::{Judged, judge};
use crate::launchers::has;
use crate::project_launchers::RUBY;
use crate::same_command::{JAVASCRIPT, all_find_each_other, path, words, write};

/// Checks that these spellings are one command, and another one with an argument.
#[track_caller]
fn are_one_command(stage: &Stage, spellings: &[&str]) {
    let installed: Vec<&str> =
        spellings.iter().copied().filter(|line| has(&words(line)[0])).collect();
    let Some(first) = installed.first() else { return };
    all_find_each_other(stage, &installed, &path());
    for line in &installed {
        let judged = judge(stage, line, line, |it| it);
        assert_eq!(judged, Judged::Same, "{line}");
        let other = format!("{line} other");
        assert_eq!(judge(stage, first, &other, |it| it), Judged::Different, "{other}");
        assert_eq!(judge(stage, &other, first, |it| it), Judged::Different, "{other}");
    }
}

#[test]
fn every_shell_runs_the_same_script() {
    let stage = Stage::new();
    write(&stage, "bot.sh", "#!/bin/sh\n: > ready-$$\nsleep 600\n");
    let spellings = [
        "sh bot.sh",
        "dash ./bot.sh",
        "bash --norc bot.sh",
        "zsh -f bot.sh",
        "mksh bot.sh",
        "busybox ash bot.sh",
        "busybox sh bot.sh",
    ];
    are_one_command(&stage, &spellings);
}

#[test]
fn every_spelling_of_a_script_of_another_language_is_the_same_command() {
    let stage = Stage::new();
    write(&stage, "bot.rb", RUBY);
    let php = "<?php\nfile_put_contents('ready-' . getmypid(), '');\nsleep(600);\n";
    write(&stage, "bot.php", php);
    let lua = "local pid = io.open('/proc/self/stat'):read('*n')\n\
               io.open(string.format('ready-%d', pid), 'w'):close()\n\
               os.execute('sleep 600')\n";
    write(&stage, "bot.lua", lua);
    write(&stage, "main.js", JAVASCRIPT);
    are_one_command(&stage, &["ruby bot.rb", "ruby -w -Eutf-8 ./bot.rb"]);
    are_one_command(&stage, &["php bot.php", "php -q ./bot.php", "php -f bot.php"]);
    are_one_command(&stage, &["lua bot.lua", "lua -W ./bot.lua", "luajit -O3 bot.lua"]);
    are_one_command(&stage, &["node main.js", "nodejs main.js"]);
}
