//! `.env` is switched to another bot while the first one runs, which shows no token: what it has
//! read is unknown.
#![expect(clippy::disallowed_types, reason = "file systems stamp changes by the wall clock")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::time::{Duration, SystemTime};

use monopoll_test_bots::stage::{Running, SECRET, Stage, is_alive, token};

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, write};

/// Replaces `.env`, which names alice, with a file or link that names bob.
type Switch = fn(&Stage);

fn id(token: &str) -> &str {
    token.split(':').next().unwrap()
}

/// Returns a folder with the files of two bots.
fn alice_and_bob() -> (Stage, [String; 2]) {
    let (stage, tokens) = (Stage::new(), [token(), token()]);
    write(&stage, "main.py", PYTHON);
    for (name, token) in ["alice", "bob"].iter().zip(&tokens) {
        for file in [format!(".env.{name}"), format!("envs/{name}.env")] {
            write(&stage, &file, &format!("BOT_TOKEN={token}\n"));
        }
    }
    (stage, tokens)
}

/// Links `.env` to a file, in one step.
fn link(stage: &Stage, target: &str) {
    let new = stage.folder().join("new");
    symlink(target, &new).unwrap();
    fs::rename(new, stage.folder().join(".env")).unwrap();
}

fn start_alice(stage: &Stage) -> (Running<'_>, u32) {
    bot(stage, stage.program("python3", &["main.py"]), stage.folder())
}

/// Waits until a process that starts now is clearly younger than `.env`.
pub(crate) fn wait_until_dotenv_is_old(stage: &Stage) {
    let seen = fs::symlink_metadata(stage.folder().join(".env")).unwrap();
    let at = Duration::new(seen.ctime().try_into().unwrap(), seen.ctime_nsec().try_into().unwrap());
    let is_old = || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        (now > at + Duration::from_millis(2100)).then_some(())
    };
    stage.wait_until("an old .env", is_old);
}

#[test]
fn a_bot_that_ran_before_dotenv_was_switched_to_this_bot_is_in_doubt() {
    let copy = |stage: &Stage, from: &str| {
        fs::copy(stage.folder().join(from), stage.folder().join(".env")).unwrap();
    };
    let by_link: Switch = |stage| link(stage, ".env.bob");
    let by_second_link: Switch = |stage| {
        fs::remove_file(stage.folder().join("envs/current")).unwrap();
        symlink("bob.env", stage.folder().join("envs/current")).unwrap();
    };
    let by_copy: Switch = |stage| {
        fs::copy(stage.folder().join(".env.bob"), stage.folder().join(".env")).unwrap();
    };
    let by_move: Switch = |stage| {
        fs::rename(stage.folder().join(".env.bob"), stage.folder().join(".env")).unwrap();
    };
    let by_edit: Switch = |stage| {
        let bob = fs::read_to_string(stage.folder().join(".env.bob")).unwrap();
        write(stage, ".env", &format!("{bob}LOG_LEVEL=debug\n"));
        fs::remove_file(stage.folder().join(".env.bob")).unwrap();
    };
    let by_comment: Switch = |stage| {
        let alice = fs::read_to_string(stage.folder().join(".env")).unwrap();
        let bob = fs::read_to_string(stage.folder().join(".env.bob")).unwrap();
        write(stage, ".env", &format!("  # {alice}{bob}"));
        for file in [".env.alice", ".env.bob"] {
            fs::remove_file(stage.folder().join(file)).unwrap();
        }
    };
    for (name, first, switch, place) in [
        ("link", Some(".env.alice"), by_link, ".env.alice:1"),
        ("second link", Some("envs/current"), by_second_link, "envs/alice.env:1"),
        ("copy", None, by_copy, ".env.alice:1"),
        ("move", None, by_move, ".env.alice:1"),
        ("edit", None, by_edit, ".env.alice:1"),
        ("comment", None, by_comment, ".env:1"),
    ] {
        let (stage, [alice, bob]) = alice_and_bob();
        symlink("alice.env", stage.folder().join("envs/current")).unwrap();
        match first {
            Some(target) => link(&stage, target),
            None => copy(&stage, ".env.alice"),
        }
        wait_until_dotenv_is_old(&stage);
        let (running, pid) = start_alice(&stage);
        let own = plan(unnamed(&stage, &["plan"], "python3 main.py"));
        assert_eq!(own["conflicts"][0]["action"], "graceful", "{name}: {own:#}");
        if name == "second link" {
            for file in [".env.alice", ".env.bob"] {
                fs::remove_file(stage.folder().join(file)).unwrap();
            }
        }
        switch(&stage);
        let seen = unnamed(&stage, &["run"], "python3 main.py").end().exits(75);
        let file = |name: &str| format!("{}/{name}", stage.folder().display());
        for words in [
            format!("may have read `{}` before the last change of that file", file(".env")),
            format!("named bot {}, whose token is in `{}`", id(&alice), file(place)),
            "if it is this bot, end it first (`kill".to_owned(),
        ] {
            assert!(seen.err.contains(&words), "{name}: {words}: {seen:?}");
        }
        assert!(!seen.err.contains(SECRET), "{seen:?}");
        assert!(running.is_alive() && is_alive(pid), "{name}");
        // The same with bob's token in the environment.
        let shown = unnamed(&stage, &["plan"], "python3 main.py").env("BOT_TOKEN", &bob);
        assert!(refusal(&plan(shown)).contains("before the last change of that file"), "{name}");
        end(&stage, running, pid);
    }
}

#[test]
fn an_edit_of_dotenv_is_no_doubt_if_no_file_beside_it_names_another_bot() {
    let (stage, token) = (Stage::new(), token());
    write(&stage, "main.py", PYTHON);
    let line = format!("BOT_TOKEN={token}\n");
    write(&stage, ".env", &line);
    for (file, text) in [
        (".env.bak", line.as_str()),
        (".env.example", "BOT_TOKEN=put-your-token-here\n"),
        (".env.sample", &format!("BOT_TOKEN={}\n", monopoll_test_bots::stage::token())),
        ("example.env", &format!("BOT_TOKEN={}\n", monopoll_test_bots::stage::token())),
        ("venv/.env", &format!("BOT_TOKEN={}\n", monopoll_test_bots::stage::token())),
        ("notes.txt", &format!("BOT_TOKEN={}\n", monopoll_test_bots::stage::token())),
    ] {
        write(&stage, file, text);
    }
    let (running, pid) = start_alice(&stage);
    write(&stage, ".env", &format!("{line}LOG_LEVEL=debug\n"));
    let (guard, _) = bot(&stage, unnamed(&stage, &["run"], "python3 main.py"), stage.folder());
    assert!(!is_alive(pid) && guard.is_alive());
    drop(running);
}

#[test]
fn a_bot_that_is_younger_than_dotenv_is_taken_over() {
    let (stage, [_, bob]) = alice_and_bob();
    link(&stage, ".env.bob");
    wait_until_dotenv_is_old(&stage);
    let (running, pid) = start_alice(&stage);
    let (guard, own) = bot(&stage, unnamed(&stage, &["run"], "python3 main.py"), stage.folder());
    assert!(!is_alive(pid) && guard.is_alive());
    drop(running);
    // A bot that runs under monopoll is recognized, whatever happens to the file.
    link(&stage, ".env.bob");
    let seen = plan(unnamed(&stage, &["plan"], "python3 main.py"));
    assert_eq!(seen["verdict"], "act", "{seen:#}");
    // So is one that shows the token.
    end(&stage, guard, own);
    let shown = stage.program("python3", &["main.py"]).env("BOT_TOKEN", &bob);
    let (_shown, pid) = bot(&stage, shown, stage.folder());
    link(&stage, ".env.bob");
    let seen = plan(unnamed(&stage, &["plan"], "python3 main.py"));
    assert_eq!(seen["conflicts"][0]["pid"], pid, "{seen:#}");
    assert_eq!(seen["conflicts"][0]["action"], "graceful", "{seen:#}");
}
