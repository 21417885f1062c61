//! The instances that this process holds or is acquiring. Its own locks would not stop a second
//! guard.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::instance::Instance;
use crate::error::{Error, ExitStatus};

static TAKEN: Mutex<BTreeSet<Instance>> = Mutex::new(BTreeSet::new());

/// A claim on an instance within this process; released on drop.
#[derive(Debug)]
pub(super) struct InProcessClaim {
    pub(super) instance: Instance,
}

impl InProcessClaim {
    pub(super) fn new(instance: Instance) -> Result<InProcessClaim, Error> {
        if taken().insert(instance.clone()) {
            return Ok(InProcessClaim { instance });
        }
        let message = "refused: this process has its guard already, or is acquiring it";
        Err(Error::new(ExitStatus::Refused, format!("{instance}: {message}"))
            .with_hint("share the first guard; dropping it releases the instance"))
    }
}

impl Drop for InProcessClaim {
    fn drop(&mut self) {
        taken().remove(&self.instance);
    }
}

fn taken() -> MutexGuard<'static, BTreeSet<Instance>> {
    // A panic cannot leave the set inconsistent.
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_taken_once_and_can_be_taken_again_when_it_was_given_back() {
        let claim = |instance: &str| InProcessClaim::new(instance.parse().unwrap());
        let first = claim("taken-one").unwrap();
        assert_eq!(claim("taken-one").unwrap_err().status(), ExitStatus::Refused);
        let _another = claim("taken-other").unwrap();
        drop(first);
        assert!(claim("taken-one").is_ok());
    }
}
