//! The `monopoll run` that started this program.
#![expect(clippy::disallowed_methods, reason = "reads this process's own marker, once")]

use std::env;
use std::path::PathBuf;

use tracing::debug;

use crate::engine::instance::Instance;
use crate::scan::env_marker::{EnvMarker, HELD};
use crate::scan::machine::find_guard_above;
use crate::sys::machine::process_handle::ProcessHandle;

/// Returns the `monopoll run` above this process that holds the instance `named` (`None`: any
/// instance) for it, and the lock file.
pub(crate) fn guard_of_this_program(
    named: Option<&Instance>,
) -> Option<(Instance, ProcessHandle, PathBuf)> {
    let marker = EnvMarker::parse(&env::var_os(HELD)?)?;
    let instance: Instance = marker.instance.parse().ok()?;
    if named.is_some_and(|named| *named != instance) {
        return None;
    }
    let guard = find_guard_above(&marker);
    if guard.is_none() {
        debug!(
            "${HELD} names a guard (pid {}) that does not hold {instance} for this process",
            marker.guard.pid
        );
    }
    Some((instance, guard?, marker.lock))
}
