//! What is, and making it so: processes, locks and clocks behind one seam.
//!
//! There are two machines behind it, and each system has one, called `machine` everywhere else:
//! Linux's own, by what its kernel offers, and the portable one, by what sysinfo sees. `--cfg
//! monopoll_portable` puts the portable one on Linux too, so that it can be tested with real
//! processes there.

mod asking;
pub mod beat;
pub mod beside;
pub mod checkup;
pub mod clock;
pub mod command;
pub mod container;
pub mod event;
pub mod execute;
pub mod file_id;
#[cfg(unix)]
pub mod filesystem;
#[cfg(unix)]
pub mod folder;
#[cfg(unix)]
pub(crate) mod heed;
pub mod history;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub mod linux;
#[cfg(unix)]
pub mod lock;
#[cfg(unix)]
pub mod lock_dir;
pub mod look;
pub mod mark;
pub mod mounts;
#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub mod portable;
#[cfg(unix)]
pub(crate) mod privacy;
pub mod query;
pub mod record;
pub mod script;
pub mod seam;
pub mod supervisors;
pub mod surroundings;
pub mod token;
pub(crate) mod unshared;
#[cfg(windows)]
mod windows;

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub use linux as machine;
#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub use portable as machine;
#[cfg(windows)]
pub use windows::{filesystem, folder, lock, lock_dir};

/// How the name of a file ends that is just being written.
pub(crate) const UNFINISHED: &str = "new";
