//! Statuses, and the plans of a stop, as text and as JSON.

use std::time::{Duration, UNIX_EPOCH};

use crate::fixture::*;
use serde_json::Value;

use monopoll::internals::engine::action::{Action, OnConflict};
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::fact::Fact::Known;
use monopoll::internals::engine::ladder::StopMode;
use monopoll::internals::engine::managed_by::ManagedBy;
use monopoll::internals::engine::plan::Plan;
use monopoll::internals::engine::policy::{Conditions, Policy, Purpose};
use monopoll::internals::engine::process::{Process, ProcessId, Role};
use monopoll::internals::engine::snapshot::{Caller, LockState, Snapshot};
use monopoll::internals::engine::ticket::Ticket;
use monopoll::internals::guard::instance_status::{InstanceState, InstanceStatus};
use monopoll::internals::report::status_json::{StatusDocument, all, one};
use monopoll::internals::report::status_text::{list, text};
use monopoll::internals::report::{Context, history_text, plan_text};
use monopoll::internals::state::history_event::{
    EndedConflict, GiveUpCause, HistoryEvent, HistoryEventKind,
};
use monopoll::internals::state::record::{HostProcess, Record, RecordStage};
use monopoll::internals::text::{Paint, output_schema};

/// 2026-01-01T01:00:00Z, one hour after a guard of the fixture got the instance.
const MOMENT: Duration = Duration::from_hours(490_897);
const SINCE: u64 = 1_767_225_600;
const HOSTILE: &str = "py\u{1b}]0;gone\u{7}\n\u{202e}123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";

fn context() -> Context<'static> {
    Context {
        instance: "voice-insight".to_owned(),
        command: None,
        profile: None,
        purpose: Purpose::Start,
        host: "web-1".to_owned(),
        now_wall: UNIX_EPOCH + MOMENT,
        origin: &|_| "default".to_owned(),
    }
}

fn me() -> HostProcess {
    HostProcess {
        boot: "b0".to_owned(),
        pid_namespace: 1,
        process: ProcessId { pid: MY_PID, start: 1 },
    }
}

fn record(state: RecordStage) -> Record {
    Record {
        version: 1,
        instance: "voice-insight".to_owned(),
        stage: state,
        ticket: Ticket(7),
        holder: HostProcess { process: process(10).id, ..me() },
        locks: Vec::new(),
        host: "web-1".to_owned(),
        user: "bot".to_owned(),
        command: "python3 main.py".to_owned(),
        since: SINCE,
        profile: Some("production".to_owned()),
        child: Some(process(11).id),
        monopoll: "0.1.0".to_owned(),
    }
}

fn event(ticket: u64, kind: HistoryEventKind) -> HistoryEvent {
    HistoryEvent {
        boot: "b0".to_owned(),
        since_boot_ms: 1_000 * ticket,
        at: SINCE + 60 * ticket,
        ticket: Ticket(ticket),
        pid: 10,
        kind,
    }
}

fn ended(rule: Option<&str>) -> EndedConflict {
    let rule = rule.map(str::to_owned);
    EndedConflict {
        from_pid: Some(4),
        command: "python3 main.py".to_owned(),
        action: Action::Graceful,
        rule,
        took_ms: 1_200,
        killed: 0,
    }
}

fn history() -> Vec<HistoryEvent> {
    let killed = EndedConflict { killed: 2, action: Action::Force, from_pid: None, ..ended(None) };
    vec![
        event(
            3,
            HistoryEventKind::Start {
                command: "python3 main.py".to_owned(),
                child_pid: 5,
                took_ms: 12,
            },
        ),
        event(4, HistoryEventKind::Takeover { ended: killed, to_pid: None }),
        event(
            5,
            HistoryEventKind::Refusal {
                cause: GiveUpCause::Policy,
                why: "`on_conflict` says refuse".to_owned(),
                times: 37,
            },
        ),
        event(
            6,
            HistoryEventKind::Refusal {
                cause: GiveUpCause::Limit,
                why: "too many takeovers".to_owned(),
                times: 1,
            },
        ),
        event(
            7,
            HistoryEventKind::Takeover {
                ended: ended(Some("the forgotten may go")),
                to_pid: Some(10),
            },
        ),
        event(
            7,
            HistoryEventKind::Start {
                command: "python3 main.py".to_owned(),
                child_pid: 11,
                took_ms: 1_340,
            },
        ),
        event(
            7,
            HistoryEventKind::Loss {
                why: "the lock file was deleted; it was taken back".to_owned(),
                times: 1,
            },
        ),
    ]
}

fn seen(snapshot: &Snapshot) -> Plan {
    decide(&policy(OnConflict::Refuse), snapshot)
}

fn status_of(
    snapshot: &Snapshot,
    record: Option<Record>,
    history: Vec<HistoryEvent>,
) -> InstanceStatus {
    InstanceStatus::of("voice-insight", seen(snapshot), None, record, history, &me()).unwrap()
}

fn running() -> InstanceStatus {
    status_of(&guarded(Some(7)), Some(record(RecordStage::Running)), history())
}

fn managed() -> InstanceStatus {
    let mut snapshot = guarded(Some(7));
    snapshot.processes[0].managed_by = Known(Some(ManagedBy::Systemd("bot.service".to_owned())));
    let start = event(
        7,
        HistoryEventKind::Start {
            command: "python3 main.py".to_owned(),
            child_pid: 11,
            took_ms: 9,
        },
    );
    status_of(
        &snapshot,
        Some(Record { profile: None, ..record(RecordStage::Stopping) }),
        vec![start],
    )
}

fn starting() -> InstanceStatus {
    let guard = guard_process(10);
    status_of(&snapshot(vec![guard]), None, Vec::new())
}

fn alerted() -> InstanceStatus {
    let alert = |times, why: &str| HistoryEventKind::Alert { why: why.to_owned(), times };
    let events = vec![
        event(6, alert(1, "of an earlier guard")),
        event(7, alert(1, "two pollers are running: `python3 main.py` (pid 12) comes back")),
        event(7, alert(3, "`python3 main.py` (pid 13) may be another bot's")),
    ];
    status_of(&guarded(Some(7)), Some(record(RecordStage::Running)), events)
}

fn stopped() -> InstanceStatus {
    let stop = event(
        8,
        HistoryEventKind::Stop {
            why: "COMMAND exited with 0".to_owned(),
            asked_by: None,
            killed: 0,
        },
    );
    status_of(&snapshot(Vec::new()), Some(record(RecordStage::Running)), vec![stop])
}

fn unguarded() -> InstanceStatus {
    status_of(&snapshot(vec![same_command(5)]), None, Vec::new())
}

fn left_behind() -> InstanceStatus {
    let child = Process { holds_lock: Known(true), ..process(11) };
    status_of(&snapshot(vec![child]), Some(record(RecordStage::Running)), history())
}

fn foreign() -> InstanceStatus {
    let holder = Process { holds_lock: Known(true), name: Known("flock".to_owned()), ..process(5) };
    status_of(&snapshot(vec![holder]), None, Vec::new())
}

fn nobody() -> InstanceStatus {
    status_of(
        &Snapshot { locks: vec![lock(LockState::Held(Vec::new()))], ..snapshot(Vec::new()) },
        None,
        Vec::new(),
    )
}

fn elsewhere() -> InstanceStatus {
    let snapshot = Snapshot {
        locks: vec![lock(LockState::Held(Vec::new()))],
        guards: vec![guard(None, Some(7))],
        ..snapshot(Vec::new())
    };
    let mut record = record(RecordStage::Running);
    record.holder.pid_namespace = 2;
    status_of(&snapshot, Some(record), history())
}

fn unreadable() -> InstanceStatus {
    InstanceStatus::unknown(
        "voice-insight",
        "the lock cannot be used: the folder belongs to another user (uid 7): /run/x".to_owned(),
    )
}

fn hostile() -> InstanceStatus {
    let text = || HOSTILE.to_owned();
    let record = Record {
        command: text(),
        user: text(),
        host: text(),
        monopoll: text(),
        profile: Some(text()),
        ..record(RecordStage::Running)
    };
    let takeover = EndedConflict { command: text(), rule: Some(text()), ..ended(None) };
    let events = vec![
        event(7, HistoryEventKind::Takeover { ended: takeover, to_pid: Some(10) }),
        event(7, HistoryEventKind::Stop { why: text(), asked_by: Some(9), killed: 0 }),
        event(7, HistoryEventKind::Refusal { cause: GiveUpCause::Failed, why: text(), times: 1 }),
        event(7, HistoryEventKind::Alert { why: text(), times: 1 }),
    ];
    status_of(&guarded(Some(7)), Some(record), events)
}

fn every() -> Vec<(&'static str, InstanceStatus)> {
    vec![
        ("running", running()),
        ("managed", managed()),
        ("alerted", alerted()),
        ("starting", starting()),
        ("stopped", stopped()),
        ("unguarded", unguarded()),
        ("left_behind", left_behind()),
        ("foreign", foreign()),
        ("nobody", nobody()),
        ("elsewhere", elsewhere()),
        ("unreadable", unreadable()),
        ("hostile", hostile()),
    ]
}

#[test]
fn each_status_has_its_text() {
    for (name, status) in every() {
        insta::assert_snapshot!(format!("text_{name}"), text(&status, &context(), Paint::Plain));
    }
}

#[test]
fn a_list_has_one_line_per_instance() {
    let named = |(name, status): (&str, InstanceStatus)| InstanceStatus {
        instance: name.to_owned(),
        ..status
    };
    let statuses: Vec<InstanceStatus> = every().into_iter().map(named).collect();
    insta::assert_snapshot!(
        "list",
        list(&statuses.iter().collect::<Vec<_>>(), &context(), Paint::Plain)
    );
}

#[test]
fn a_history_has_one_line_per_event() {
    let more = [
        event(
            8,
            HistoryEventKind::Stop {
                why: "a newer start took over; COMMAND exited with 0".to_owned(),
                asked_by: Some(9),
                killed: 2,
            },
        ),
        event(9, HistoryEventKind::Clearing { ended: ended(None) }),
    ];
    insta::assert_snapshot!(
        "history",
        history_text::text(&history().into_iter().chain(more).collect::<Vec<_>>())
    );
    assert_eq!(history_text::text(&[]), "No history.\n");
}

#[test]
fn hostile_texts_are_sanitized() {
    let status = hostile();
    let json = serde_json::to_string(&one(&status, &context())).unwrap();
    for printed in
        [text(&status, &context(), Paint::Plain), history_text::text(&status.history), json]
    {
        assert!(!printed.contains("AAHdqTcvCH1"), "{printed}");
        assert!(!printed.chars().any(|c| c.is_control() && c != '\n'), "{printed:?}");
    }
}

#[test]
fn the_state_follows_the_kernel_and_not_the_record() {
    let state_after = |earlier: Option<&Record>, snapshot: &Snapshot, record| {
        InstanceStatus::of("voice-insight", seen(snapshot), earlier, record, Vec::new(), &me())
            .map(|status| status.state)
    };
    let state = |snapshot: &Snapshot, record| state_after(None, snapshot, record);
    let guarded = guarded(Some(7));
    for (stage, expected) in [
        (RecordStage::Starting, InstanceState::Starting),
        (RecordStage::Running, InstanceState::Running),
        (RecordStage::Stopping, InstanceState::Stopping),
    ] {
        assert_eq!(state(&guarded, Some(record(stage))), Some(expected));
    }
    let free = snapshot(Vec::new());
    let another_boot = Record {
        holder: HostProcess { boot: "b1".to_owned(), ..me() },
        ..record(RecordStage::Running)
    };
    let stranger = Process { holds_lock: Known(true), ..process(5) };
    let monopoll = Process { role: Role::Monopoll, ..stranger.clone() };
    // Its record has just gone: it is about to release the lock.
    let earlier = record(RecordStage::Running);
    for leaving in [&guarded, &snapshot(vec![monopoll.clone()])] {
        assert_eq!(state_after(Some(&earlier), leaving, None), None);
    }
    assert_eq!(state_after(Some(&earlier), &free, None), Some(InstanceState::Stopped));
    for (what, snapshot, record, expected) in [
        (
            "a record that nobody stands behind",
            free.clone(),
            Some(record(RecordStage::Running)),
            Some(InstanceState::Stopped),
        ),
        ("no record", free.clone(), None, Some(InstanceState::Stopped)),
        (
            "the record of another instance with the same lock",
            guarded.clone(),
            Some(Record { instance: "x".to_owned(), ..record(RecordStage::Running) }),
            Some(InstanceState::Unknown),
        ),
        (
            "a holder that the record does not name",
            snapshot(vec![stranger.clone()]),
            Some(record(RecordStage::Running)),
            Some(InstanceState::Unknown),
        ),
        (
            "a record of another boot",
            snapshot(vec![stranger]),
            Some(another_boot),
            Some(InstanceState::Unknown),
        ),
        (
            "a start without a record yet",
            snapshot(vec![monopoll]),
            None,
            Some(InstanceState::Starting),
        ),
        ("a guard that has no record yet", guarded.clone(), None, Some(InstanceState::Starting)),
        (
            "a guard whose record has just changed",
            guarded,
            Some(Record { ticket: Ticket(8), ..record(RecordStage::Running) }),
            None,
        ),
        (
            "a lock that cannot be looked at",
            Snapshot { locks: vec![lock(LockState::Unknown)], ..free },
            None,
            Some(InstanceState::Unknown),
        ),
    ] {
        assert_eq!(state(&snapshot, record), expected, "{what}");
    }
}

#[test]
fn a_guard_that_has_ended_is_not_said_to_be_in_another_pid_namespace() {
    let child = Process { holds_lock: Known(true), ..same_command(11) };
    let old = Record { child: None, ..record(RecordStage::Running) };
    let status = status_of(&snapshot(vec![child]), Some(old), Vec::new());
    assert_eq!(status.state, InstanceState::Unguarded);
    let listed = list(&[&status], &context(), Paint::Plain);
    assert!(listed.contains("its guard has ended"), "{listed}");
    assert!(!listed.contains("namespace"), "{listed}");
}

#[test]
fn the_schema_file_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/status.schema.json");
    let fresh = serde_json::to_string_pretty(&output_schema::<StatusDocument>()).unwrap() + "\n";
    #[expect(clippy::disallowed_methods, reason = "a test may look at the tree that it is part of")]
    {
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(path, &fresh).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            fresh,
            "stale: run the tests once with UPDATE_SCHEMAS=1"
        );
    }
}

fn valid(document: &Value) -> bool {
    jsonschema::validator_for(output_schema::<StatusDocument>().as_value())
        .unwrap()
        .is_valid(document)
}

#[test]
fn every_document_is_valid_and_a_broken_one_is_not() {
    let statuses: Vec<InstanceStatus> = every().into_iter().map(|(_, status)| status).collect();
    for status in &statuses {
        let document = serde_json::to_value(one(status, &context())).unwrap();
        assert!(valid(&document), "{document:#}");
    }
    assert!(valid(&serde_json::to_value(all(&statuses, &context())).unwrap()));
    assert!(valid(&serde_json::to_value(all(&[], &context())).unwrap()));
    let good = serde_json::to_value(one(&running(), &context())).unwrap();
    let breaks: [fn(&mut Value); 5] = [
        |it| it["state"] = "asleep".into(),
        |it| it["version"] = 2.into(),
        |it| it["takeovers"][0]["action"] = "kill".into(),
        |it| drop(it.as_object_mut().unwrap().remove("conflicts")),
        |it| drop(it["holder"].as_object_mut().unwrap().remove("child_pid")),
    ];
    for (index, break_it) in breaks.into_iter().enumerate() {
        let mut bad = good.clone();
        break_it(&mut bad);
        assert!(!valid(&bad), "break {index}");
    }
}

#[test]
fn the_json_keys_are_in_the_documented_order() {
    let json =
        |status: &InstanceStatus| serde_json::to_string_pretty(&one(status, &context())).unwrap();
    insta::assert_snapshot!("json_running", json(&running()));
    insta::assert_snapshot!("json_alerted", json(&alerted()));
    insta::assert_snapshot!("json_stopped", json(&stopped()));
    insta::assert_snapshot!("json_elsewhere", json(&elsewhere()));
    insta::assert_snapshot!(
        "json_all",
        serde_json::to_string_pretty(&all(&[stopped()], &context())).unwrap()
    );
}

/// Returns the plan of a stop as text.
fn stop(policy: &Policy, mode: StopMode, snapshot: &Snapshot) -> String {
    let context = Context { purpose: Purpose::Stop, ..context() };
    // A stop has no ticket and counts as the newest.
    let snapshot =
        Snapshot { me: Caller { ticket: None, ..snapshot.me.clone() }, ..snapshot.clone() };
    plan_text::text(&decide(&policy.to_stop(mode), &snapshot), &context, Paint::Plain)
}

#[test]
fn the_plan_of_a_stop_says_what_it_would_end() {
    let base = || policy(OnConflict::Refuse);
    let forbid =
        |action| Policy { rules: vec![rule("mine", action, Conditions::default())], ..base() };
    let service = Process {
        managed_by: Known(Some(ManagedBy::Systemd("bot.service".to_owned()))),
        ..same_command(5)
    };
    for (name, policy, mode, snapshot) in [
        ("guarded", base(), StopMode::Graceful, guarded(Some(99))),
        ("managed", base(), StopMode::Graceful, snapshot(vec![service])),
        ("force", base(), StopMode::Force, snapshot(vec![same_command(5)])),
        ("nothing", base(), StopMode::Graceful, snapshot(Vec::new())),
        ("forbidden", forbid(Action::Wait), StopMode::Force, guarded(Some(7))),
        ("left_alone", forbid(Action::Ignore), StopMode::Graceful, snapshot(vec![same_command(5)])),
        (
            "nobody",
            base(),
            StopMode::Graceful,
            Snapshot { locks: vec![lock(LockState::Held(Vec::new()))], ..snapshot(Vec::new()) },
        ),
    ] {
        insta::assert_snapshot!(format!("stop_{name}"), stop(&policy, mode, &snapshot));
    }
}
