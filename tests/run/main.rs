//! What `monopoll run` and `monopoll plan` do to real processes. One file a behaviour; one program,
//! so that they run side by side.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and real files are looked at"
)]

#[path = "../support/mod.rs"]
mod support;

mod beforehand;
mod child;
mod container;
mod doctor;
mod ending;
mod explain;
mod garbage;
mod hostile;
mod interrupted;
mod json;
mod left_behind;
mod locks;
mod logged;
mod lost_locks;
mod namespaces;
mod pid_one;
mod preflight;
mod rules;
mod scarce;
mod second_start;
mod secrets;
mod signals;
mod status;
mod stop;
mod storms;
mod supervised_storms;
mod supervisors;
mod tickets;
mod token;
mod users;
mod visible;
mod waiters;
