//! Idle processes, with the environment of an ordinary one.

use crate::bench::Failure;
use std::fs;
use std::process::{Child, Command, Stdio};

/// They end when this is dropped.
#[derive(Default)]
pub(crate) struct Crowd(Vec<Child>);

impl Crowd {
    /// Fills the machine up to so many processes.
    pub(crate) fn fill(&mut self, processes: usize) -> Result<(), Failure> {
        let is_process =
            |entry: &fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>().is_ok();
        let there = fs::read_dir("/proc")?.filter_map(Result::ok).filter(is_process).count();
        for _ in there..processes {
            let mut idle = Command::new("sleep");
            idle.arg("3600").env_clear().env("PATH", "/usr/bin:/bin").env("FILL", "x".repeat(1500));
            self.0.push(idle.stdin(Stdio::null()).spawn()?);
        }
        Ok(())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for idle in &mut self.0 {
            // It may have ended by itself.
            let _ = idle.kill();
        }
        for idle in &mut self.0 {
            let _ = idle.wait();
        }
    }
}
