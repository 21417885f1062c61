//! A teloxide bot with its own guard, with a server that treats two pollers like Telegram.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use monopoll_test_bots::botapi::{Kind, Report, Server};
use monopoll_test_bots::programs::example;
use monopoll_test_bots::stage::{SECRET, Stage, Start, is_alive, token};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// A bot, its server and its competitors.
struct World {
    stage: Stage,
    server: Server,
    token: String,
}

impl World {
    fn new() -> World {
        let token = token();
        World { stage: Stage::new(), server: Server::start(&token), token }
    }

    /// Runs the bot under its guard.
    fn bot(&self, args: &[&str]) -> Start<'_> {
        let locks = format!("[\"{}\"]", self.stage.lock().display());
        self.rival("guarded_echo", args)
            .env("MONOPOLL_LOCK__PATHS", locks)
            .env("MONOPOLL_TELEGRAM__CONFLICT_WINDOW", "3s")
    }

    /// Runs the same bot under `monopoll run`.
    fn under_run(&self) -> Start<'_> {
        let run =
            self.stage.run_command(example("guarded_echo"), &[]).env("MONOPOLL_INSTANCE", "test");
        run.env("TELOXIDE_TOKEN", &self.token).env("TELOXIDE_API_URL", self.server.url())
    }

    /// Runs a bot that has the token but no guard.
    fn rival(&self, program: &str, args: &[&str]) -> Start<'_> {
        self.stage
            .program(example(program), args)
            .env("TELOXIDE_TOKEN", &self.token)
            .env("TELOXIDE_API_URL", self.server.url())
    }

    #[track_caller]
    fn until(&self, what: &str, condition: impl Fn(&Report) -> bool) -> Report {
        self.stage.wait_until(what, || Some(self.server.report()).filter(&condition))
    }

    #[track_caller]
    fn polls(&self, pid: u32) {
        self.until("its polls", |report| report.pollers.iter().any(|poller| poller.pid == pid));
    }

    /// Sends a request to the server.
    fn ask(&self, method: &str, parameters: &Value) -> String {
        let (body, address): (String, SocketAddr) = (parameters.to_string(), self.server.address());
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /bot{}/{method} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n",
            self.token
        );
        write!(
            stream,
            "{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[track_caller]
fn nothing_is_lost(report: &Report) {
    assert_eq!((&report.lost, &report.processed_twice), (&Vec::new(), &Vec::new()), "{report:?}");
}

#[test]
fn sigterm_lets_the_handlers_finish_and_confirms_what_they_did() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let world = World::new();
        let bot = world.bot(&[]).env("HANDLER_MS", "700").start();
        world.polls(bot.pid());
        world.server.inject_all(&[Kind::Text; 5]);
        world.stage.nth_pid_of(1, "update 5");
        bot.signal(signal);
        bot.wait_for("polling stops");
        assert!(!world.stage.lock_is_free(), "the lock goes last");
        bot.end().exits(0);
        let report = world.server.report();
        nothing_is_lost(&report);
        assert_eq!((report.processed, report.unconfirmed), (5, 0), "{report:?}");
        assert!(world.stage.lock_is_free());
    }
}

#[test]
fn a_bot_that_is_refused_never_polls() {
    let world = World::new();
    let first = world.bot(&[]).start();
    world.polls(first.pid());
    world.bot(&[]).end().exits(75).says("`on_conflict` says refuse");
    let report = world.server.report();
    assert_eq!((report.pollers.len(), report.conflicts.decided), (1, 0), "{report:?}");
}

#[test]
fn a_newer_start_takes_over_without_a_conflict_and_nothing_is_lost() {
    let world = World::new();
    let first = world.bot(&[]).env("HANDLER_MS", "300").start();
    world.polls(first.pid());
    let flow = world.server.flow(40.0, &[Kind::Text]);
    world.until("updates", |report| report.processed > 10);
    let second =
        world.bot(&[]).env("HANDLER_MS", "300").env("MONOPOLL_ON_CONFLICT", "graceful").start();
    world.polls(second.pid());
    first.end().exits(0);
    let before = world.server.report().processed;
    world.until("more updates", |report| report.processed > before + 10);
    drop(flow);
    world.until("the rest", |report| report.waiting == 0);
    second.signal(Signal::SIGTERM);
    second.end().exits(0);
    let report = world.server.report();
    nothing_is_lost(&report);
    assert_eq!(
        (report.most_at_once, report.conflicts.to_the_living, report.unconfirmed),
        (1, 0, 0),
        "{report:?}"
    );
}

#[test]
fn a_short_conflict_is_ridden_out() {
    let world = World::new();
    let bot = world.bot(&["--health"]).env("MONOPOLL_TELEGRAM__CONFLICT_WINDOW", "60s").start();
    world.polls(bot.pid());
    world.stage.nth_pid_of(1, "hears");
    world.ask("getUpdates", &json!({ "timeout": 1 }));
    bot.wait_for("another process polls with this bot's token (409 Conflict); polling is retried");
    bot.wait_for("search other hosts");
    world.server.inject(Kind::Text);
    world.until("an answer", |report| report.processed == 1);
    bot.signal(Signal::SIGTERM);
    bot.end().exits(0);
}

#[test]
fn a_lasting_conflict_ends_the_polling_with_75() {
    let world = World::new();
    let rival = world.rival("teloxide_echo", &[]).start();
    world.polls(rival.pid());
    let bot = world.bot(&[]).end();
    bot.exits(75)
        .says("stopped polling: another process polls with this bot's token (409 Conflict, ");
    assert!(rival.is_alive() && world.stage.lock_is_free());
    nothing_is_lost(&world.server.report());
}

#[test]
fn a_webhook_is_distinguished_from_a_second_poller() {
    let world = World::new();
    let bot = world.bot(&[]).start();
    world.polls(bot.pid());
    world.ask("setWebhook", &json!({ "url": "https://example.org/hook" }));
    bot.wait_for("a webhook is set for this bot (409 Conflict); polling is retried");
    bot.end().exits(75).says("stopped polling: a webhook is set for this bot");
}

#[test]
fn a_webhook_that_is_deleted_in_time_is_ridden_out() {
    let world = World::new();
    let bot = world.bot(&[]).env("MONOPOLL_TELEGRAM__CONFLICT_WINDOW", "60s").start();
    world.polls(bot.pid());
    world.ask("setWebhook", &json!({ "url": "https://example.org/hook" }));
    bot.wait_for("a webhook is set for this bot");
    world.ask("deleteWebhook", &json!({}));
    world.server.inject(Kind::Text);
    world.until("an answer", |report| report.processed == 1);
    assert!(bot.is_alive());
}

#[test]
fn health_is_the_age_of_the_last_good_poll() {
    let world = World::new();
    let bot = world.bot(&["--health"]).env("MONOPOLL_TELEGRAM__CONFLICT_WINDOW", "60s").start();
    world.stage.nth_pid_of(1, "hears");
    let World { stage, server, .. } = &world;
    world.ask("setWebhook", &json!({ "url": "https://example.org/hook" }));
    stage.nth_pid_of(1, "is deaf");
    world.ask("deleteWebhook", &json!({}));
    stage.nth_pid_of(2, "hears");
    let order: Vec<String> = stage.events().into_iter().map(|event| event.what).collect();
    assert_eq!(order, ["has not heard yet", "hears", "is deaf", "hears"]);
    assert!(bot.is_alive() && server.report().conflicts.decided > 0);
}

#[test]
fn a_lost_guard_stops_the_polling() {
    let world = World::new();
    let bot = world.bot(&[]).start();
    world.polls(bot.pid());
    world.stage.wait_for_start_mutex();
    let new = world.stage.folder().join("new");
    let theirs = fs::File::create(&new).unwrap();
    theirs.lock().unwrap();
    fs::rename(&new, world.stage.lock()).unwrap();
    bot.wait_for("the lock was lost to another guard: polling stops");
    bot.end().exits(0);
    drop(theirs);
}

#[test]
fn a_program_that_handles_its_own_signals_ends_by_itself() {
    let world = World::new();
    let bot = world.bot(&["--owns-signals"]).start();
    world.polls(bot.pid());
    bot.signal(Signal::SIGUSR1);
    bot.end().exits(0);
    assert_eq!(world.stage.pids_of("end: the program asked for it").len(), 1);
    // monopoll installs no signal handler.
    let bot = world.bot(&["--owns-signals"]).start();
    world.polls(bot.pid());
    bot.signal(Signal::SIGTERM);
    assert_eq!(bot.end().signal, Some(15));
}

#[test]
fn a_program_may_shut_its_dispatcher_down_itself() {
    let world = World::new();
    world.server.inject(Kind::Text);
    let bot = world.bot(&["--shuts-down"]).end();
    bot.exits(0);
    assert_eq!(world.stage.pids_of("end: the program shut down its dispatcher").len(), 1);
    let report = world.server.report();
    assert_eq!((report.processed, report.unconfirmed), (1, 0), "{report:?}");
}

#[test]
fn a_signal_before_the_guard_is_held_ends_the_wait() {
    let world = World::new();
    let first = world.bot(&[]).start();
    world.polls(first.pid());
    let second = world.bot(&[]).env("MONOPOLL_ON_CONFLICT", "wait").start();
    second.wait_for("wait");
    second.signal(Signal::SIGTERM);
    second.end().exits(143).says("ended by a signal before the start");
    assert!(first.is_alive());
    assert_eq!(world.server.report().pollers.len(), 1);
}

#[test]
fn a_rejected_token_and_an_unreachable_server_are_no_panics() {
    let world = World::new();
    let other = format!("1{}", world.token);
    world
        .bot(&[])
        .env("TELOXIDE_TOKEN", &other)
        .end()
        .exits(78)
        .says("Telegram rejects the bot token");
    world
        .bot(&[])
        .env("TELOXIDE_API_URL", "http://127.0.0.1:9")
        .end()
        .exits(75)
        .says("cannot reach Telegram");
    assert!(world.stage.lock_is_free() && !world.stage.transcript().contains(SECRET));
}

#[test]
fn the_guard_of_monopoll_run_is_adopted_and_a_takeover_drains_the_bot() {
    let world = World::new();
    let first = world.under_run().env("HANDLER_MS", "500").start();
    world.until("a poll", |report| report.pollers.len() == 1);
    let old = world.server.report().pollers[0].pid;
    world.server.inject_all(&[Kind::Text; 3]);
    world.stage.nth_pid_of(1, "update 3");
    let _second = world.under_run().on_conflict("graceful").start();
    world.until("the new one's polls", |report| report.pollers.len() == 2);
    first.end().exits(0).says("took over");
    assert!(!is_alive(old));
    let report = world.until("everything", |report| report.processed == 3);
    nothing_is_lost(&report);
    assert_eq!((report.most_at_once, report.conflicts.to_the_living), (1, 0), "{report:?}");
}

#[test]
fn a_flood_wait_is_observed_and_polling_continues() {
    let world = World::new();
    let bot = world.bot(&[]).start();
    world.polls(bot.pid());
    world.server.flood(1, 1);
    world.server.inject(Kind::Text);
    bot.wait_for("a poll failed; retrying in 1s");
    world.until("an answer", |report| report.processed == 1);
    assert!(bot.is_alive());
}
