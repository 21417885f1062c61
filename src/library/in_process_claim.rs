//! The instances that this very process holds or is acquiring: its own locks do not keep it out.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::instance::Instance;
use crate::error::{Error, ExitStatus};

static TAKEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// An instance that this process has taken; dropping the claim frees it.
#[derive(Debug)]
pub(super) struct InProcessClaim(String);

impl InProcessClaim {
    /// Takes an instance.
    ///
    /// # Errors
    /// This process has it already.
    pub(super) fn new(instance: &Instance) -> Result<InProcessClaim, Error> {
        let name = instance.to_string();
        if taken().insert(name.clone()) {
            return Ok(InProcessClaim(name));
        }
        Err(Error::new(
            ExitStatus::Refused,
            format!("{name}: refused: this very process has its guard already, or is acquiring it"),
        )
        .with_hint(
            "keep the first one and share it; it gives the instance back when it is dropped",
        ))
    }
}

impl Drop for InProcessClaim {
    fn drop(&mut self) {
        taken().remove(&self.0);
    }
}

fn taken() -> MutexGuard<'static, BTreeSet<String>> {
    // A set of names is whole whoever panicked.
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_taken_once_and_can_be_taken_again_when_it_was_given_back() {
        let (one, other) = ("taken-one".parse().unwrap(), "taken-other".parse().unwrap());
        let first = InProcessClaim::new(&one).unwrap();
        assert_eq!(InProcessClaim::new(&one).unwrap_err().status(), ExitStatus::Refused);
        let _another = InProcessClaim::new(&other).unwrap();
        drop(first);
        assert!(InProcessClaim::new(&one).is_ok());
    }
}
