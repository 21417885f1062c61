//! The bot token: whose it is, where it is seen, and that it is never written anywhere.

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{SECRET, Stage, Start, files_containing, token};
use std::fs;
use std::path::PathBuf;

/// Sets the bot token and a proxy. Connections then do not show who polls, so a program of this bot
/// with its token counts as a poller.
fn with<'a>(start: Start<'a>, token: &str) -> Start<'a> {
    start.env("BOT_TOKEN", token).env("HTTPS_PROXY", "http://127.0.0.1:9")
}

#[test]
fn another_bots_process_is_never_a_candidate() {
    let stage = Stage::new();
    let first = with(stage.bot(&[]), &token()).other_token().start();
    stage.ready(1);
    let _second = with(stage.run(&[]), &token()).on_conflict("force").start();
    stage.ready(2);
    assert!(first.is_alive());
}

#[test]
fn the_same_token_in_the_same_program_is_a_conflict_that_refuses() {
    let stage = Stage::new();
    let mine = token();
    let first = with(stage.bot(&["--another"]), &mine).start();
    stage.ready(1);
    let refused = with(stage.run(&[]), &mine).on_conflict("force").end().exits(75);
    refused.says("same bot token").says("; if it is a copy of the bot, stop it");
    assert!(first.is_alive());
}

#[test]
fn the_same_token_is_acted_on_where_the_configuration_says_so() {
    let stage = Stage::new();
    let mine = token();
    let first = with(stage.bot(&["--another"]), &mine).start();
    stage.ready(1);
    let _second =
        with(stage.run(&[]), &mine).on_conflict("graceful").set("same_token='act'").start();
    stage.ready(2);
    first.end().exits(0);
}

#[test]
fn the_same_token_is_only_warned_about_where_the_configuration_says_so() {
    let stage = Stage::new();
    let mine = token();
    let first = with(stage.bot(&["--another"]), &mine).other_token().start();
    stage.ready(1);
    let second = with(stage.run(&[]), &mine).on_conflict("force").set("same_token='warn'").start();
    stage.ready(2);
    second.wait_for(&format!("warning: `testbot` (pid {}) has the same token", first.pid()));
    assert!(first.is_alive());
}

#[test]
fn the_same_token_is_not_searched_for_where_the_configuration_says_so() {
    let stage = Stage::new();
    let mine = token();
    let first = with(stage.bot(&["--another"]), &mine).other_token().start();
    stage.ready(1);
    let second = with(stage.run(&[]), &mine).on_conflict("force").set("same_token='off'").start();
    stage.ready(2);
    assert!(first.is_alive());
    assert!(!second.stderr().contains("token"), "{}", second.stderr());
}

#[test]
fn a_rule_that_names_the_token_decides_about_it() {
    let stage = Stage::new();
    let mine = token();
    let first = with(stage.bot(&["--another"]), &mine).start();
    stage.ready(1);
    let rule = "[[rules]]\nname = 'mine'\nwhen = { same_token = true }\naction = 'graceful'\n";
    let _second = with(stage.run(&[]), &mine).config(rule).start();
    stage.ready(2);
    first.end().exits(0);
}

#[test]
fn a_bystander_that_inherited_the_token_is_a_suspect_and_lives() {
    let stage = Stage::new();
    let mine = token();
    let editor = with(stage.program("sleep", &["60"]), &mine).start();
    let second = with(stage.run(&[]), &mine).on_conflict("force").set("same_token='act'").start();
    stage.ready(1);
    second.wait_for(&format!("`sleep` (pid {}) has the same token", editor.pid()));
    assert!(editor.is_alive());
}

#[test]
fn an_ancestor_with_the_token_is_no_warning() {
    let stage = Stage::new();
    let mine = token();
    let below =
        |start: Start<'_>| with(start, &mine).through(&["sh", "-c", "\"$@\"; exit $?", "sh"]).end();
    let ended = below(stage.run(&["--exit", "7"])).exits(7);
    assert!(
        !ended.err.contains("warning")
            && ended.err.contains(": lock acquired, starting\n")
            && !ended.err.contains("only this exact command"),
        "{ended:?}"
    );
    assert!(!below(stage.plan(&[])).exits(0).out.contains("Suspects"));
    let json = below(stage.plan(&[]).flag("--json")).exits(0);
    assert!(json.out.contains("\"suspects\": []"), "{json:?}");
}

#[test]
fn a_variable_that_is_no_token_is_named_without_its_value() {
    let stage = Stage::new();
    let warning = |what: &str| {
        format!(
            "monopoll: warning: {what} is set, but is not a bot token (5–16 digits, a colon and 35 \
                letters, digits, `_` or `-`), so it is ignored; set it to the token from \
                @BotFather\n"
        )
    };
    let start = || stage.run(&["--exit", "7"]).env("BOT_TOKEN", "my-secret");
    let ended = start().end().exits(7);
    assert!(
        ended.err.contains(&warning("$BOT_TOKEN")) && !ended.err.contains("my-secret"),
        "{ended:?}"
    );
    fs::write(stage.folder().join(".env"), "TELEGRAM_TOKEN=\nBOT_TOKEN='bot1:my-secret'\n")
        .unwrap();
    let ended = start().env("BOT_TOKEN", "").end().exits(7);
    let path = stage.folder().join(".env");
    assert!(
        ended.err.contains(&warning(&format!("BOT_TOKEN in `{}`", path.display())))
            && !ended.err.contains("my-secret"),
        "{ended:?}"
    );
    let check = stage.monopoll(&["config", "check"]).env("BOT_TOKEN", "my-secret").end().exits(0);
    for what in
        ["$BOT_TOKEN is set, but is not a bot token", "BOT_TOKEN in `", ", with 2 warnings\n"]
    {
        assert!(check.out.contains(what) && !check.out.contains("my-secret"), "{what} {check:?}");
    }
    let doctor = stage.monopoll(&["doctor"]).env("BOT_TOKEN", "my-secret").end();
    assert!(
        doctor.out.contains("none found: $BOT_TOKEN and BOT_TOKEN in `")
            && !doctor.out.contains("my-secret"),
        "{doctor:?}"
    );
    for fine in [
        with(start(), "").end(),
        start().flag("-q").end(),
        start().env("TELEGRAM_TOKEN", token()).end(),
    ] {
        assert!(!fine.err.contains("$BOT_TOKEN"), "{fine:?}");
    }
}

#[test]
fn a_token_of_the_wrong_length_is_told_its_length() {
    let stage = Stage::new();
    let start = |value: &str| stage.run(&["--exit", "7"]).env("BOT_TOKEN", value).end().exits(7);
    let (number, secret) = ("123456", "Secret7".repeat(5));
    let cases = [
        (format!("{number}:{secret}x"), "; it has 36 after the colon), so it is ignored"),
        (format!(" {number}:{} ", &secret[1..]), "; it has 34 after the colon), so it is ignored"),
        (format!("{number}:"), "; it has 0 after the colon), so it is ignored"),
        (format!("{number}:{}é", &secret[1..]), "`_` or `-`), so it is ignored"),
        (format!("bot{number}:{secret}x"), "`_` or `-`), so it is ignored"),
    ];
    for (value, what) in &cases {
        let ended = start(value);
        assert!(ended.err.contains(what) && !ended.err.contains("Secret7"), "{ended:?}");
    }
    let line = format!("BOT_TOKEN={number}:{secret}x\n");
    fs::write(stage.folder().join(".env"), line).unwrap();
    let ended = start("");
    assert!(ended.err.contains(cases[0].1) && !ended.err.contains("Secret7"), "{ended:?}");
}

#[test]
fn a_generic_variable_that_is_no_token_is_not_complained_about() {
    let stage = Stage::new();
    let start = || stage.run(&["--exit", "7"]).env("API_TOKEN", "github-secret");
    fs::write(stage.folder().join(".env"), "TOKEN=12345\n").unwrap();
    let ended = start().env("TOKEN", "my-secret").end().exits(7);
    assert!(!ended.err.contains("$TOKEN") && !ended.err.contains("TOKEN in"), "{ended:?}");
    let only = start().set("token_env=['API_TOKEN']").end().exits(7);
    assert!(only.err.contains("$API_TOKEN is set, but is not a bot token"), "{only:?}");
}

#[test]
fn the_first_variable_with_a_token_names_the_instance() {
    let stage = Stage::new();
    let (mine, other) = (token(), token());
    let show = |start: Start<'_>| start.flag("--json").end().exits(0).out;
    let bot = |token: &str| format!("\"bot{}\"", token.split(':').next().unwrap());
    for (first, second) in
        [("TG_TOKEN", "TOKEN"), ("API_TOKEN", "TOKEN"), ("BOT_TOKEN", "TG_TOKEN")]
    {
        let start = || stage.program(env!("CARGO_BIN_EXE_monopoll"), &["config", "show"]);
        let shown = show(start().env(first, &mine).env(second, &other));
        assert!(shown.contains(&bot(&mine)), "{first}: {shown}");
        let shown = show(start().env(first, "no-token").env(second, &other));
        assert!(shown.contains(&bot(&other)), "{second}: {shown}");
    }
}

#[test]
fn doctor_names_a_variable_that_looks_like_a_token() {
    let stage = Stage::new();
    let (mine, other) = (token(), token());
    let doctor = || stage.monopoll(&["doctor"]);
    let found = doctor().env("MY_SECRET", &mine).end();
    assert!(found.out.contains("but $MY_SECRET looks like a bot token"), "{found:?}");
    assert!(found.out.contains("hint: add it to `token_env`"), "{found:?}");
    fs::write(stage.folder().join(".env"), format!("PORT=8080\nADMIN='{other}'\n")).unwrap();
    let both = doctor().env("MY_SECRET", &mine).end();
    assert!(both.out.contains("$MY_SECRET and ADMIN in `"), "{both:?}");
    let listed = doctor().env("MY_SECRET", &mine).set("token_env=['MY_SECRET']").end();
    assert!(!listed.out.contains("looks like"), "{listed:?}");
    for ended in [found, both, listed] {
        assert!(!ended.out.contains(SECRET) && !ended.err.contains(SECRET), "{ended:?}");
    }
}

#[test]
fn the_token_on_a_foreign_command_line_is_a_conflict() {
    let stage = Stage::new();
    let mine = token();
    let stranger = stage.program("sh", &["-c", "sleep 60; :", &mine]).start();
    let refused =
        with(stage.run(&[]), &mine).on_conflict("force").end().exits(75).says("same bot token");
    assert!(stranger.is_alive());
    assert!(!refused.err.contains(SECRET));
}

#[test]
fn the_token_in_the_env_file_names_the_instance_and_finds_the_conflict() {
    let stage = Stage::new();
    let mine = token();
    fs::write(stage.folder().join(".env"), format!("OTHER=1\nBOT_TOKEN={mine}\n")).unwrap();
    let first = with(stage.bot(&["--another"]), &mine).start();
    stage.ready(1);
    stage.run(&[]).end().exits(75).says("same bot token");
    let unnamed = stage.program(env!("CARGO_BIN_EXE_monopoll"), &["plan", "--json"]);
    let lock = format!("lock.paths=[\"{}/locks/{{instance}}.lock\"]", stage.folder().display());
    let plan = unnamed.flag("--set").flag(lock).end().exits(0);
    let id = mine.split(':').next().unwrap();
    assert!(plan.out.contains(&format!("\"bot{id}\"")), "{}", plan.out);
    drop(first);
}

#[test]
fn a_token_is_never_written_anywhere() {
    let stage = Stage::new();
    let mine = token();
    let args = ["--token", mine.as_str()];
    let first = with(stage.run(&args), &mine).flag("-v").start();
    stage.ready(1);
    let mut printed = vec![
        with(stage.run(&args), &mine).flag("-v").end().exits(75),
        with(stage.plan(&args), &mine).on_conflict("graceful").end(),
        with(stage.plan(&args), &mine).flag("--json").end(),
        with(stage.run(&["--token", &mine, "--exit", "3"]), &mine)
            .on_conflict("graceful")
            .flag("-v")
            .end()
            .exits(3),
        first.end().exits(0),
        with(stage.run_command("./nowhere", &[&mine]), &mine).end().exits(127),
        with(stage.run(&args), &mine).set(&format!("instance=\"{mine}\"")).end().exits(78),
        with(stage.run(&args), &mine)
            .set(&format!("check.command=[\"sh\", \"-c\", \"echo {mine}; false\"]"))
            .end()
            .exits(75),
        with(stage.monopoll(&["config", "show"]), &mine)
            .set(&format!("check.command=[\"echo\", \"{mine}\"]"))
            .end()
            .exits(0),
    ];
    printed.retain(|ended| ended.out.contains(SECRET) || ended.err.contains(SECRET));
    assert!(printed.is_empty(), "{printed:?}");
    assert_eq!(files_containing(SECRET, &stage.locks()), Vec::<PathBuf>::new());
}

#[test]
fn the_record_of_a_running_guard_contains_no_token() {
    let stage = Stage::new();
    let mine = token();
    let _first = with(stage.run(&["--token", &mine]), &mine).start();
    stage.ready(1);
    stage.wait_until("the record", || stage.state_file("record").exists().then_some(()));
    assert_eq!(files_containing(SECRET, &stage.locks()), Vec::<PathBuf>::new());
}

#[test]
fn an_env_file_that_is_a_folder_has_no_token() {
    let stage = Stage::new();
    fs::create_dir(stage.folder().join(".env")).unwrap();
    stage.run(&["--exit", "7"]).end().exits(7);
}

#[test]
fn a_byte_order_mark_hides_no_token() {
    let stage = Stage::new();
    let mine = token();
    fs::write(stage.folder().join(".env"), format!("\u{feff}BOT_TOKEN={mine}\n")).unwrap();
    let _first = with(stage.bot(&["--another"]), &mine).start();
    stage.ready(1);
    stage.run(&[]).end().exits(75).says("same bot token");
}

#[test]
fn a_lone_quote_in_the_env_file_hides_no_token() {
    let stage = Stage::new();
    let mine = token();
    fs::write(stage.folder().join(".env"), format!("GREETING=don't panic\nBOT_TOKEN={mine}\n"))
        .unwrap();
    let _first = with(stage.bot(&["--another"]), &mine).start();
    stage.ready(1);
    stage.run(&[]).end().exits(75).says("same bot token");
}

/// Runs `plan` with this in place of `.env`.
#[track_caller]
fn with_an_env_file(prepare: impl FnOnce(&Stage)) -> monopoll_test_bots::stage::Ended {
    let stage = Stage::new();
    prepare(&stage);
    stage.plan(&[]).flag("--json").end().exits(0)
}

#[test]
fn an_env_file_that_is_a_fifo_without_a_writer_is_not_waited_for() {
    let make = |stage: &Stage| {
        stage.program("mkfifo", &[".env"]).end().exits(0);
    };
    let ended = with_an_env_file(make);
    assert!(
        ended.err.contains(
            "/.env is a FIFO, so it is not searched for a bot token; set $BOT_TOKEN, or correct"
        ),
        "{ended:?}"
    );
    let stage = Stage::new();
    make(&stage);
    let ended = stage.run(&["--exit", "4"]).end().exits(4);
    assert!(ended.err.contains("is a FIFO"), "{ended:?}");
    let quiet = stage.run(&["--exit", "4"]).flag("-q").end().exits(4);
    assert!(!quiet.err.contains("FIFO"), "{quiet:?}");
}

#[test]
fn an_env_file_that_is_a_socket_or_unreadable_is_reported() {
    let ended = with_an_env_file(|stage| {
        let _socket = std::os::unix::net::UnixListener::bind(stage.folder().join(".env")).unwrap();
    });
    assert!(ended.err.contains("is a socket"), "{ended:?}");
    let ended = with_an_env_file(|stage| {
        std::os::unix::fs::symlink(".env", stage.folder().join(".env")).unwrap();
    });
    assert!(ended.err.contains("/.env cannot be read ("), "{ended:?}");
}

#[test]
fn a_folder_in_place_of_the_env_file_is_reported_only_if_it_was_configured() {
    let folder = |stage: &Stage| fs::create_dir(stage.folder().join(".env")).unwrap();
    let ended = with_an_env_file(folder);
    assert!(!ended.err.contains("folder"), "{ended:?}");
    let stage = Stage::new();
    folder(&stage);
    let ended = stage.plan(&[]).set("env_file='.env'").end().exits(0);
    assert!(ended.err.contains("is a folder, so it is not searched"), "{ended:?}");
    assert_eq!(stage.plan(&[]).set("env_file='/dev/null'").end().exits(0).err, "");
}

#[test]
fn only_the_beginning_of_a_large_env_file_is_read() {
    let mine = token();
    let filler = "#".repeat(200) + "\n";
    for (before, after, expected) in [(0, 6000, true), (6000, 6000, false), (1000, 0, true)] {
        let stage = Stage::new();
        let text =
            [filler.repeat(before), format!("BOT_TOKEN={mine}\n"), filler.repeat(after)].concat();
        let large = text.len() > 1 << 20;
        fs::write(stage.folder().join(".env"), text).unwrap();
        let bot = with(stage.bot(&["--another"]), &mine).start();
        stage.ready(1);
        let ended = stage.plan(&[]).end();
        assert_eq!(ended.code, Some(if expected { 75 } else { 0 }), "{before} {after} {ended:?}");
        assert_eq!(ended.err.contains("only its first 1024 KiB are searched"), large, "{ended:?}");
        drop(bot);
    }
}

#[test]
fn a_rule_about_the_token_applies_to_a_queued_start_too() {
    let stage = Stage::new();
    let mine = token();
    let rule = "[[rules]]\nwhen = { same_token = true }\naction = 'graceful'\n";
    // The guard does not carry the token; its command gets it elsewhere.
    let line = format!("export BOT_TOKEN={mine}; exec {}", testbot().display());
    let first = stage.run_command("sh", &["-c", &line]).start();
    stage.ready(1);
    // The second start has to queue, and in the meantime sees the running bot.
    let line = "exec 7<> locks/x.lock.turnstile; flock 7; echo > has; exec sleep 60";
    let keeper = stage.program("bash", &["-c", line]).start();
    stage.wait_until("the start mutex", || stage.folder().join("has").exists().then_some(()));
    let second = with(stage.run(&[]), &mine).config(rule).on_conflict("refuse").start();
    stage.wait_until("a queue", || second.is_queued().then_some(()));
    drop(keeper);
    first.end().exits(0).says("took over");
    stage.ready(2);
}
