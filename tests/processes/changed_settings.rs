//! Settings that are switched while the old bot runs, which shows no token: by a link, or by a copy
//! from a folder with the settings of several bots.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use monopoll_test_bots::stage::{Stage, is_alive, token};

use crate::changed_env_files::wait_until_dotenv_is_old;
use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, program, write};

/// What happens to the settings after the start of a bot.
type Change = fn(&Stage);

/// Makes a link in one step.
fn link(stage: &Stage, name: &str, target: &str) {
    let new = stage.folder().join("new");
    symlink(target, &new).unwrap();
    fs::rename(new, stage.folder().join(name)).unwrap();
}

/// Returns a folder with the settings of two bots and a link to those of alice, which is old.
fn stage_with(name: &str, [alice, bob]: [&str; 2]) -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    for (file, bot) in [(alice, "alice"), (bob, "bob")] {
        if Path::new(file).extension().is_some() || !file.ends_with('/') {
            write(&stage, file, &format!("bot: {bot}\n"));
        } else {
            write(&stage, &format!("{file}config.json"), &format!("bot: {bot}\n"));
        }
    }
    link(&stage, name, alice.trim_end_matches('/'));
    link(&stage, ".env", "/dev/null");
    wait_until_dotenv_is_old(&stage);
    stage
}

const LINE: &str = "python3 main.py";

#[test]
fn a_bot_that_ran_before_a_link_to_settings_was_changed_is_in_doubt() {
    for (name, files, line) in [
        ("config.json", ["configs/alice.json", "configs/bob.json"], LINE),
        ("bot.toml", ["bot.alice.toml", "bot.bob.toml"], LINE),
        ("settings.yaml", ["bots/alice/settings.yaml", "bots/bob/settings.yaml"], LINE),
        ("config", ["configs/alice/", "configs/bob/"], LINE),
        ("current", ["alice.txt", "bob.txt"], "python3 main.py --bot=current"),
    ] {
        let stage = stage_with(name, files);
        let (running, pid) = bot(&stage, program(&stage, line), stage.folder());
        let own = plan(unnamed(&stage, &["plan"], line));
        assert_eq!(own["conflicts"][0]["action"], "graceful", "{name}: {own:#}");
        link(&stage, name, files[1].trim_end_matches('/'));
        let seen = unnamed(&stage, &["run"], line).end().exits(75);
        let at = |file: &str| stage.folder().join(file.trim_end_matches('/')).display().to_string();
        for words in [
            format!("may have read `{}` before that link was changed", at(name)),
            format!("to lead to `{}`, when it may have led to `{}`", at(files[1]), at(files[0])),
            "if it is this bot, end it first (`kill".to_owned(),
        ] {
            assert!(seen.err.contains(&words), "{name}: {words}: {seen:?}");
        }
        assert!(running.is_alive() && is_alive(pid), "{name}");
        end(&stage, running, pid);
        // What starts now reads the new settings, and so does a bot below a guard.
        let (guard, pid) = bot(&stage, unnamed(&stage, &["run"], line), stage.folder());
        link(&stage, name, files[0].trim_end_matches('/'));
        let (_new, own) = bot(&stage, unnamed(&stage, &["run"], line), stage.folder());
        assert!(!is_alive(pid) && is_alive(own), "{name}");
        drop(guard);
    }
}

#[test]
fn a_plain_edit_of_settings_or_a_link_that_says_nothing_is_no_doubt() {
    let change: [(&str, Change); 6] = [
        ("edit", |stage| write(stage, "config.json", "bot: alice\nworkers: 2\n")),
        ("edit behind the link", |stage| write(stage, "configs/bob.json", "bot: bob\nx: 1\n")),
        // The link of a deploy, beside other files and its backup.
        ("shared", |stage| link(stage, "shared.json", "shared/shared.json")),
        ("only one", |stage| link(stage, "one.toml", "only/one-of-this-kind.toml")),
        ("other purpose", |stage| link(stage, "app.json", "prod.app.json")),
        ("link to the program", |stage| link(stage, "bot.bin", "bot.bin.2")),
    ];
    for (name, change) in change {
        let stage = stage_with("linked.json", ["configs/alice.json", "configs/bob.json"]);
        for (file, text) in [
            ("config.json", "bot: alice\n"),
            ("shared/shared.json", "{}"),
            ("shared/shared.json.bak", "{}"),
            ("releases/1/x.json", "{}"),
            ("only/one-of-this-kind.toml", ""),
            ("only/one.example.toml", "x = 1"),
            ("prod.app.json", "{}"),
            ("package.json", "{ }"),
            ("bot.bin.1", "1"),
            ("bot.bin.2", "2"),
        ] {
            write(&stage, file, text);
        }
        let (running, pid) = bot(&stage, program(&stage, LINE), stage.folder());
        change(&stage);
        let run = unnamed(&stage, &["run"], LINE);
        let (guard, _) = bot(&stage, run, stage.folder());
        assert!(!is_alive(pid) && guard.is_alive(), "{name}");
        drop(running);
    }
}

#[test]
fn files_with_the_token_of_one_bot_are_no_doubt() {
    let mine = token();
    let stage = stage_with("config.env", ["configs/a.env", "configs/b.env"]);
    for (name, more) in [("a", ""), ("b", "WORKERS=2\n")] {
        write(&stage, &format!("configs/{name}.env"), &format!("BOT_TOKEN={mine}\n{more}"));
    }
    let (running, pid) = bot(&stage, program(&stage, LINE), stage.folder());
    link(&stage, "config.env", "configs/b.env");
    let seen = plan(unnamed(&stage, &["plan"], LINE));
    assert_eq!(seen["conflicts"][0]["action"], "graceful", "{seen:#}");
    write(&stage, "configs/a.env", &format!("BOT_TOKEN={}\n", token()));
    assert!(refusal(&plan(unnamed(&stage, &["plan"], LINE))).contains("that link was changed"));
    end(&stage, running, pid);
}

/// `cp envs/bob .env`: their names have no `env`, but their folder has.
#[test]
fn a_copy_from_a_folder_of_env_files_is_a_switch_too() {
    for folder in ["envs", "configs"] {
        let (stage, tokens) = (Stage::new(), [token(), token()]);
        write(&stage, "main.py", PYTHON);
        for (name, token) in ["alice", "bob"].iter().zip(&tokens) {
            write(&stage, &format!("{folder}/{name}"), &format!("BOT_TOKEN={token}\n"));
        }
        let copy = |name: &str| {
            let from = stage.folder().join(folder).join(name);
            fs::copy(from, stage.folder().join(".env")).unwrap();
        };
        copy("alice");
        wait_until_dotenv_is_old(&stage);
        let (running, pid) = bot(&stage, program(&stage, LINE), stage.folder());
        let own = plan(unnamed(&stage, &["plan"], LINE));
        assert_eq!(own["conflicts"][0]["action"], "graceful", "{own:#}");
        copy("bob");
        let seen = unnamed(&stage, &["run"], LINE).end().exits(75);
        assert!(seen.err.contains("before the last change of that file"), "{seen:?}");
        assert!(seen.err.contains(&format!("{folder}/alice:1`")), "{seen:?}");
        assert!(running.is_alive() && is_alive(pid));
        end(&stage, running, pid);
    }
}

/// An entry of `[[match]]` may cover the folders of two bots, which read their tokens themselves.
#[test]
fn what_an_entry_finds_in_a_folder_whose_env_file_names_another_bot_is_in_doubt() {
    let (stage, tokens) = (Stage::new(), [token(), token()]);
    for (name, token) in ["alice", "bob"].iter().zip(&tokens) {
        write(&stage, &format!("{name}/src/main.py"), PYTHON);
        write(&stage, &format!("{name}/.env"), &format!("BOT_TOKEN={token}\n"));
    }
    let folder = |name: &str| stage.folder().join(name);
    fs::create_dir(folder("other")).unwrap();
    let config = "[[match]]\ncmdline = 'main\\.py'\ncwd = '@/**'\n"
        .replace('@', &stage.folder().display().to_string());
    let start = |args: &[&str]| {
        unnamed(&stage, args, "python3 ./src/main.py").current_dir(folder("bob")).config(&config)
    };
    let whole = format!("python3 {}", folder("alice/src/main.py").display());
    for (line, cwd) in
        [("python3 src/main.py", "alice"), ("python3 main.py", "alice/src"), (&whole, "other")]
    {
        let running = program(&stage, line).current_dir(folder(cwd));
        let (running, pid) = bot(&stage, running, &folder(cwd));
        let seen = start(&["run"]).end().exits(75);
        let id = tokens[0].split(':').next().unwrap();
        assert!(
            seen.err.contains(&format!("`.env` of its folder, which names bot {id}")),
            "{line}: {seen:?}"
        );
        assert!(running.is_alive() && is_alive(pid));
        end(&stage, running, pid);
    }
    // The bot itself, found by the entry alone, in a folder that names it or none.
    write(&stage, "empty/main.py", PYTHON);
    for (line, cwd) in [("python3 src/../src/main.py --old", "bob"), ("python3 main.py", "empty")] {
        let running = program(&stage, line).current_dir(folder(cwd));
        let (running, pid) = bot(&stage, running, &folder(cwd));
        let seen = plan(start(&["plan"]));
        assert_eq!(seen["conflicts"][0]["pid"], pid, "{line}: {seen:#}");
        assert_eq!(seen["conflicts"][0]["action"], "graceful", "{line}: {seen:#}");
        end(&stage, running, pid);
    }
}

#[test]
fn a_link_to_a_device_or_a_log_has_no_settings() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    for name in ["logs/1.log", "logs/2.log"] {
        write(&stage, name, "");
    }
    link(&stage, ".env", "/dev/null");
    link(&stage, "current.log", "logs/1.log");
    wait_until_dotenv_is_old(&stage);
    for line in ["python3 main.py --log /dev/stdout", "python3 main.py --log current.log"] {
        let (running, pid) = bot(&stage, program(&stage, line), stage.folder());
        link(&stage, "current.log", "logs/2.log");
        let own = plan(unnamed(&stage, &["plan"], line));
        assert_eq!(own["verdict"], "act", "{line}: {own:#}");
        end(&stage, running, pid);
    }
}
