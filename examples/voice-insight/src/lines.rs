//! A line for each chat: whoever is in it has its turn when the one before has left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The lines that somebody stands in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<HashMap<i64, Tail>>>);

/// The last one of a line.
#[derive(Debug)]
struct Tail {
    place: u64,
    left: oneshot::Receiver<()>,
}

/// A place in a line; dropping it lets the next one come up.
#[derive(Debug)]
pub(crate) struct Turn {
    lines: Lines,
    chat: i64,
    place: u64,
    before: Option<oneshot::Receiver<()>>,
    /// Whoever is behind hears that it is dropped.
    _leaves: oneshot::Sender<()>,
}

impl Lines {
    /// The place behind everybody who stands in this chat's line.
    pub(crate) fn queue(&self, chat: i64) -> Turn {
        let (leaves, left) = oneshot::channel();
        let mut tails = self.tails();
        let last = tails.remove(&chat);
        let place = last.as_ref().map_or(0, |last| last.place + 1);
        tails.insert(chat, Tail { place, left });
        Turn {
            lines: self.clone(),
            chat,
            place,
            before: last.map(|last| last.left),
            _leaves: leaves,
        }
    }

    fn tails(&self) -> MutexGuard<'_, HashMap<i64, Tail>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Resolves when everybody before has left.
    pub(crate) async fn comes(&mut self) {
        if let Some(before) = &mut self.before {
            // Nobody sends anything: that the other end is dropped is the sign.
            let _ = before.await;
            self.before = None;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut tails = self.lines.tails();
        if tails.get(&self.chat).is_some_and(|tail| tail.place == self.place) {
            tails.remove(&self.chat);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    fn has_its_turn(turn: &mut Turn) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        matches!(pin!(turn.comes()).poll(&mut context), Poll::Ready(()))
    }

    #[test]
    fn each_has_its_turn_when_the_one_before_has_left_and_chats_do_not_wait_for_each_other() {
        let lines = Lines::default();
        let (mut first, mut second, mut third, mut other) =
            (lines.queue(1), lines.queue(1), lines.queue(1), lines.queue(2));
        assert!(has_its_turn(&mut first) && has_its_turn(&mut other));
        assert!(!has_its_turn(&mut second) && !has_its_turn(&mut third));
        drop(first);
        assert!(has_its_turn(&mut second) && !has_its_turn(&mut third));
        drop(second);
        assert!(has_its_turn(&mut third));
    }

    #[test]
    fn nothing_is_left_of_a_line_that_is_empty() {
        let lines = Lines::default();
        drop((lines.queue(1), lines.queue(1), lines.queue(2)));
        assert!(lines.tails().is_empty());
    }
}
