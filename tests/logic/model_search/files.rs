//! The lock folder: the contents that starts read, and the mutexes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use monopoll::internals::state::record::Record;

use super::kernel::{Kernel, is_free};

/// The files whose content the starts read.
pub(super) const FILES: [&str; 5] =
    ["x.lock.record", "x.lock.record.new", "x.lock.request", "x.lock.answer", "x.lock.counter"];

pub(super) struct Files {
    pub(super) folder: PathBuf,
    /// The contents, as long as nothing has been written.
    contents: BTreeMap<String, Option<String>>,
    mutexes: BTreeMap<PathBuf, File>,
}

impl Files {
    pub(super) fn new(folder: PathBuf) -> Files {
        Files { folder, contents: BTreeMap::new(), mutexes: BTreeMap::new() }
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Notes that a file is being written.
    pub(super) fn forget(&mut self) {
        self.contents.clear();
    }

    pub(super) fn is_mutex_free(&mut self, path: &Path) -> bool {
        if !self.mutexes.contains_key(path) {
            let Ok(file) = File::open(path) else { return true };
            self.mutexes.insert(path.to_owned(), file);
        }
        is_free(&self.mutexes[path])
    }

    /// Returns the content of a file, without what differs between runs.
    pub(super) fn content(&mut self, file: &str, kernel: &Kernel) -> Option<&str> {
        let path = self.folder.join(file);
        let content = self.contents.entry(file.to_owned()).or_insert_with(|| {
            let text = fs::read_to_string(path).ok()?;
            if !file.contains(".record") {
                return Some(text);
            }
            let Ok(record) = serde_json::from_str::<Record>(&text) else { return Some(text) };
            let locks: Vec<_> = record.locks.iter().map(|id| kernel.lock_number(*id)).collect();
            let child = record.child.map(|child| child.pid);
            Some(format!("{:?} {:?} {child:?} {locks:?}", record.ticket, record.stage))
        });
        content.as_deref()
    }
}
