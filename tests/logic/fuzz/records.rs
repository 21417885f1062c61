//! The files next to a lock: what was written is read back, and garbage is nothing.

use std::fs;
use std::sync::Arc;

use tempfile::TempDir;

use monopoll::internals::engine::ticket::Ticket;
use monopoll::internals::state::end_request::Request;
use monopoll::internals::state::lock_folder::LockFolder;
use monopoll::internals::state::record::Record;
use monopoll::internals::state::state_dir::StateDir;

/// Takes the content of a record, request, answer or counter.
pub(crate) fn check(content: &[u8]) {
    let dir = TempDir::new().unwrap();
    for suffix in ["record", "request", "answer", "counter"] {
        fs::write(dir.path().join(format!("bot1.lock.{suffix}")), content).unwrap();
    }
    let folder = LockFolder::open_existing(dir.path()).unwrap().unwrap();
    let state = StateDir::new(Arc::new(folder), "bot1.lock");
    let is_small = content.len() < 64 << 10;

    let record: Option<Record> = serde_json::from_slice(content).ok();
    if is_small {
        assert_eq!(state.record(), record);
    }
    if let Some(record) = record {
        state.write_record(&record).unwrap();
        assert_eq!(state.record().as_ref(), Some(&record));
    }

    let request: Option<Request> = serde_json::from_slice(content).ok();
    if let Some(request) = request.filter(|_| is_small) {
        assert_eq!(state.request_to(request.to).as_ref(), Some(&request));
        assert_eq!(state.request_to(Ticket(request.to.0.wrapping_add(1))), None);
        state.write_request(&request).unwrap();
        assert_eq!(state.request_to(request.to).as_ref(), Some(&request));
    }

    let counter = state.counter();
    assert!(counter.is_none_or(|ticket| ticket < Ticket::MAX), "{counter:?}");
    if let Some(Ticket(ticket)) = counter {
        let text = String::from_utf8_lossy(content);
        assert!(text.contains(&ticket.to_string()), "{ticket} of {text:?}");
    }
    let is_an_answer = state.is_acknowledged("1-2-3");
    assert!(!is_an_answer || String::from_utf8_lossy(content).contains("id"), "{content:?}");
}
