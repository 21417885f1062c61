//! Hands out pids while they are still being listed, so that reading can start before the kernel
//! has finished the list.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// All pids listed so far. A reader that starts over gets all of them.
#[derive(Debug, Default)]
pub(crate) struct PidFeed {
    listed: Mutex<PidList>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct PidList {
    pids: Vec<u32>,
    is_complete: bool,
}

/// Completes the list on drop, so that no reader waits forever.
pub(crate) struct PidFeedEnd<'a>(pub(crate) &'a PidFeed);

impl PidFeed {
    pub(crate) fn extend(&self, pids: &[u32]) {
        self.listed().pids.extend(pids);
        self.more.notify_all();
    }

    /// Waits for pids after the first `known`. Returns none once the list is complete.
    pub(crate) fn after(&self, known: usize) -> Vec<u32> {
        let nothing_yet = |listed: &mut PidList| listed.pids.len() <= known && !listed.is_complete;
        let listed = self
            .more
            .wait_while(self.listed(), nothing_yet)
            .unwrap_or_else(PoisonError::into_inner);
        listed.pids.get(known..).unwrap_or_default().to_vec()
    }

    pub(crate) fn len(&self) -> usize {
        self.listed().pids.len()
    }

    fn listed(&self) -> MutexGuard<'_, PidList> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PidFeedEnd<'_> {
    fn drop(&mut self) {
        self.0.listed().is_complete = true;
        self.0.more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn every_reader_gets_all_pids_however_they_come() {
        for _ in 0..300 {
            let feed = PidFeed::default();
            let read = |feed: &PidFeed| {
                let mut all = Vec::new();
                loop {
                    let more = feed.after(all.len());
                    if more.is_empty() {
                        return all;
                    }
                    all.extend(more);
                }
            };
            thread::scope(|scope| {
                let readers = [scope.spawn(|| read(&feed)), scope.spawn(|| read(&feed))];
                let feed_end = PidFeedEnd(&feed);
                for pid in 1..=50 {
                    feed.extend(&[pid]);
                }
                drop(feed_end);
                for reader in readers {
                    assert_eq!(reader.join().unwrap(), (1..=50).collect::<Vec<u32>>());
                }
            });
            assert_eq!(read(&feed), (1..=50).collect::<Vec<u32>>(), "they stay");
        }
    }
}
