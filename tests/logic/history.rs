//! The history file is limited in size, masked, and tolerant of any content.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use monopoll::internals::engine::action::Action;
use monopoll::internals::engine::process::ProcessId;
use monopoll::internals::engine::takeover_limit::{AttemptKind, TakeoverAttempt};
use monopoll::internals::engine::ticket::Ticket;
use monopoll::internals::state::counted_takeovers::takeover_attempts;
use monopoll::internals::state::history_event::{
    EndedConflict, GiveUpCause, HistoryEvent, HistoryEventKind,
};
use monopoll::internals::state::history_file::MAX_EVENTS;
use monopoll::internals::state::lock_folder::LockFolder;
use monopoll::internals::state::record::HostProcess;
use monopoll::internals::state::state_dir::StateDir;

const TOKEN: &str = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";

fn state_dir() -> (TempDir, StateDir) {
    let dir = TempDir::new().unwrap();
    let folder = LockFolder::open_existing(dir.path()).unwrap().unwrap();
    let state_dir = StateDir::new(Arc::new(folder), "bot1.lock");
    (dir, state_dir)
}

fn me() -> HostProcess {
    HostProcess { boot: "b0".to_owned(), pid_namespace: 1, process: ProcessId { pid: 7, start: 1 } }
}

fn event(ticket: u64, kind: HistoryEventKind) -> HistoryEvent {
    HistoryEvent::now(&me(), Ticket(ticket), kind)
}

fn stop(why: &str) -> HistoryEventKind {
    HistoryEventKind::Stop { why: why.to_owned(), asked_by: None, killed: 0 }
}

fn takeover(text: &str) -> HistoryEventKind {
    let ended = EndedConflict {
        from_pid: Some(u32::MAX),
        command: text.to_owned(),
        action: Action::Graceful,
        rule: Some(text.to_owned()),
        took_ms: u64::MAX,
        killed: u32::MAX,
    };
    HistoryEventKind::Takeover { ended, to_pid: Some(u32::MAX) }
}

#[test]
fn the_last_hundred_events_are_kept_and_read_back() {
    let (_dir, state_dir) = state_dir();
    assert_eq!(state_dir.history(), []);
    let kinds = [
        HistoryEventKind::Start { command: "python main.py".to_owned(), child_pid: 8, took_ms: 9 },
        HistoryEventKind::refusal(GiveUpCause::Limit, "too many".to_owned()),
        takeover("x"),
        HistoryEventKind::Loss { why: "deleted".to_owned(), times: 1 },
        stop("exited with 0"),
    ];
    let events: Vec<HistoryEvent> =
        kinds.into_iter().zip(1..).map(|(kind, ticket)| event(ticket, kind)).collect();
    state_dir.add_to_history(&events).unwrap();
    assert_eq!(state_dir.history(), events);
    for ticket in 6..=120 {
        state_dir.add_to_history(&[event(ticket, stop("again"))]).unwrap();
    }
    let tickets: Vec<u64> = state_dir.history().iter().map(|event| event.ticket.0).collect();
    assert_eq!(tickets, (21..=120).collect::<Vec<_>>());
}

#[test]
fn a_full_history_with_hostile_texts_is_read_completely() {
    let (dir, state_dir) = state_dir();
    for text in ["\u{1}".repeat(2000), "\"\\".repeat(2000), "名".repeat(2000), "a".repeat(2000)] {
        let event = HistoryEvent {
            boot: text.clone(),
            since_boot_ms: u64::MAX,
            at: u64::MAX,
            ..event(u64::MAX, takeover(&text))
        };
        state_dir.add_to_history(&vec![event; 120]).unwrap();
        assert_eq!(state_dir.history().len(), MAX_EVENTS);
        assert!(fs::metadata(dir.path().join("bot1.lock.history")).unwrap().len() < 60_000);
    }
}

#[test]
fn no_token_gets_into_the_history() {
    let (dir, state_dir) = state_dir();
    let secret = TOKEN.split_once(':').unwrap().1;
    let padded = format!("{}{TOKEN}", "x".repeat(110));
    let start = HistoryEventKind::Start {
        command: format!("bot --token={TOKEN}"),
        child_pid: 1,
        took_ms: 1,
    };
    state_dir
        .add_to_history(&[event(1, start), event(2, takeover(&padded)), event(3, stop(TOKEN))])
        .unwrap();
    let text = fs::read_to_string(dir.path().join("bot1.lock.history")).unwrap();
    assert!(!text.contains(&secret[..6]), "{text}");
    assert!(text.contains("123456:***"));
}

#[test]
fn a_corrupt_line_loses_no_other_line_and_a_corrupt_file_is_replaced() {
    let (dir, state_dir) = state_dir();
    let path = dir.path().join("bot1.lock.history");
    state_dir.add_to_history(&[event(1, stop("one")), event(2, stop("two"))]).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let unknown = concat!(
        r#"{"boot":"b","since_boot_ms":1,"at":1,"ticket":1,"pid":1,"#,
        r#""event":"from a newer version"}"#
    );
    fs::write(&path, format!("{{\n{unknown}\n\0\n{text}{{\"boot\":")).unwrap();
    assert_eq!(state_dir.history().len(), 2);
    for garbage in [b"\xff\xfe\x00".to_vec(), b"[".repeat(200_000), Vec::new()] {
        fs::write(&path, garbage).unwrap();
        assert_eq!(state_dir.history(), []);
        state_dir.add_to_history(&[event(3, stop("three"))]).unwrap();
        assert_eq!(state_dir.history().len(), 1);
    }
}

#[test]
fn a_failed_write_is_an_error_and_keeps_the_old_history() {
    let (dir, state_dir) = state_dir();
    state_dir.add_to_history(&[event(1, stop("one"))]).unwrap();
    // A folder at the path of the temporary file makes writing fail, even for root.
    fs::create_dir(dir.path().join("bot1.lock.history.new")).unwrap();
    let error = state_dir.add_to_history(&[event(2, stop("two"))]).unwrap_err();
    assert!(error.message().starts_with("cannot write the history"), "{error}");
    assert_eq!(state_dir.history().len(), 1);
}

#[test]
fn two_writers_lose_no_event() {
    let (dir, _) = state_dir();
    let write = |writer: u64| {
        let folder = LockFolder::open_existing(dir.path()).unwrap().unwrap();
        let state_dir = StateDir::new(Arc::new(folder), "bot1.lock");
        (0..10)
            .for_each(|n| state_dir.add_to_history(&[event(writer * 10 + n, stop("x"))]).unwrap());
    };
    std::thread::scope(|scope| {
        (0..4).for_each(|writer| drop(scope.spawn(move || write(writer))));
    });
    let folder = LockFolder::open_existing(dir.path()).unwrap().unwrap();
    let mut tickets: Vec<u64> = StateDir::new(Arc::new(folder), "bot1.lock")
        .history()
        .iter()
        .map(|event| event.ticket.0)
        .collect();
    tickets.sort_unstable();
    assert_eq!(tickets, (0..40).collect::<Vec<_>>());
}

#[test]
fn attempts_are_the_takeovers_and_limit_refusals_of_this_boot() {
    let at = |ms, event: HistoryEvent| HistoryEvent { since_boot_ms: ms, ..event };
    let refusal = |cause| HistoryEventKind::refusal(cause, String::new());
    let events = [
        at(1_000, HistoryEvent { boot: "another".to_owned(), ..event(1, takeover("x")) }),
        at(2_000, event(2, takeover("x"))),
        at(3_000, event(3, refusal(GiveUpCause::Limit))),
        at(3_500, event(4, refusal(GiveUpCause::Policy))),
        at(4_000, event(5, stop("x"))),
        at(9_000, event(6, takeover("still to come"))),
    ];
    let expected = [
        TakeoverAttempt { ago: Duration::from_secs(3), ticket: Ticket(2), kind: AttemptKind::Done },
        TakeoverAttempt {
            ago: Duration::from_secs(2),
            ticket: Ticket(3),
            kind: AttemptKind::RefusedByLimit,
        },
    ];
    assert_eq!(takeover_attempts(&events, "b0", Duration::from_secs(5)), expected);
}

#[test]
fn repeated_refusals_are_one_event_unless_they_count_toward_the_limit() {
    let (_dir, state_dir) = state_dir();
    let refused = |ticket, cause, why: &str| {
        state_dir
            .add_to_history(&[event(ticket, HistoryEventKind::refusal(cause, why.to_owned()))])
            .unwrap();
    };
    (1..=3).for_each(|ticket| refused(ticket, GiveUpCause::Policy, "on_conflict says refuse"));
    (4..=5).for_each(|ticket| refused(ticket, GiveUpCause::Limit, "too many takeovers"));
    refused(6, GiveUpCause::Policy, "on_conflict says refuse");
    let seen: Vec<_> = state_dir
        .history()
        .into_iter()
        .map(|event| match event.kind {
            HistoryEventKind::Refusal { cause, times, .. } => (event.ticket.0, cause, times),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        seen,
        [
            (3, GiveUpCause::Policy, 3),
            (4, GiveUpCause::Limit, 1),
            (5, GiveUpCause::Limit, 1),
            (6, GiveUpCause::Policy, 1)
        ]
    );
}

#[test]
fn events_are_in_the_order_in_which_they_happened() {
    let (_dir, state_dir) = state_dir();
    let early = HistoryEvent { since_boot_ms: 1, ..event(2, stop("written late")) };
    let before_the_boot = HistoryEvent { boot: "another".to_owned(), ..event(1, stop("x")) };
    for event in [before_the_boot, event(3, stop("x")), early] {
        state_dir.add_to_history(&[event]).unwrap();
    }
    let tickets: Vec<u64> = state_dir.history().iter().map(|event| event.ticket.0).collect();
    assert_eq!(tickets, [1, 2, 3]);
}
