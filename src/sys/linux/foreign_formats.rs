//! Finds out whether the kernel runs files of other processors and systems with another program,
//! such as an emulator (`binfmt_misc`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;

use crate::sys::linux::elf;

/// The length of an ELF header. The formats of emulators are recognized by its first 20 bytes.
const HEADER: usize = 64;

/// The entry point and the offsets of the program and section headers. With zeros there, nothing of
/// the file can run.
const OFFSETS: std::ops::Range<usize> = 24..64;

/// Returns whether the kernel may execute a file in a foreign format, of which `start` are the
/// first bytes.
pub(crate) fn may_execute(start: &[u8]) -> bool {
    const FOLDER: &str = "/proc/sys/fs/binfmt_misc";
    let folder = fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let names: Vec<_> = folder.map(|entry| entry.file_name()).collect();
    if names.iter().any(|name| name == "status") {
        return names.iter().any(|name| name != "status" && name != "register");
    }
    let file_systems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !file_systems.lines().any(|line| line.split_whitespace().next_back() == Some("binfmt_misc"))
    {
        return false;
    }
    // If the list is not mounted, as in containers, formats of the host apply all the same. What
    // would run a file of another kind than ELF may do more with its header than an emulator.
    !start.starts_with(elf::MAGIC) || !is_unknown_format(start)
}

/// Returns whether the kernel has no program for this ELF header. Executes the header alone: an
/// emulator finds nothing to run in it and fails.
fn is_unknown_format(start: &[u8]) -> bool {
    let mut header = [0; HEADER];
    let length = start.len().min(HEADER);
    header[..length].copy_from_slice(&start[..length]);
    header[OFFSETS].fill(0);
    execute(&header).is_err_and(|error| error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()))
}

fn execute(bytes: &[u8]) -> io::Result<()> {
    let mut file = File::from(memfd_create("format", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    // Opened for writing, a file is busy.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let readable = File::open(path)?;
    drop(file);
    let path = format!("/proc/self/fd/{}", readable.as_raw_fd());
    let mut command = Command::new(path);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    // It only matters that it was started.
    let killed = child.kill();
    child.wait()?;
    killed
}
