//! What a guard does if its lock files are deleted, replaced or taken. The files are real, the
//! clock is not.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use monopoll::internals::engine::action::OnLost;
use monopoll::internals::engine::process::ProcessId;
use monopoll::internals::engine::ticket::Ticket;
use monopoll::internals::guard::held_locks::HeldLocks;
use monopoll::internals::guard::lock_monitor::{
    GuardEnd, LockCheckOutcome, LockEvent, LockMonitor,
};
use monopoll::internals::guard::lock_set::LockSet;
use monopoll::internals::state::lock_file::HeldLock;
use monopoll::internals::state::record::{HostProcess, Record, RecordStage};
use monopoll::internals::sys::machine::file_watch::FileWatch;

const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    folder: TempDir,
    monitor: LockMonitor,
}

fn record(pid: u32, ticket: u64) -> Record {
    Record {
        version: 1,
        instance: "x".to_owned(),
        stage: RecordStage::Running,
        ticket: Ticket(ticket),
        holder: HostProcess {
            boot: "this-boot".to_owned(),
            pid_namespace: 1,
            process: ProcessId { pid, start: 7 },
        },
        locks: Vec::new(),
        host: "web-1".to_owned(),
        user: "bot".to_owned(),
        command: "python3 main.py".to_owned(),
        since: 1_767_225_600,
        profile: None,
        child: None,
        monopoll: "0".to_owned(),
    }
}

impl Scene {
    fn new(on_lost: OnLost) -> Scene {
        let folder = tempfile::Builder::new().prefix("monopoll-").tempdir().unwrap();
        let lock_set = LockSet::open_or_create(&[folder.path().join("locks/x.lock")]).unwrap();
        let locks = lock(&lock_set);
        let record = record(5, 3);
        lock_set.state_dir().write_record(&record).unwrap();
        let held = HeldLocks::new(lock_set, locks, None);
        let monitor = LockMonitor::new(FileWatch::new(), held, record, on_lost);
        Scene { folder, monitor }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("locks").join(name)
    }

    fn check(&mut self, now: Duration) -> (LockCheckOutcome, Vec<LockEvent>) {
        let mut events = Vec::new();
        let outcome = self.monitor.check_locks(now, &mut |event| events.push(event));
        (outcome, events)
    }

    /// Replaces the lock file by a new one and locks that, like another guard.
    fn displace(&self) -> Vec<HeldLock> {
        fs::remove_file(self.path("x.lock")).unwrap();
        lock(&LockSet::open_or_create(&[self.path("x.lock")]).unwrap())
    }
}

fn lock(lock_set: &LockSet) -> Vec<HeldLock> {
    let files = lock_set.open_locks().unwrap();
    files.into_iter().map(|file| file.try_lock().unwrap().unwrap()).collect()
}

#[test]
fn while_nothing_changes_nothing_is_said_and_no_check_is_due() {
    let mut scene = Scene::new(OnLost::Stop);
    assert!(matches!(scene.check(SECOND), (LockCheckOutcome::Held, events) if events.is_empty()));
    assert_eq!(scene.monitor.next_check(Duration::ZERO), None);
}

#[test]
fn a_deleted_lock_file_is_retaken_and_the_record_names_the_new_one() {
    let mut scene = Scene::new(OnLost::Stop);
    fs::remove_file(scene.path("x.lock")).unwrap();
    let (outcome, events) = scene.check(SECOND);
    assert_eq!(outcome, LockCheckOutcome::Held);
    assert!(matches!(events[..], [LockEvent::Retaken]), "{events:?}");
    let written = scene.monitor.locks.state_dir().record().unwrap();
    assert_eq!(written.locks, scene.monitor.locks.ids());
    assert!(scene.monitor.locks.is_in_place());
    assert_eq!(scene.monitor.next_check(Duration::ZERO), None);
}

#[test]
fn a_whole_folder_that_is_removed_is_made_again() {
    let mut scene = Scene::new(OnLost::Stop);
    fs::remove_dir_all(scene.path("")).unwrap();
    let (outcome, events) = scene.check(SECOND);
    assert_eq!(outcome, LockCheckOutcome::Held);
    assert!(matches!(events[..], [LockEvent::Retaken]), "{events:?}");
    let mut events = Vec::new();
    scene.monitor.restore_files(&mut |event| events.push(event));
    assert!(events.is_empty(), "{events:?}");
    let state_dir = scene.monitor.locks.state_dir();
    assert_eq!(
        (state_dir.counter(), state_dir.record().map(|it| it.ticket)),
        (Some(Ticket(3)), Some(Ticket(3)))
    );
}

#[test]
fn a_lock_that_another_has_for_moments_is_not_lost() {
    let mut scene = Scene::new(OnLost::Stop);
    let others = scene.displace();
    assert!(matches!(scene.check(SECOND), (LockCheckOutcome::Held, events) if events.is_empty()));
    assert!(
        scene.monitor.next_check(Duration::ZERO).is_some(),
        "it tries again without being told"
    );
    drop(others);
    let (outcome, events) = scene.check(2 * SECOND);
    assert_eq!(outcome, LockCheckOutcome::Held);
    assert!(matches!(events[..], [LockEvent::Retaken]), "{events:?}");
}

#[test]
fn a_lock_that_another_has_for_three_seconds_is_lost_and_said_once() {
    for (on_lost, expected) in
        [(OnLost::Stop, LockCheckOutcome::Lost), (OnLost::Warn, LockCheckOutcome::Held)]
    {
        let mut scene = Scene::new(on_lost);
        let _others = scene.displace();
        assert_eq!(scene.check(SECOND).0, LockCheckOutcome::Held);
        assert_eq!(scene.check(3 * SECOND).0, LockCheckOutcome::Held);
        let (outcome, events) = scene.check(4 * SECOND);
        assert_eq!(outcome, expected);
        assert!(matches!(events[..], [LockEvent::Lost(rule)] if rule == on_lost), "{events:?}");
        assert!(
            matches!(scene.check(9 * SECOND), (LockCheckOutcome::Held, events) if events.is_empty())
        );
    }
}

#[test]
fn a_lock_of_a_guard_that_has_written_its_record_is_lost_at_once() {
    let mut scene = Scene::new(OnLost::Stop);
    let _others = scene.displace();
    scene.monitor.locks.state_dir().write_record(&record(6, 4)).unwrap();
    let (outcome, events) = scene.check(SECOND);
    assert_eq!(outcome, LockCheckOutcome::Lost);
    assert!(matches!(events[..], [LockEvent::Lost(OnLost::Stop)]), "{events:?}");
}

#[test]
fn a_record_of_another_guard_is_left_alone_once_the_lock_is_lost() {
    let mut scene = Scene::new(OnLost::Warn);
    let _others = scene.displace();
    let theirs = record(6, 2);
    scene.monitor.locks.state_dir().write_record(&theirs).unwrap();
    scene.check(SECOND);
    scene.monitor.restore_files(&mut |_| {});
    scene.monitor.set_stage(RecordStage::Stopping, &mut |_| {});
    assert_eq!(scene.monitor.locks.state_dir().record(), Some(theirs));
}

#[test]
fn a_record_that_vanished_is_written_again_and_so_is_the_counter() {
    let mut scene = Scene::new(OnLost::Stop);
    let state_dir = std::sync::Arc::clone(scene.monitor.locks.state_dir());
    state_dir.remove_stale_record();
    scene.monitor.restore_files(&mut |event| panic!("{event:?}"));
    assert_eq!(state_dir.record().map(|it| it.ticket), Some(Ticket(3)));
    assert_eq!(state_dir.counter(), Some(Ticket(3)));
}

#[test]
fn giving_back_frees_the_lock_and_writes_why() {
    let scene = Scene::new(OnLost::Stop);
    let state_dir = std::sync::Arc::clone(scene.monitor.locks.state_dir());
    scene.monitor.remove_record();
    let _watch = scene.monitor.release(GuardEnd {
        why: "the test is over".to_owned(),
        asked_by: Some(77),
        killed: 0,
    });
    assert_eq!(state_dir.record(), None);
    lock(&LockSet::open_or_create(&[scene.folder.path().join("locks/x.lock")]).unwrap());
    let history = state_dir.history();
    let [event] = &history[..] else { panic!("{history:?}") };
    let text = serde_json::to_string(event).unwrap();
    assert!(text.contains("the test is over") && text.contains("77"), "{text}");
}
