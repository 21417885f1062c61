//! A history of any content: an event can be added to it, other events stay, and it stays small.

use std::fs;
use std::sync::Arc;

use tempfile::TempDir;

use monopoll::internals::engine::process::ProcessId;
use monopoll::internals::engine::ticket::Ticket;
use monopoll::internals::report::history_text;
use monopoll::internals::state::history_event::{HistoryEvent, HistoryEventKind};
use monopoll::internals::state::history_file::MAX_EVENTS;
use monopoll::internals::state::lock_folder::LockFolder;
use monopoll::internals::state::record::HostProcess;
use monopoll::internals::state::state_dir::StateDir;
use monopoll::internals::text::mask_secrets;

/// The most that is read of a file next to a lock.
const MAX_READ: usize = 64 << 10;

/// Takes the content of a history. The reason for the added event is the first line.
pub(crate) fn check(content: &[u8]) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("bot1.lock.history");
    fs::write(&path, content).unwrap();
    let folder = LockFolder::open_existing(dir.path()).unwrap().unwrap();
    let state = StateDir::new(Arc::new(folder), "bot1.lock");
    let before = state.history();
    assert!(before.len() <= content.len() / 2);

    let text = String::from_utf8_lossy(content);
    let why = text.lines().next().unwrap_or_default().to_owned();
    let process = ProcessId { pid: 7, start: 1 };
    let me = HostProcess { boot: "b0".to_owned(), pid_namespace: 1, process };
    let kind = HistoryEventKind::Stop { why: why.clone(), asked_by: None, killed: 0 };
    let added = HistoryEvent::now(&me, Ticket(9), kind);
    state.add_to_history(std::slice::from_ref(&added)).unwrap();

    let after = state.history();
    assert_eq!(after.len(), (before.len() + 1).min(MAX_EVENTS), "{before:#?} {after:#?}");
    let kept = after.iter().filter(|event| before.contains(event)).count();
    assert!(kept + 1 >= after.len(), "{before:#?} {after:#?}");
    let is_it = |event: &&HistoryEvent| {
        (&event.boot, event.ticket, event.pid) == (&added.boot, added.ticket, added.pid)
    };
    // The newest events are kept, but those of a later time count as newer.
    let is_last = after.last().is_some_and(|last| is_it(&last));
    assert!(is_last || before.iter().any(|event| event.boot == "b0"), "{after:#?}");
    if let Some(HistoryEvent { kind: HistoryEventKind::Stop { why: stored, .. }, .. }) =
        after.iter().find(is_it).filter(|_| is_last)
    {
        let masked = mask_secrets(&why);
        let start = stored.strip_suffix('…').unwrap_or(stored);
        assert!(masked.starts_with(start), "{stored:?} of {masked:?}");
    }
    let written = fs::read(&path).unwrap();
    assert!(written.len() < MAX_READ, "{} bytes", written.len());
    let printed = history_text::text(&after);
    assert_eq!(printed.lines().count(), after.len(), "{printed}");
    assert!(printed.chars().all(|c| c == '\n' || !c.is_control()), "{printed:?}");
}
