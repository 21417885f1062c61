//! `[telegram]`: what a start asks Telegram, when, and what follows from the answer. `getUpdates`
//! is never called.

mod server;

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{
    Ended, SECRET, Stage, Start, files_containing, is_alive, send, token,
};
use nix::sys::signal::Signal;
use serde_json::Value;
use server::{Reply, Server, deleted, failure, webhook};

const HOOK: &str = "https://bot.example.org/hooks/hunter2";

/// Starts with this server and `telegram.webhook`.
fn asking<'a>(start: Start<'a>, server: &Server, what: &str) -> Start<'a> {
    at(start, &server.url(), what)
}

fn at<'a>(start: Start<'a>, url: &str, what: &str) -> Start<'a> {
    let start = start.env("BOT_TOKEN", token()).set(&format!("telegram.webhook={what}"));
    // Long enough for a busy machine. Tests of slow answers set a shorter timeout.
    start.set(&format!("telegram.api_url={url}")).set("telegram.timeout=60s")
}

fn is_held(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|file| file.try_lock().is_err())
}

/// Starts a server of a bot with a webhook that can be deleted.
fn with_a_webhook() -> Server {
    Server::start(|before, request| match request.method() {
        "deleteWebhook" => deleted(),
        _ if before == 0 => webhook(HOOK),
        _ => webhook(""),
    })
}

#[track_caller]
fn warns(ended: &Ended, what: &str) {
    let has = |line: &&str| line.starts_with("monopoll: test: warning: ") && line.contains(what);
    assert_eq!(
        ended.err.lines().filter(has).count(),
        1,
        "`{what}` is not one warning of {ended:?}"
    );
    assert!(!ended.err.contains("hunter2"), "{ended:?}");
}

#[test]
fn a_bot_without_a_webhook_starts_silently() {
    for what in ["warn", "refuse", "delete"] {
        let stage = Stage::new();
        let server = Server::start(|_, _| webhook(""));
        let ended = asking(stage.run(&["--exit", "7"]), &server, what).end().exits(7);
        assert!(
            ended
                .err
                .lines()
                .all(|line| line.starts_with("monopoll: test: lock acquired, starting")),
            "{what}: {ended:?}"
        );
        let asked = server.requests();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert!(
            asked[0].line.starts_with("GET /bot")
                && asked[0].line.ends_with(&format!(":{SECRET}/getWebhookInfo HTTP/1.1"))
        );
    }
}

#[test]
fn a_webhook_is_a_warning_that_names_only_its_host() {
    let stage = Stage::new();
    let server = with_a_webhook();
    let ended = asking(stage.run(&["--exit", "7"]), &server, "warn").end().exits(7);
    warns(
        &ended,
        "a webhook to `bot.example.org` is set, so polling fails with 409 Conflict; call \
            deleteWebhook, or let `--set telegram.webhook=delete`",
    );
    assert_eq!(server.methods(), ["getWebhookInfo"]);
}

#[test]
fn a_webhook_refuses_the_start_before_any_process_is_signaled() {
    for action in ["force", "graceful", "wait"] {
        let stage = Stage::new();
        let first = stage.bot(&[]).start();
        let old = stage.ready(1);
        let server = with_a_webhook();
        let refused = asking(stage.run(&[]), &server, "refuse")
            .on_conflict(action)
            .end()
            .exits(75)
            .says("telegram.webhook=delete");
        assert!(
            refused.err.contains("refused: a webhook to `bot.example.org` is set"),
            "{refused:?}"
        );
        assert!(first.is_alive() && stage.lock_is_free() && !stage.state_file("record").exists());
        assert_eq!(
            (stage.times(old, "got SIGTERM"), server.methods()),
            (0, vec!["getWebhookInfo".to_owned()])
        );
    }
}

#[test]
fn a_webhook_is_deleted_only_while_holding_the_lock_and_drops_no_update() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    let old = stage.ready(1);
    let (lock, log) = (stage.lock(), stage.folder().join("bots.log"));
    let server = Server::start(move |before, request| match request.method() {
        "deleteWebhook"
            if is_held(&lock)
                && !is_alive(old)
                && std::fs::read_to_string(&log).unwrap().matches("ready").count() == 1 =>
        {
            deleted()
        }
        "deleteWebhook" => {
            failure(500, "the lock is not held, the old one lives, or the new one is there already")
        }
        _ if before == 0 => webhook(HOOK),
        _ => webhook(""),
    });
    let ended = asking(stage.run(&["--exit", "7"]), &server, "delete")
        .on_conflict("graceful")
        .end()
        .exits(7);
    assert!(
        ended.err.contains("deleted the webhook to `bot.example.org`; no update was dropped"),
        "{ended:?}"
    );
    assert!(!ended.err.contains("warning"), "{ended:?}");
    first.end().exits(0);
    assert_eq!(server.methods(), ["getWebhookInfo", "deleteWebhook", "getWebhookInfo"]);
    let deleting = &server.requests()[1];
    assert!(
        deleting.line.starts_with("POST ") && deleting.body == "drop_pending_updates=false",
        "{deleting:?}"
    );
}

#[test]
fn a_refused_start_deletes_no_webhook() {
    let stage = Stage::new();
    let _first = stage.run(&[]).start();
    stage.ready(1);
    let server = with_a_webhook();
    asking(stage.run(&[]), &server, "delete").on_conflict("refuse").end().exits(75);
    assert!(!server.methods().contains(&"deleteWebhook".to_owned()));
}

#[test]
fn a_webhook_that_cannot_be_deleted_is_a_warning() {
    let stage = Stage::new();
    let server = Server::start(|_, request| match request.method() {
        "deleteWebhook" => failure(500, "Internal Server Error"),
        _ => webhook(HOOK),
    });
    let ended = asking(stage.run(&["--exit", "7"]), &server, "delete").end().exits(7);
    warns(
        &ended,
        "the webhook to `bot.example.org` may still be set, and then polling fails with 409 \
            Conflict: ",
    );
}

#[test]
fn a_webhook_that_something_sets_again_is_a_warning() {
    let stage = Stage::new();
    let server = Server::start(|_, request| match request.method() {
        "deleteWebhook" => deleted(),
        _ => webhook(HOOK),
    });
    let ended = asking(stage.run(&["--exit", "7"]), &server, "delete").end().exits(7);
    warns(&ended, "but another program has set one to");
}

#[test]
fn a_token_that_telegram_rejects_is_reported_clearly() {
    for (status, why) in [(401, "Unauthorized"), (404, "Not Found")] {
        let stage = Stage::new();
        let server = Server::start(move |_, _| failure(status, why));
        let ended = asking(stage.run(&["--exit", "7"]), &server, "refuse").end().exits(7);
        warns(
            &ended,
            "does not know this bot's token (401 Unauthorized): the bot cannot poll; compare it",
        );
    }
}

#[test]
fn any_server_error_is_one_warning_and_the_bot_starts() {
    let elsewhere = Server::start(|_, _| webhook(""));
    let huge =
        [b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n".to_vec(), vec![b' '; 1 << 20]]
            .concat();
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}/x\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    for (reply, expected) in [
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>".to_vec(),
            "did not answer like a Bot API server",
        ),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec(), "did not answer like a Bot API server"),
        (huge, "did not answer like a Bot API server"),
        (
            redirect.into_bytes(),
            "answered 302, a redirect, which is not followed because that would reveal the token",
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n".to_vec(),
            "answered 502; check `telegram.api_url`",
        ),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(), "answered 404; "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n{".to_vec(), "cannot tell whether"),
        (Vec::new(), "cannot be reached: it closed the connection without an answer"),
    ] {
        let stage = Stage::new();
        let server = Server::start(move |_, _| Reply::Raw(reply.clone()));
        let ended = asking(stage.run(&["--exit", "7"]), &server, "refuse").end().exits(7);
        warns(&ended, "cannot tell whether a webhook is set: ");
        warns(&ended, expected);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_server_that_answers_429_is_not_asked_again() {
    let stage = Stage::new();
    let server = Server::start(|_, _| {
        Reply::Json(
            429,
            r#"{"ok":false,"error_code":429,"parameters":{"retry_after":7}}"#.to_owned(),
        )
    });
    let ended = asking(stage.run(&["--exit", "7"]), &server, "delete").end().exits(7);
    warns(&ended, "asks to wait for 7s (429 Too Many Requests)");
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_slow_server_is_a_warning_after_its_timeout() {
    for slow in [Vec::new(), b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n{".to_vec()] {
        let stage = Stage::new();
        // It never answers, so the bot's start proves that the start did not wait.
        let server = Server::start(move |_, _| Reply::Hangs(slow.clone()));
        let start =
            asking(stage.run(&["--exit", "7"]), &server, "refuse").set("telegram.timeout=200ms");
        warns(&start.end().exits(7), "did not answer within 200ms");
    }
}

#[test]
fn an_unreachable_server_is_a_warning() {
    let stage = Stage::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended =
        at(stage.run(&["--exit", "7"]), &format!("http://{nobody}"), "refuse").end().exits(7);
    warns(&ended, &format!("{nobody} cannot be reached: Connection refused"));
}

#[test]
fn a_server_without_a_certificate_never_gets_the_token() {
    let stage = Stage::new();
    let server = Server::start(|_, _| webhook(""));
    let ended = at(stage.run(&["--exit", "7"]), &format!("https://{}", server.address()), "refuse")
        .set("telegram.timeout=2s")
        .end()
        .exits(7);
    warns(&ended, "cannot tell whether a webhook is set: ");
    assert!(server.requests().iter().all(|request| !request.line.contains(SECRET)));
}

#[test]
fn a_proxy_never_gets_the_token_and_is_used_for_https_only() {
    let stage = Stage::new();
    let proxy = Server::start(|_, _| {
        Reply::Raw(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec())
    });
    let variable = format!("http://me:hunter2@{}", proxy.address());
    let ended = at(stage.run(&["--exit", "7"]), "https://bot-api.invalid", "warn")
        .env("HTTPS_PROXY", &variable)
        .end()
        .exits(7);
    warns(&ended, "bot-api.invalid cannot be reached: the proxy refused the connection");
    let asked = proxy.requests();
    assert_eq!(
        asked.iter().map(|request| request.line.as_str()).collect::<Vec<_>>(),
        ["CONNECT bot-api.invalid:443 HTTP/1.1"]
    );
    let server = with_a_webhook();
    let ended = asking(stage.run(&["--exit", "7"]), &server, "warn")
        .env("HTTPS_PROXY", &variable)
        .env("HTTP_PROXY", &variable)
        .end();
    warns(&ended, "a webhook to `bot.example.org` is set");
    assert_eq!((proxy.connections(), server.connections()), (1, 1));
    let ended = at(stage.run(&["--exit", "7"]), "https://bot-api.invalid", "warn")
        .env("ALL_PROXY", "socks5://me:hunter2@host")
        .end();
    warns(&ended, "the proxy in $ALL_PROXY is not an http or https proxy");
}

#[test]
fn telegram_is_not_asked_when_disabled_or_without_a_token() {
    let stage = Stage::new();
    let server = with_a_webhook();
    asking(stage.run(&["--exit", "7"]), &server, "ignore").end().exits(7);
    asking(stage.plan(&[]), &server, "ignore").end().exits(0);
    let api_url = format!("telegram.api_url={}", server.url());
    stage.run(&["--exit", "7"]).set(&api_url).set("telegram.webhook=refuse").end().exits(7);
    stage.monopoll(&["doctor"]).set(&api_url).set("telegram.webhook=refuse").end().exits(0);
    asking(stage.monopoll(&["status"]), &server, "refuse").end().exits(3);
    asking(stage.monopoll(&["stop"]), &server, "refuse").end().exits(0);
    assert_eq!(server.connections(), 0);
}

/// Returns the document of a plan, which is valid against the schema.
#[track_caller]
fn document(ended: &Ended) -> Value {
    let said: Value =
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let schema =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/plan.schema.json"))
            .unwrap();
    assert!(jsonschema::is_valid(&serde_json::from_str(&schema).unwrap(), &said), "{said:#}");
    said
}

#[test]
fn a_plan_asks_telegram_and_only_reports() {
    let stage = Stage::new();
    let server = Server::start(|_, _| webhook(HOOK));
    for (what, expected) in [
        (
            "warn",
            "\nTelegram: a webhook to `bot.example.org` is set, so polling fails with 409 \
                Conflict; ",
        ),
        (
            "delete",
            "\nTelegram: a webhook to `bot.example.org` is set; a start deletes it and drops no \
                update.\n",
        ),
    ] {
        let plan = asking(stage.plan(&[]), &server, what).end().exits(0);
        assert!(plan.out.contains(expected), "{plan:?}");
        let dry = asking(
            stage.monopoll(&["run", "--dry-run", "--"]).argument(&testbot().display().to_string()),
            &server,
            what,
        )
        .end()
        .exits(0);
        assert!(dry.err.contains(expected) && dry.out.is_empty(), "{dry:?}");
        let json = asking(stage.plan(&[]), &server, what).flag("--json").end().exits(0);
        assert_eq!(document(&json)["verdict"], "clear");
        warns(&json, "a webhook to `bot.example.org` is set");
    }
    assert!(server.methods().iter().all(|method| method == "getWebhookInfo"));
    assert!(!stage.locks().exists());
    let none = Server::start(|_, _| webhook(""));
    assert!(
        asking(stage.plan(&[]), &none, "refuse")
            .end()
            .exits(0)
            .out
            .ends_with("\nTelegram: no webhook is set.\n")
    );
    assert_eq!(asking(stage.plan(&[]), &none, "refuse").flag("--json").end().exits(0).err, "");
}

#[test]
fn a_plan_refuses_as_the_start_would() {
    let stage = Stage::new();
    let server = Server::start(|_, _| webhook(HOOK));
    let _first = stage.bot(&[]).start();
    stage.ready(1);
    let plan = asking(stage.plan(&[]), &server, "refuse")
        .on_conflict("force")
        .end()
        .exits(75)
        .says("would refuse to start");
    assert!(
        plan.out.contains("would not start: a webhook to `bot.example.org` is set"),
        "{plan:?}"
    );
    let json = asking(stage.plan(&[]), &server, "refuse")
        .on_conflict("force")
        .flag("--json")
        .end()
        .exits(75);
    let document = document(&json);
    assert_eq!(document["verdict"], "refuse");
    assert!(
        document["reason"].as_str().unwrap().starts_with("a webhook to `bot.example.org` is set"),
        "{document:#}"
    );
    assert_eq!(document["conflicts"][0]["steps"], serde_json::json!([]));
}

#[test]
fn a_start_asks_again_after_a_wait() {
    for (what, code, methods) in [
        ("refuse", 75, vec!["getWebhookInfo", "getWebhookInfo"]),
        ("delete", 7, vec!["getWebhookInfo", "getWebhookInfo", "deleteWebhook", "getWebhookInfo"]),
    ] {
        let stage = Stage::new();
        let first = stage.run(&[]).start();
        stage.ready(1);
        let server = Server::start(|before, request| match (request.method(), before) {
            ("deleteWebhook", _) => deleted(),
            (_, 1) => webhook(HOOK),
            (_, _) => webhook(""),
        });
        let second = asking(stage.run(&["--exit", "7"]), &server, what).on_conflict("wait").start();
        second.wait_for("waiting for");
        first.signal(Signal::SIGTERM);
        second.end().exits(code);
        first.end().exits(0);
        assert_eq!(server.methods(), methods);
        assert!(stage.lock_is_free() && !stage.state_file("record").exists());
    }
}

#[test]
fn a_webhook_set_during_a_wait_refuses_before_after_wait_forces() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    let server = Server::start(|before, _| webhook(if before == 0 { "" } else { HOOK }));
    let second = asking(stage.run(&[]), &server, "refuse")
        .on_conflict("wait")
        .set("after_wait=force")
        .set("timeouts.wait=300ms");
    second.end().exits(75).says("a webhook to `bot.example.org` is set");
    assert!(first.is_alive());
}

#[test]
fn a_scan_from_before_a_slow_answer_is_not_acted_on() {
    let stage = Stage::new();
    let first = stage.bot(&[]).start();
    let old = stage.ready(1);
    let server = Server::start(move |_, _| {
        // The old bot ends while the start waits for the answer.
        send(old, Signal::SIGTERM);
        while is_alive(old) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // The answer takes longer than the snapshot stays fresh.
        std::thread::sleep(Duration::from_millis(100));
        webhook("")
    });
    let second = asking(stage.run(&[]), &server, "refuse").on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0);
    second.signal(Signal::SIGTERM);
    let ended = second.end().exits(0);
    assert!(
        ended.err.lines().all(|line| line.starts_with("monopoll: test: lock acquired, starting")),
        "nobody was ended: {ended:?}"
    );
}

#[test]
fn a_signal_ends_a_start_that_waits_for_telegram_at_once() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let stage = Stage::new();
        let first = stage.bot(&[]).start();
        stage.ready(1);
        let server = Server::start(|_, _| Reply::Hangs(Vec::new()));
        let start = asking(stage.run(&[]), &server, "refuse")
            .on_conflict("force")
            .set("telegram.timeout=1d")
            .start();
        stage.wait_until("the question", || (server.requests().len() == 1).then_some(()));
        start.signal(signal);
        start.end().exits(code).says("nothing is left behind");
        assert!(first.is_alive() && stage.lock_is_free() && !stage.state_file("record").exists());
    }
}

#[test]
fn a_signal_ends_a_start_that_waits_for_the_deletion_at_once() {
    let stage = Stage::new();
    let server = Server::start(|_, request| match request.method() {
        "deleteWebhook" => Reply::Hangs(Vec::new()),
        _ => webhook(HOOK),
    });
    let start = asking(stage.run(&[]), &server, "delete").set("telegram.timeout=1d").start();
    stage.wait_until("the deletion", || (server.requests().len() == 2).then_some(()));
    assert!(is_held(&stage.lock()));
    start.signal(Signal::SIGINT);
    start.end().exits(130).says("nothing is left behind");
    assert!(
        stage.lock_is_free() && !stage.state_file("record").exists() && stage.events().is_empty()
    );
}

#[test]
fn a_token_echoed_by_a_server_is_never_printed() {
    let stage = Stage::new();
    let mine = token();
    let said = format!("no bot{mine} here, {SECRET}\u{1b}[2J");
    let host = format!("https://{SECRET}.example.org/{mine}");
    for (index, what) in ["warn", "refuse", "delete"].iter().enumerate() {
        let (said, host) = (said.clone(), host.clone());
        let server = Server::start(move |_, request| match request.method() {
            "deleteWebhook" => failure(400, &said),
            _ if index == 0 => failure(400, &said),
            _ => webhook(&host),
        });
        let loud = |start: Start<'_>| -> Ended {
            let start = asking(start, &server, what).env("BOT_TOKEN", &mine);
            start.flag("-v").flag("-v").env("MONOPOLL_LOG", "trace").end()
        };
        for ended in [
            loud(stage.run(&["--exit", "7"])),
            loud(stage.plan(&[])),
            loud(stage.plan(&[]).flag("--json")),
            loud(stage.monopoll(&["doctor"])),
            loud(stage.monopoll(&["status", "--history"])),
        ] {
            assert!(
                !ended.out.contains(SECRET)
                    && !ended.err.contains(SECRET)
                    && !ended.err.contains('\u{1b}'),
                "{ended:?}"
            );
        }
    }
    assert_eq!(files_containing(SECRET, stage.folder()), Vec::<PathBuf>::new());
}

#[test]
fn doctor_reports_telegrams_answer() {
    let line = |server: &Server, what: &str, code| -> String {
        let stage = Stage::new();
        let ended = asking(stage.monopoll(&["doctor", "-v"]), server, what).end().exits(code);
        assert!(!ended.out.contains("hunter2") && !stage.locks().exists(), "{ended:?}");
        ended
            .out
            .lines()
            .skip_while(|line| !line.contains("Telegram "))
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let none = Server::start(|_, _| webhook(""));
    assert!(line(&none, "ignore", 0).contains("knows this bot, and no webhook is set"));
    let set = Server::start(|_, _| webhook(HOOK));
    assert!(
        line(&set, "ignore", 0)
            .contains("a webhook to `bot.example.org` is set: polling fails with 409 Conflict")
    );
    assert!(line(&set, "delete", 0).contains("a start deletes it"));
    assert!(line(&set, "refuse", 1).contains("a start is refused"));
    assert!(set.methods().iter().all(|method| method == "getWebhookInfo"));
    let unknown = Server::start(|_, _| failure(401, "Unauthorized"));
    assert!(
        line(&unknown, "ignore", 1).contains("does not know this bot's token (401 Unauthorized)")
    );
    let broken = Server::start(|_, _| failure(500, "Internal Server Error"));
    assert!(line(&broken, "ignore", 0).contains("answered 500: Internal Server Error"));
}
