//! A token never appears in any output or file, whatever goes wrong.

use monopoll_test_bots::stage::{Ended, SECRET, Stage, Start, files_containing, token};
use std::fs;
use std::path::PathBuf;

/// Checks that the secret is in no output, and in no file except those that the test wrote.
#[track_caller]
fn nowhere(stage: &Stage, printed: &[Ended], own: &[PathBuf]) {
    for ended in printed {
        assert!(!ended.out.contains(SECRET) && !ended.err.contains(SECRET), "{ended:?}");
    }
    assert!(
        printed.iter().any(|ended| ended.err.contains(":***") || ended.out.contains(":***")),
        "it was shown masked: {printed:?}"
    );
    let mut found = files_containing(SECRET, stage.folder());
    found.retain(|path| !own.contains(path));
    assert_eq!(found, [] as [PathBuf; 0]);
}

/// Logs as much as possible.
fn loud(start: Start<'_>) -> Start<'_> {
    start.flag("-v").flag("-v").env("MONOPOLL_LOG", "trace")
}

#[test]
fn my_token_is_never_printed() {
    let stage = Stage::new();
    let mine = token();
    let env_file = stage.folder().join(".env");
    fs::write(&env_file, format!("BOT_TOKEN={mine}\nURL=https://api.telegram.org/bot{mine}/\n"))
        .unwrap();
    let config = stage.folder().join("with-a-comment.toml");
    fs::write(
        &config,
        format!("# {mine}\non_conflict = \"graceful\"\n[app]\ntoken = \"{mine}\" # {mine}\n"),
    )
    .unwrap();
    let args =
        ["--token", mine.as_str(), "--url", &format!("https://api.telegram.org/bot{mine}/getMe")];
    let mut printed = Vec::new();
    let first =
        loud(stage.run(&args)).flag("--config").flag(&config).env("BOT_TOKEN", &mine).start();
    stage.ready(1);
    stage.wait_for_start_mutex();
    assert_eq!(files_containing(SECRET, &stage.locks()), [] as [PathBuf; 0], "while it runs");
    let configured = |start: Start<'_>| -> Ended {
        loud(start).flag("--config").flag(&config).env("TELEGRAM_TOKEN", &mine).end()
    };
    printed.push(configured(stage.plan(&args)));
    printed.push(configured(stage.plan(&args).flag("--json")));
    printed.push(configured(stage.run(&args).on_conflict("refuse")));
    printed.push(configured(stage.monopoll(&["config", "show"])));
    printed.push(configured(stage.monopoll(&["config", "show", "--json"])));
    printed.push(configured(stage.monopoll(&["config", "check"])));
    printed.push(configured(stage.run(&["--token", &mine, "--exit", "0"]).on_conflict("force")));
    printed.push(first.end());
    nowhere(&stage, &printed, &[env_file, config]);
}

#[test]
fn a_token_of_a_foreign_process_is_never_printed() {
    let stage = Stage::new();
    let (mine, url) = (token(), "https://api.telegram.org/bot");
    let named = stage.program("sh", &["-c", "sleep 60; :", &mine]).start();
    let in_url = stage.program(
        "sh",
        &[
            "-c",
            "sleep 60; :",
            &format!("{url}{mine}/getUpdates?offset=1"),
            &format!("{url}{}", mine.replace(':', "%3A")),
        ],
    );
    let in_url = in_url.start();
    let inherited = stage.program("sleep", &["60"]).env("BOT_TOKEN", &mine).start();
    let printed = vec![
        loud(stage.run(&[])).env("BOT_TOKEN", &mine).end().exits(75),
        loud(stage.plan(&[])).env("BOT_TOKEN", &mine).end(),
        loud(stage.plan(&[])).flag("--json").env("BOT_TOKEN", &mine).end(),
        loud(stage.run(&["--exit", "0"])).env("BOT_TOKEN", &mine).set("same_token='warn'").end(),
    ];
    assert!([named, in_url, inherited].iter().all(monopoll_test_bots::stage::Running::is_alive));
    nowhere(&stage, &printed, &[]);
}

#[test]
fn no_error_quotes_a_token() {
    let stage = Stage::new();
    let mine = token();
    let mut own = Vec::new();
    let mut printed = Vec::new();
    for (index, text) in [
        format!("instance = \"{mine}\n"),
        format!("instance = \"{mine}\"\n"),
        format!("\"{mine}\" = 1\n"),
        format!("on_conflict = \"{mine}\"\n"),
        format!("[[rules]]\nname = \"{mine}\"\nwhen = {{ nam = \"{mine}\" }}\naction = \"wait\"\n"),
        format!("[timeouts]\nwait = \"{mine}\"\n"),
        format!("lock.paths = [\"{mine}\"]\n"),
        format!("[[match]]\ncmdline = \"({mine}\"\n"),
        format!("[profile.\"{mine}\"]\non_conflict = \"force\"\n"),
        format!("[[match]]\nexe = \"/{mine}/[\"\n"),
    ]
    .iter()
    .enumerate()
    {
        let path = stage.folder().join(format!("wrong-{index}.toml"));
        fs::write(&path, text).unwrap();
        own.push(path.clone());
        printed.push(loud(stage.run(&[])).flag("--config").flag(&path).end().exits(78));
        printed.push(
            stage.monopoll(&["config", "check", "--json"]).flag("--config").flag(&path).end(),
        );
    }
    printed.extend([
        stage.run(&[]).flag(format!("--{mine}")).end().exits(64),
        stage.run(&[]).set(&mine).end(),
        stage.run(&[]).on_conflict(&mine).end().exits(64),
        stage.run(&[]).flag("--profile").flag(&mine).end().exits(78),
        stage.run(&[]).flag("--config").flag(&mine).end().exits(78),
        stage.run(&["--exit", "0"]).env(&format!("MONOPOLL_{mine}"), &mine).end().exits(0),
        stage.run(&[]).env("MONOPOLL_ON_CONFLICT", &mine).end().exits(78),
        stage.run_command(format!("./{mine}"), &[]).end().exits(127),
        stage.run(&[]).set(&format!("check.command=['no-such-{mine}']")).end().exits(78),
        stage
            .run(&[])
            .set(&format!("check.command=['sh', '-c', 'echo {mine}; echo {mine} >&2; false']"))
            .end()
            .exits(75),
    ]);
    nowhere(&stage, &printed, &own);
}

#[test]
fn endless_check_output_is_never_cut_inside_a_token() {
    let stage = Stage::new();
    let mine = token();
    // The excerpt that is kept begins somewhere within a token.
    let script = format!(
        "for i in $(seq 4000); do printf '%s,' {mine}; test $((i % 7)) = 0 && printf ' '; done; \
            false"
    );
    let ended = stage
        .run(&[])
        .set(&format!("check.command=[\"sh\", \"-c\", \"{script}\"]"))
        .end()
        .exits(75);
    assert!(ended.err.contains(":***"), "{ended:?}");
    let tail = &SECRET[SECRET.len() - 8..];
    assert!(!ended.err.contains(tail), "{ended:?}");
}

#[test]
fn a_program_named_like_a_token_is_masked() {
    let stage = Stage::new();
    let mine = token();
    let named = stage.folder().join(&mine);
    stage
        .program(
            "cp",
            &[
                &monopoll_test_bots::programs::testbot().display().to_string(),
                &named.display().to_string(),
            ],
        )
        .end()
        .exits(0);
    let bot = stage.program(&named, &["marker"]).start();
    stage.ready(1);
    let found = "[[match]]\ncmdline = 'marker$'\n";
    let printed = vec![
        loud(stage.run(&["x"])).config(found).end().exits(75),
        loud(stage.plan(&["x"])).config(found).end(),
        loud(stage.plan(&["x"])).config(found).flag("--json").end(),
        loud(stage.run_command(&named, &["--exit", "0"])).other_token().end().exits(0),
    ];
    assert!(bot.is_alive());
    nowhere(&stage, &printed, &[named]);
}
