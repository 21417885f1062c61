//! The Bot API server for tests treats pollers like the published server: a test for each rule.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use monopoll_test_bots::botapi::queue::{Call, Poll, Queue, Reply};
use monopoll_test_bots::botapi::{File, Kind, Report, Server};
use serde_json::{Value, json};

const TOKEN: &str = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";

// The rules of the queue, with a simulated clock.

fn call(offset: i64, limit: i64, timeout: i64) -> Call {
    Call { offset, limit, timeout }
}

fn after(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn filled(count: i64) -> Queue {
    let mut queue = Queue::default();
    (1..=count).for_each(|id| queue.push(json!({ "update_id": id })));
    queue
}

/// Returns the numbers of the updates that are returned at once.
#[track_caller]
fn given(poll: (Poll, impl Sized)) -> Vec<i64> {
    match poll.0 {
        Poll::Answered(Reply::Updates(updates)) => {
            updates.iter().map(|it| it["update_id"].as_i64().unwrap()).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// Returns how long a poll may wait, in milliseconds; 0 if it was answered.
fn time_left(poll: &Poll, now: Instant) -> u128 {
    match poll {
        Poll::Answered(_) => 0,
        Poll::Waits { until, .. } => until.duration_since(now).as_millis(),
    }
}

/// Returns the text of a 409 and the milliseconds until it is due.
#[track_caller]
fn conflict(reply: &Reply, began: Instant) -> (&'static str, u128) {
    match reply {
        Reply::Conflict(why, due) => (*why, due.duration_since(began).as_millis()),
        Reply::Updates(_) => panic!("{reply:?}"),
    }
}

#[track_caller]
fn waits(poll: (Poll, impl Sized)) -> tokio::sync::oneshot::Receiver<Reply> {
    match poll.0 {
        Poll::Waits { answer, .. } => answer,
        Poll::Answered(_) => panic!("{:?}", poll.0),
    }
}

#[test]
fn the_older_of_two_waiting_polls_is_evicted() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let mut first = waits(queue.poll(call(0, 100, 10), now));
    let (second, effects) = queue.poll(call(5, 100, 10), now);
    assert!(effects.evicted.is_some());
    let (why, due) = conflict(&first.try_recv().unwrap(), now);
    assert_eq!(
        (why.split(';').next(), due),
        (Some("Conflict: terminated by other getUpdates request"), 0)
    );
    assert_eq!(time_left(&second, now), 10_000);
}

#[test]
fn a_poll_that_finds_updates_evicts_no_other() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let mut first = waits(queue.poll(call(5, 100, 10), now));
    queue.push(json!({ "update_id": 1 }));
    assert!(first.try_recv().is_err(), "it waits for later ones");
    let (second, effects) = queue.poll(call(0, 100, 10), now);
    assert_eq!((given((second, ())), effects.evicted), (vec![1], None));
    assert!(first.try_recv().is_err(), "it still waits");
}

#[test]
fn a_poll_without_timeout_evicts_no_other() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let mut first = waits(queue.poll(call(7, 100, 10), now));
    let (second, effects) = queue.poll(call(8, 100, 0), now);
    assert_eq!((time_left(&second, now), effects.evicted), (0, None));
    assert!(first.try_recv().is_err(), "it still waits");
}

#[test]
fn two_pollers_alternate_without_a_409_while_there_is_traffic() {
    let (mut queue, now) = (filled(4), Instant::now());
    for offset in 1..4 {
        let (poll, effects) = queue.poll(call(offset, 1, 10), now + after(offset.unsigned_abs()));
        assert!(matches!(poll, Poll::Answered(Reply::Updates(_))) && effects.evicted.is_none());
    }
}

#[test]
fn limit_and_timeout_are_clamped() {
    let (mut queue, now) = (filled(150), Instant::now());
    assert_eq!(given(queue.poll(call(-200, 1000, 0), now)).len(), 100);
    assert_eq!(given(queue.poll(call(0, 0, 0), now)).len(), 1);
    assert_eq!(given(queue.poll(call(1, -5, 0), now)).len(), 1);
    assert_eq!(time_left(&queue.poll(call(151, 100, 600), now).0, now), 50_000);
    assert_eq!(time_left(&queue.poll(call(152, 100, -1), now).0, now), 0);
}

#[test]
fn the_same_offset_within_3_s_waits_for_3_s() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    assert_eq!(time_left(&queue.poll(call(1, 100, 0), now).0, now), 0);
    assert_eq!(
        time_left(&queue.poll(call(1, 100, 0), now + after(2999)).0, now + after(2999)),
        3000
    );
    assert_eq!(
        time_left(&queue.poll(call(1, 100, 2), now + after(5998)).0, now + after(5998)),
        3000
    );
    assert_eq!(
        time_left(&queue.poll(call(1, 100, 4), now + after(8000)).0, now + after(8000)),
        4000
    );
    assert_eq!(
        time_left(&queue.poll(call(1, 100, 0), now + after(11_000)).0, now + after(11_000)),
        0
    );
    assert_eq!(
        time_left(&queue.poll(call(2, 100, 0), now + after(11_001)).0, now + after(11_001)),
        0,
        "another offset"
    );
}

#[test]
fn the_same_offset_within_half_a_second_gets_one_update() {
    let (mut queue, now) = (filled(5), Instant::now());
    assert_eq!(given(queue.poll(call(1, 100, 0), now)).len(), 5);
    assert_eq!(given(queue.poll(call(1, 100, 0), now + after(499))).len(), 1);
    assert_eq!(given(queue.poll(call(1, 100, 0), now + after(999))).len(), 5);
}

#[test]
fn the_last_acknowledgement_of_a_shutdown_can_evict_a_successor() {
    let (mut queue, now) = (filled(1), Instant::now());
    let mut successor = waits(queue.poll(call(2, 100, 10), now));
    let (acknowledgement, effects) = queue.poll(call(2, 1, 0), now + after(100));
    assert!(effects.evicted.is_some() && time_left(&acknowledgement, now) > 0);
    assert!(matches!(successor.try_recv(), Ok(Reply::Conflict(..))));
}

#[test]
fn conflicts_are_paced() {
    let (mut queue, began) = (Queue::default(), Instant::now());
    let mut due = Vec::new();
    let mut earlier = waits(queue.poll(call(0, 100, 50), began));
    for (offset, at) in [(1, 0), (2, 100), (3, 2999), (4, 3000), (5, 3001)] {
        let later = waits(queue.poll(call(offset, 100, 50), began + after(at)));
        due.push(conflict(&std::mem::replace(&mut earlier, later).try_recv().unwrap(), began).1);
    }
    // A delayed 409 does not move the interval.
    assert_eq!(due, [0, 3100, 5999, 3000, 6001]);
}

#[test]
fn all_texts_are_paced_together() {
    let (mut queue, began) = (Queue::default(), Instant::now());
    let mut first = waits(queue.poll(call(0, 100, 50), began));
    queue.set_webhook("https://example.org", began);
    assert_eq!(
        conflict(&first.try_recv().unwrap(), began),
        ("Conflict: terminated by setWebhook request", 0)
    );
    let (Poll::Answered(second), _) = queue.poll(call(0, 100, 50), began + after(10)) else {
        panic!()
    };
    assert_eq!(conflict(&second, began).1, 3010);
}

#[test]
fn a_positive_offset_forgets_what_is_below_it() {
    let (mut queue, now) = (filled(5), Instant::now());
    let (poll, effects) = queue.poll(call(4, 100, 0), now);
    assert_eq!((given((poll, ())), effects.confirmed), (vec![4, 5], vec![1, 2, 3]));
}

#[test]
fn offset_0_forgets_nothing_and_reads_from_the_head() {
    let (mut queue, now) = (filled(5), Instant::now());
    let (poll, effects) = queue.poll(call(0, 2, 0), now);
    assert_eq!((given((poll, ())), effects.confirmed), (vec![1, 2], vec![]));
}

#[test]
fn a_negative_offset_keeps_the_last_few() {
    let (mut queue, now) = (filled(5), Instant::now());
    let (poll, effects) = queue.poll(call(-2, 100, 0), now);
    assert_eq!((given((poll, ())), effects.confirmed), (vec![4, 5], vec![1, 2, 3]));
    assert_eq!(queue.len(), 2);
}

#[test]
fn a_dead_poll_keeps_the_slot_and_gets_the_409() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    drop(waits(queue.poll(call(0, 100, 50), now)));
    let (_second, effects) = queue.poll(call(1, 100, 50), now + after(10));
    assert_eq!(format!("{:?}", effects.evicted), "Some(Dead)");
}

#[test]
fn an_update_that_went_to_a_dead_poll_comes_again() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    drop(waits(queue.poll(call(0, 100, 50), now)));
    queue.push(json!({ "update_id": 1 }));
    assert_eq!(given(queue.poll(call(0, 100, 50), now + after(600))), [1]);
}

#[test]
fn an_active_webhook_refuses_every_poll() {
    let (mut queue, now) = (filled(1), Instant::now());
    queue.set_webhook("https://example.org", now);
    let (Poll::Answered(refused), effects) = queue.poll(call(2, 100, 0), now) else { panic!() };
    let (why, _) = conflict(&refused, now);
    assert!(
        why.starts_with(
            "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook"
        ),
        "{why}"
    );
    assert!(effects.confirmed.is_empty());
    queue.set_webhook("", now);
    assert_eq!(given(queue.poll(call(1, 100, 0), now)), [1]);
}

#[test]
fn an_empty_webhook_ends_no_poll() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let mut first = waits(queue.poll(call(0, 100, 50), now));
    assert_eq!(queue.set_webhook("", now), None);
    assert!(first.try_recv().is_err(), "it still waits");
}

// The HTTP interface.

/// A call without an answer so far.
struct Sent(TcpStream);

fn send(server: &Server, path: &str, kind: &str, body: &str) -> Sent {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: \
            {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    Sent(stream)
}

fn ask(server: &Server, method: &str, parameters: &Value) -> Sent {
    send(server, &format!("/bot{TOKEN}/{method}"), "application/json", &parameters.to_string())
}

impl Sent {
    /// Returns the headers and the body.
    fn answer(mut self) -> (String, Vec<u8>) {
        let mut all = Vec::new();
        self.0.read_to_end(&mut all).unwrap();
        let end = all.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        (String::from_utf8(all[..end].to_vec()).unwrap(), all[end + 4..].to_vec())
    }

    fn json(self) -> Value {
        serde_json::from_slice(&self.answer().1).unwrap()
    }
}

#[track_caller]
fn until(server: &Server, condition: impl Fn(&Report) -> bool) -> Report {
    let began = Instant::now();
    loop {
        let report = server.report();
        if condition(&report) {
            return report;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{report:#?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A separate process that polls once.
struct Poller(Child);

impl Poller {
    fn start(server: &Server, parameters: &str) -> Poller {
        let address = server.address();
        let request = format!(
            "GET /bot{TOKEN}/getUpdates?{parameters} HTTP/1.1\r\nHost: x\r\nConnection: \
                close\r\n\r\n"
        );
        let script = format!(
            "exec 3<>/dev/tcp/{}/{}; printf '%s' \"$0\" >&3; exec cat <&3",
            address.ip(),
            address.port()
        );
        let mut bash = Command::new("bash");
        Poller(
            bash.args(["-c", &script, &request])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    }

    fn answer(mut self) -> String {
        let mut answer = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_conflict_has_no_parameters_and_says_409() {
    let server = Server::start(TOKEN);
    let first = ask(&server, "getUpdates", &json!({ "timeout": 50 }));
    until(&server, |report| report.pollers.len() == 1);
    // Both are this process's polls; the one that arrived first is evicted.
    let second = ask(&server, "getUpdates", &json!({ "timeout": 50, "offset": 9 }));
    let (head, body) = first.answer();
    assert!(head.starts_with("HTTP/1.1 409 "), "{head}");
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
    assert_eq!((&body["ok"], &body["error_code"]), (&json!(false), &json!(409)));
    drop(second);
    let conflicts = server.report().conflicts;
    assert_eq!((conflicts.decided, conflicts.to_the_living, conflicts.written), (1, 1, 1));
}

#[test]
fn a_wrong_token_is_unauthorized() {
    let server = Server::start(TOKEN);
    for path in ["/bot123456:wrong/getMe", "/botnonsense/getMe", "/bot/getMe"] {
        let (head, body) = send(&server, path, "application/json", "{}").answer();
        assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
        assert_eq!(
            body,
            json!({ "ok": false, "error_code": 401, "description": "Unauthorized" })
                .to_string()
                .as_bytes()
        );
    }
}

#[test]
fn too_many_requests_say_when_to_retry() {
    let server = Server::start(TOKEN);
    server.flood(1, 17);
    let (head, body) = ask(&server, "getMe", &json!({})).answer();
    assert!(
        head.starts_with("HTTP/1.1 429 ") && head.to_lowercase().contains("retry-after: 17"),
        "{head}"
    );
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["parameters"]["retry_after"], 17);
    assert_eq!(ask(&server, "getMe", &json!({})).json()["result"]["id"], 123_456);
}

#[test]
fn a_new_update_wakes_the_waiting_poll() {
    let server = Server::start(TOKEN);
    let mut took = Vec::new();
    for round in 1..=21 {
        let waiting = ask(&server, "getUpdates", &json!({ "timeout": 50, "offset": round }));
        until(&server, |report| report.pollers.iter().map(|it| it.polls).sum::<u32>() == round);
        let pushed = Instant::now();
        assert_eq!(server.inject(Kind::Text), i64::from(round));
        let answer = waiting.json();
        took.push(pushed.elapsed());
        assert_eq!(answer["result"][0]["message"]["text"], format!("number {round}"));
    }
    took.sort_unstable();
    println!("from an update's arrival to its answer: {:?} (median of {})", took[10], took.len());
}

#[test]
fn set_webhook_ends_the_waiting_poll_and_delete_webhook_allows_polls_again() {
    let server = Server::start(TOKEN);
    let waiting = ask(&server, "getUpdates", &json!({ "timeout": 50 }));
    until(&server, |report| report.pollers.len() == 1);
    ask(&server, "setWebhook", &json!({ "url": "https://example.org/x" })).json();
    assert_eq!(waiting.json()["description"], "Conflict: terminated by setWebhook request");
    assert_eq!(
        ask(&server, "getWebhookInfo", &json!({})).json()["result"]["url"],
        "https://example.org/x"
    );
    assert_eq!(
        ask(&server, "deleteWebhook", &json!({})).json(),
        json!({ "ok": true, "result": true })
    );
    assert_eq!(ask(&server, "getUpdates", &json!({})).json(), json!({ "ok": true, "result": [] }));
}

#[test]
fn parameters_come_as_a_form_as_json_and_in_the_query() {
    let server = Server::start(TOKEN);
    server.inject_all(&[Kind::Text; 3]);
    let path = format!("/bot{TOKEN}/getUpdates");
    let form = send(&server, &path, "application/x-www-form-urlencoded", "offset=2&limit=1").json();
    let query = send(&server, &format!("{path}?offset=3&limit=1"), "", "").json();
    assert_eq!(
        (&form["result"][0]["update_id"], &query["result"][0]["update_id"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(
        send(&server, &path, "multipart/form-data; boundary=x", "--x--").json()["error_code"],
        400
    );
}

#[test]
fn files_are_described_and_downloaded() {
    let server = Server::start(TOKEN);
    server.file("mine", File::new("documents/1.txt", b"hello".to_vec()));
    let file = ask(&server, "getFile", &json!({ "file_id": "mine" })).json()["result"].clone();
    assert_eq!((&file["file_size"], &file["file_path"]), (&json!(5), &json!("documents/1.txt")));
    assert_eq!(
        send(&server, &format!("/file/bot{TOKEN}/documents/1.txt"), "", "").answer().1,
        b"hello"
    );
    assert_eq!(
        send(&server, &format!("/file/bot{TOKEN}/documents/2.txt"), "", "").json()["error_code"],
        404
    );
    let voice = server.inject(Kind::Voice);
    let file =
        ask(&server, "getFile", &json!({ "file_id": format!("voice-{voice}") })).json()["result"]
            .clone();
    let path = file["file_path"].as_str().unwrap();
    assert_eq!(send(&server, &format!("/file/bot{TOKEN}/{path}"), "", "").answer().1.len(), 12_000);
    let huge = server.inject(Kind::HugeVoice);
    let refused = ask(&server, "getFile", &json!({ "file_id": format!("voice-{huge}") })).json();
    assert_eq!(refused["description"], "Bad Request: file is too big");
}

#[test]
fn updates_of_all_kinds_are_numbered_and_have_only_their_fields() {
    let server = Server::start(TOKEN);
    server.inject_all(&Kind::ALL);
    let all = ask(&server, "getUpdates", &json!({})).json()["result"].clone();
    let all = all.as_array().unwrap();
    let numbers: Vec<i64> = all.iter().map(|it| it["update_id"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (1..=14).collect::<Vec<_>>());
    let with = |what: &str| all.iter().filter(|it| it.to_string().contains(what)).count();
    assert_eq!(
        (
            with("\"channel_post\""),
            with("\"from\""),
            with("\"voice\":"),
            with("\"new_chat_members\"")
        ),
        (2, 11, 5, 1)
    );
    assert_eq!(
        (with("\"duration\":0"), with("\"file_size\":0"), with("4503599627370496")),
        (1, 1, 1)
    );
}

#[test]
fn updates_arrive_at_the_requested_rate() {
    let server = Server::start(TOKEN);
    let began = Instant::now();
    let flow = server.flow(200.0, &[Kind::Text]);
    until(&server, |report| report.injected >= 101);
    // The first update comes at once. A busy machine may be late and then catches up.
    assert!(began.elapsed() >= Duration::from_millis(495), "{:?}", began.elapsed());
    drop(flow);
}

// The statistics.

#[test]
fn two_processes_that_poll_at_once_are_distinguished() {
    let server = Server::start(TOKEN);
    let first = Poller::start(&server, "timeout=50");
    until(&server, |report| report.pollers.len() == 1);
    let second = Poller::start(&server, "timeout=50&offset=1");
    let report = until(&server, |report| report.pollers.len() == 2);
    assert_eq!(
        report.pollers.iter().map(|it| it.pid).collect::<Vec<_>>(),
        [first.0.id(), second.0.id()]
    );
    assert_eq!((report.most_at_once, report.conflicts.to_the_living), (2, 1));
    assert!(first.answer().starts_with("HTTP/1.1 409 "));
}

#[test]
fn pollers_in_turn_count_as_one_at_a_time_and_the_gap_is_known() {
    let server = Server::start(TOKEN);
    for round in 1..=2 {
        assert!(
            Poller::start(&server, &format!("offset={round}"))
                .answer()
                .starts_with("HTTP/1.1 200 ")
        );
    }
    let report = server.report();
    assert_eq!((report.most_at_once, report.pollers.len(), report.hand_overs.len()), (1, 2, 1));
    assert!(report.hand_overs[0].gap_ms > 0.0, "{report:?}");
}

#[test]
fn two_alternating_pollers_count_as_two_at_once_without_a_409() {
    let server = Server::start(TOKEN);
    Poller::start(&server, "offset=1").answer();
    ask(&server, "getUpdates", &json!({ "offset": 2 })).json();
    let here = std::process::id();
    let other = Poller::start(&server, "timeout=50&offset=3");
    until(&server, |report| report.pollers.len() == 3);
    // This process polled before the other one, and polls again with an immediate answer.
    ask(&server, "getUpdates", &json!({ "offset": 4 })).json();
    let report = server.report();
    assert_eq!(
        (report.most_at_once, report.conflicts.decided),
        (2, 0),
        "{here}, {}: {report:?}",
        other.0.id()
    );
}

#[test]
fn a_killed_poller_counts_no_more_although_it_gets_a_409() {
    let server = Server::start(TOKEN);
    let first = Poller::start(&server, "timeout=50");
    until(&server, |report| report.pollers.len() == 1);
    drop(first);
    let dead = until(&server, |report| {
        report.pollers[0].last_ms < server.began().elapsed().as_secs_f64() * 1000.0 - 20.0
    });
    assert_eq!(dead.most_at_once, 1);
    let second = ask(&server, "getUpdates", &json!({ "offset": 1, "timeout": 50 }));
    let report = until(&server, |report| report.pollers.len() == 2);
    let conflicts = report.conflicts;
    assert_eq!(
        (report.most_at_once, conflicts.decided, conflicts.to_the_living, conflicts.written),
        (1, 1, 0, 0)
    );
    drop(second);
}

#[test]
fn the_account_counts_repeated_lost_and_waiting_updates() {
    let server = Server::start(TOKEN);
    server.inject_all(&[Kind::Text; 4]);
    for (text, chat) in [("update 1", 7), ("update 2", 7), ("update 2", -7), ("something else", 7)]
    {
        let sent = ask(&server, "sendMessage", &json!({ "chat_id": chat, "text": text })).json();
        assert_eq!(
            (&sent["result"]["text"], &sent["result"]["chat"]["id"]),
            (&json!(text), &json!(chat))
        );
    }
    ask(&server, "getUpdates", &json!({ "offset": 4 })).json();
    let report = server.report();
    assert_eq!(
        (report.injected, report.processed, report.waiting, report.unconfirmed),
        (4, 2, 1, 1)
    );
    assert_eq!((report.processed_twice, report.lost), (vec![2], vec![3]));
}

#[test]
fn the_account_is_served_over_http_too() {
    let server = Server::start(TOKEN);
    server.inject(Kind::Text);
    let statistics = send(&server, "/statistics", "", "").json();
    assert_eq!((&statistics["injected"], &statistics["most_at_once"]), (&json!(1), &json!(0)));
}
