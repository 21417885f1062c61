//! Logs: lines for people, JSON for machines, with the configured level and never a secret.

use std::fs::File;

use monopoll_test_bots::stage::Stage;
use serde_json::Value;

/// Parses each line of a log as JSON.
#[track_caller]
fn records(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Returns the first record whose message begins with `beginning`.
#[track_caller]
fn record<'a>(records: &'a [Value], beginning: &str) -> &'a Value {
    let found = records.iter().find(|record| {
        record["message"].as_str().is_some_and(|message| message.starts_with(beginning))
    });
    found.unwrap_or_else(|| panic!("`{beginning}` is not in {records:#?}"))
}

#[test]
fn in_json_each_line_is_an_object_and_the_bots_output_is_untouched() {
    let stage = Stage::new();
    let _first = stage.bot(&["--stubborn"]).start();
    let old = stage.ready(1);
    let config = format!(
        "[[match]]\nname = 'testbot'\ncwd = '{}'\n[log]\nformat = 'json'\nlevel = \
            'trace'\n[check]\ncommand = ['echo', 'all is well']\n",
        stage.folder().display()
    );
    let start = stage.run_command("sh", &["-c", "echo the bot speaks"]).config(&config);
    let ended = start.on_conflict("graceful").set("timeouts.graceful=100ms").end().exits(0);
    assert_eq!(ended.out, "the bot speaks\n");
    let records = records(&ended.err);
    for record in &records {
        assert_eq!(record["instance"], "test", "{record}");
        let text =
            |key: &str| record[key].as_str().unwrap_or_else(|| panic!("no {key} in {record}"));
        assert!(
            text("timestamp").ends_with('Z') && text("target").starts_with("monopoll::"),
            "{record}"
        );
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&text("level")), "{record}");
        assert!(!text("message").is_empty(), "{record}");
    }
    assert_eq!(record(&records, "all is well")["target"], "monopoll::check");
    assert_eq!(record(&records, "drew ticket")["ticket"], 1);
    let ending = record(&records, "ending `");
    assert_eq!(
        (&ending["pid"], &ending["action"], &ending["level"]),
        (&old.into(), &"graceful".into(), &"INFO".into())
    );
    assert!(ending["command"].as_str().unwrap().ends_with("testbot --stubborn"), "{ending}");
    let sent = record(&records, "sent SIGTERM");
    assert_eq!((&sent["pid"], &sent["signal"]), (&old.into(), &"SIGTERM".into()));
    assert_eq!(record(&records, "sent SIGKILL")["signal"], "SIGKILL");
    assert_eq!(record(&records, "scanned in")["conflicts"], 1);
}

#[test]
fn in_json_the_last_line_of_a_refusal_is_plain_text() {
    let stage = Stage::new();
    let _first = stage.run(&[]).start();
    stage.ready(1);
    let ended = stage
        .run(&[])
        .env("MONOPOLL_LOG__FORMAT", "json")
        .flag("-v")
        .end()
        .exits(75)
        .says("refuse");
    let (before, _) = ended.err.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(record(&records(before), "scanned in")["verdict"], "refuse");
}

#[test]
fn flags_win_over_the_variable_and_the_variable_over_the_configuration() {
    let ticket = "monopoll: test: drew ticket 1\n";
    let looked = " are candidates";
    for (level, variable, flag, expected) in [
        ("info", None, None, [false, false]),
        ("debug", None, None, [true, false]),
        ("off", Some("debug"), None, [true, false]),
        ("trace", Some("warn"), None, [false, false]),
        ("off", Some("info,monopoll::scan=trace"), None, [false, true]),
        ("off", Some("warn"), Some("-v"), [true, false]),
        ("off", None, Some("-vv"), [true, true]),
        ("trace", Some("trace"), Some("-q"), [false, false]),
    ] {
        let stage = Stage::new();
        let mut start = stage.run(&["--exit", "7"]).config(&format!("[log]\nlevel = '{level}'\n"));
        if let Some(variable) = variable {
            start = start.env("MONOPOLL_LOG", variable);
        }
        if let Some(flag) = flag {
            start = start.flag(flag);
        }
        let ended = start.end().exits(7);
        assert_eq!(
            [ended.err.contains(ticket), ended.err.contains(looked)],
            expected,
            "{level} {variable:?} {flag:?}: {ended:?}"
        );
        assert!(ended.err.lines().all(|line| line.starts_with("monopoll: test: ")), "{ended:?}");
    }
}

#[test]
fn an_invalid_log_variable_touches_nothing() {
    let stage = Stage::new();
    let ended = stage
        .run(&[])
        .env("MONOPOLL_LOG", "inof")
        .flag("-q")
        .end()
        .exits(78)
        .says("the configuration is wrong");
    assert!(
        ended.err.starts_with("$MONOPOLL_LOG: `inof` is not a level\n")
            && ended.err.contains("help: did you mean `info`?"),
        "{ended:?}"
    );
    assert!(!stage.locks().exists() && stage.events().is_empty());
}

#[test]
fn a_quiet_start_prints_the_output_of_a_failed_check_only() {
    let stage = Stage::new();
    let check =
        |status: &str| format!("[check]\ncommand = ['sh', '-c', 'echo line 7; exit {status}']\n");
    let quiet = |status| stage.run(&["--exit", "7"]).config(&check(status)).flag("-q").end();
    assert_eq!(quiet("0").exits(7).err, "");
    assert!(quiet("1").exits(75).err.starts_with("line 7\nmonopoll: "));
}

#[test]
fn no_token_is_logged_at_any_level() {
    let secret = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";
    let token = format!("{}55555:{secret}", std::process::id());
    for format in ["text", "json"] {
        let stage = Stage::new();
        let first = stage
            .bot(&["--slow", "10"])
            .argument("--token")
            .argument(&token)
            .env("BOT_TOKEN", &token)
            .start();
        stage.ready(1);
        let start = stage
            .run(&["--exit", "7"])
            .argument("--token")
            .argument(&token)
            .env("BOT_TOKEN", &token);
        let start = start.config(&format!(
            "[check]\ncommand = ['echo', '{token}']\n[log]\nformat = '{format}'\n"
        ));
        let ended = start.on_conflict("graceful").set("same_token=act").flag("-vv").end().exits(7);
        assert!(ended.err.contains(":***") && !ended.err.contains("AAHdq"), "{ended:?}");
        first.end().exits(0);
    }
}

#[test]
fn a_full_or_closed_standard_error_ends_no_start_and_no_guard() {
    let stage = Stage::new();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for (number, format) in [(1, "text"), (2, "json")] {
        let _old = stage.bot(&["--slow", "10"]).start();
        stage.ready(2 * number - 1);
        let config = format!(
            "[[match]]\nname = 'testbot'\ncwd = '{}'\n[log]\nformat = '{format}'\n",
            stage.folder().display()
        );
        let start = stage
            .run(&["--for", "10", "--exit", "7"])
            .config(&config)
            .on_conflict("graceful")
            .flag("-vv");
        assert_eq!(start.stderr_file(full()).end().code, Some(7));
    }
    let closed = ["sh", "-c", "exec \"$@\" 2>&-", "sh"];
    assert_eq!(stage.run(&["--exit", "7"]).flag("-vv").through(&closed).end().code, Some(7));
}
