//! Idle processes with the environment of an ordinary process.

use crate::bench::Failure;
use std::fs;
use std::process::{Child, Command, Stdio};

/// The idle processes, which end on drop.
#[derive(Default)]
pub(crate) struct Crowd(Vec<Child>);

impl Crowd {
    /// Starts processes until the machine has this many.
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
            // It may have already ended.
            let _ = idle.kill();
        }
        for idle in &mut self.0 {
            let _ = idle.wait();
        }
    }
}
