//! What is, and making it so: processes, locks and clocks behind one seam.

#[cfg(target_os = "linux")]
pub mod beside;
pub mod clock;
pub mod command;
pub mod execute;
#[cfg(unix)]
pub mod filesystem;
#[cfg(unix)]
pub mod folder;
#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(unix)]
pub mod lock;
pub mod seam;
pub mod surroundings;
pub mod token;
#[cfg(target_os = "linux")]
pub(crate) mod unshared;
#[cfg(target_os = "linux")]
pub(crate) mod watch;
