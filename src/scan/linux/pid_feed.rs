//! Pids while they are being listed: to list them takes the kernel a while, and whoever reads about
//! the first need not wait for the last.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// They stay, so that whoever begins again finds all of them.
#[derive(Debug, Default)]
pub(crate) struct PidFeed {
    listed: Mutex<LockListing>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct LockListing {
    pids: Vec<u32>,
    is_over: bool,
}

/// Ends the list when it is dropped, so that nobody waits for more.
pub(crate) struct PidFeedEnd<'a>(pub(crate) &'a PidFeed);

impl PidFeed {
    pub(crate) fn extend(&self, pids: &[u32]) {
        self.listed().pids.extend(pids);
        self.more.notify_all();
    }

    /// Those behind the first `known`, as soon as there are any; none: there will be no more.
    pub(crate) fn after(&self, known: usize) -> Vec<u32> {
        let nothing_yet = |listed: &mut LockListing| listed.pids.len() <= known && !listed.is_over;
        let listed = self
            .more
            .wait_while(self.listed(), nothing_yet)
            .unwrap_or_else(PoisonError::into_inner);
        listed.pids.get(known..).unwrap_or_default().to_vec()
    }

    pub(crate) fn len(&self) -> usize {
        self.listed().pids.len()
    }

    fn listed(&self) -> MutexGuard<'_, LockListing> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PidFeedEnd<'_> {
    fn drop(&mut self) {
        self.0.listed().is_over = true;
        self.0.more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn whoever_reads_gets_all_of_them_however_they_come() {
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
                let listing = PidFeedEnd(&feed);
                for pid in 1..=50 {
                    feed.extend(&[pid]);
                }
                drop(listing);
                for reader in readers {
                    assert_eq!(reader.join().unwrap(), (1..=50).collect::<Vec<u32>>());
                }
            });
            assert_eq!(read(&feed), (1..=50).collect::<Vec<u32>>(), "they stay");
        }
    }
}
