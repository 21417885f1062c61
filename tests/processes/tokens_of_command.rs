//! COMMAND has the token in its own words, or reads it from a file that its script or option names:
//! the identical command is this bot, and one with another token is another bot.

use monopoll_test_bots::stage::{Running, SECRET, Stage, Start, is_alive, token};

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{JAVASCRIPT, PYTHON, bot, end, path, program, write};

fn stage_with(token: &str) -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "main.js", JAVASCRIPT);
    // As they hand the variables of the file to their child.
    for (name, count) in [("dotenv", 3), ("env-cmd", 2)] {
        let text =
            format!("#!/bin/sh\nset -a; . \"$PWD/$2\"; set +a; shift {count}\nexec \"$@\"\n");
        write(&stage, &format!("bin/{name}"), &text);
    }
    write(&stage, ".env.production", &format!("BOT_TOKEN={token}\n"));
    write(&stage, "token.txt", &format!("{token}\n"));
    for (name, line) in [
        ("source", ". ./.env.production; export BOT_TOKEN"),
        ("set", "set -a; . ./.env.production; set +a"),
        ("grep", "export $(grep -v '^#' .env.production | xargs)"),
        ("cat", "export BOT_TOKEN=\"$(cat token.txt)\""),
        ("test", "set -a\n[ -f .env.production ] && . ./.env.production\nset +a"),
        ("if", "if [ -z \"$NONE\" ]; then set -a; . ./.env.production; fi"),
    ] {
        write(&stage, &format!("{name}.sh"), &format!("#!/bin/sh\n{line}\nexec python3 main.py\n"));
    }
    stage
}

fn with_path<'a>(stage: &Stage, start: Start<'a>) -> Start<'a> {
    start.env("PATH", format!("{}:{}", stage.folder().join("bin").display(), path()))
}

fn start<'a>(stage: &'a Stage, line: &str) -> (Running<'a>, u32) {
    bot(stage, with_path(stage, program(stage, line)), stage.folder())
}

const BY_FILE: [&str; 7] = [
    "./source.sh",
    "./set.sh",
    "./grep.sh",
    "./cat.sh",
    "./test.sh",
    "dotenv -e .env.production -- node main.js",
    "env-cmd -f .env.production node main.js",
];

#[test]
fn the_identical_command_with_the_token_that_it_reads_or_has_is_taken_over() {
    let token = token();
    let stage = stage_with(&token);
    let by_words = [format!("python3 main.py --token {token}"), format!("node main.js {token}")];
    for line in by_words.iter().map(String::as_str).chain(BY_FILE) {
        for name in [&[][..], &["--instance", "voice"]] {
            let (running, pid) = start(&stage, line);
            let run = with_path(&stage, unnamed(&stage, &[name, &["run"]].concat(), line));
            let run = run.set("limits.max_takeovers=30");
            let (guard, own) = bot(&stage, run, stage.folder());
            assert!(!is_alive(pid) && is_alive(own), "{line}");
            assert!(!guard.stderr().contains(SECRET), "{line}");
            end(&stage, guard, own);
            drop(running);
        }
    }
}

#[test]
fn the_same_script_with_a_token_of_another_bot_is_left_alone() {
    let tokens = [token(), token()];
    let stage = stage_with(&tokens[0]);
    let files = |token: &str| {
        write(&stage, ".env.production", &format!("BOT_TOKEN={token}\n"));
        write(&stage, "token.txt", &format!("{token}\n"));
    };
    for line in BY_FILE {
        files(&tokens[0]);
        let (running, pid) = start(&stage, line);
        files(&tokens[1]);
        let seen = plan(with_path(&stage, unnamed(&stage, &["plan"], line)));
        assert_eq!(seen["verdict"], "clear", "{line}: {seen:#}");
        let id = tokens[1].split(':').next().unwrap();
        assert_eq!(seen["instance"], format!("bot{id}"), "{line}: {seen:#}");
        assert!(is_alive(pid));
        end(&stage, running, pid);
    }
}

/// A condition may choose another file, so nothing says which token COMMAND gets.
#[test]
fn a_file_that_a_script_reads_only_in_one_case_says_nothing() {
    let token = token();
    let stage = stage_with(&token);
    let (running, pid) = start(&stage, "./if.sh");
    let seen = plan(unnamed(&stage, &["plan"], "./if.sh"));
    assert!(refusal(&seen).contains("no bot token is set here"), "{seen:#}");
    assert!(is_alive(pid));
    end(&stage, running, pid);
}

#[test]
fn a_file_that_a_script_writes_first_says_nothing() {
    let (alice, bob) = (token(), token());
    let stage = stage_with(&alice);
    for (name, token) in [("alice", &alice), ("bob", &bob)] {
        write(&stage, &format!("envs/{name}"), &format!("BOT_TOKEN={token}\n"));
    }
    let script = "#!/bin/sh\ncp envs/$1 run.env\nset -a; . ./run.env; set +a\n\
                  exec python3 main.py\n";
    write(&stage, "start.sh", script);
    let (running, pid) = start(&stage, "./start.sh alice");
    let refused = plan(unnamed(&stage, &["plan"], "./start.sh bob"));
    refusal(&refused);
    assert!(is_alive(pid));
    end(&stage, running, pid);
}

/// As cron and systemd start it.
#[test]
fn the_token_in_the_folder_that_command_enters_is_that_of_the_bot() {
    let [mine, another] = [token(), token()];
    for in_file in [&mine, &another] {
        let stage = Stage::new();
        write(&stage, "main.py", PYTHON);
        write(&stage, "start.sh", "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nexec python3 main.py\n");
        write(&stage, ".env", &format!("BOT_TOKEN={in_file}\n"));
        write(&stage, "elsewhere/.keep", "");
        let start = program(&stage, "python3 main.py").env("BOT_TOKEN", &mine);
        let (running, pid) = bot(&stage, start, stage.folder());
        let folder = stage.folder().display().to_string();
        let elsewhere = stage.folder().join("elsewhere");
        let in_shell = ["sh", "bash"].map(|shell| {
            let line = format!("cd {folder} && exec python3 main.py");
            vec![shell.to_owned(), "-c".to_owned(), line]
        });
        let lines = in_shell.into_iter().chain([vec![format!("{folder}/start.sh")]]);
        for words in lines {
            let args = ["plan", "--json", "--on-conflict", "graceful", "--"];
            let start = words.iter().fold(stage.monopoll(&args), |it, word| it.argument(word));
            let seen = plan(start.current_dir(&elsewhere));
            let expected = if in_file == &mine { "act" } else { "clear" };
            assert_eq!(seen["verdict"], expected, "{words:?}: {seen:#}");
        }
        end(&stage, running, pid);
    }
}
