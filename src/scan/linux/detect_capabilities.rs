//! What this machine offers, tried out: a descriptor for a process, an instance of inotify, a look
//! at the others.

use nix::sys::inotify::{InitFlags, Inotify};
use rustix::{io::Errno, process::PidfdFlags};

use crate::{
    scan::{
        capabilities::{Capabilities, Environments, PidNamespace, StartedBy},
        cgroup,
        linux::{
            is_privileged,
            lock_holders::{self, FIRST_PID_NAMESPACE},
        },
        supervisor_detection::{self, SupervisorEnv},
    },
    state::{lock_file::LockFile, record::HostProcess},
    sys::{
        filesystem::Support,
        linux::proc_fs::{ProcFs, strings},
        mounts,
    },
};

/// What can be said of this machine.
///
/// # Errors
/// `/proc` cannot be read, or is another namespace's.
pub fn checkup() -> std::io::Result<Option<Capabilities>> {
    let proc = ProcFs::open()?;
    let me = std::process::id();
    proc.insist_on_mine(me)?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let is_first = lock_holders::namespace(&proc, me) == Some(FIRST_PID_NAMESPACE);
    Ok(Some(Capabilities {
        pidfd: offer(rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())),
        inotify: offer(Inotify::init(InitFlags::IN_CLOEXEC)),
        hidden: mounts::hidden_processes(&mounts).filter(|_| !is_privileged()),
        environments: environments(&proc, me)?,
        namespace: if is_first { PidNamespace::First } else { PidNamespace::Own },
        maker: crate::scan::linux::container_detection::maker(),
        starter: starter(&proc, me),
    }))
}

/// Whether somebody of this boot is in a PID namespace that is not mine.
#[must_use]
pub fn is_elsewhere(them: &HostProcess) -> bool {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mine =
        ProcFs::open().ok().and_then(|proc| lock_holders::namespace(&proc, std::process::id()));
    them.boot == boot.trim() && mine.is_some_and(|mine| mine != them.pid_namespace)
}

/// Who has this lock, as far as it can be seen from here without taking it; `None` where nothing
/// could tell.
#[must_use]
pub fn holders_of(lock: &LockFile) -> Option<Vec<u32>> {
    let proc = ProcFs::open().ok()?;
    let listed = match lock_holders::LockTable::read().says_of(lock.as_file(), lock.id()) {
        lock_holders::LockListing::Held(pids) => pids,
        lock_holders::LockListing::No => std::collections::BTreeSet::new(),
    };
    let holders = lock_holders::holders(&proc, lock.id(), &listed);
    // A look takes a lock for an instant where not every one is listed.
    Some(
        holders
            .into_iter()
            .filter(|pid| !lock_holders::only_shares(&proc, *pid, lock.id()))
            .collect(),
    )
}

fn offer<T, E: ToString>(tried: Result<T, E>) -> Support {
    match tried {
        Ok(_) => Support::Given,
        Err(error) => Support::Refused(error.to_string()),
    }
}

/// An environment is only opened, which is what the kernel allows or not: to read one may hang.
fn environments(proc: &ProcFs, me: u32) -> std::io::Result<Environments> {
    let mut found = Environments { readable: 0, unreadable: 0 };
    let mut buffer = Vec::new();
    let my_user = rustix::process::geteuid().as_raw();
    for pid in proc.pids()?.into_iter().filter(|pid| *pid != me) {
        let is_a_program = proc
            .stat(pid, &mut buffer)
            .is_ok_and(|stat| !stat.is_kernel_thread() && stat.state != b'Z');
        if !is_a_program || proc.effective_user(pid, &mut buffer) != Some(my_user) {
            continue;
        }
        match proc.try_open(pid, "environ") {
            Ok(()) => found.readable += 1,
            Err(Errno::ACCESS | Errno::PERM) => found.unreadable += 1,
            // It has ended.
            Err(_) => {}
        }
    }
    Ok(found)
}

/// The supervisor above this process, else the service that it is part of, else its parent.
fn starter(proc: &ProcFs, me: u32) -> StartedBy {
    let mut buffer = Vec::new();
    let args = |pid: u32, buffer: &mut Vec<u8>| {
        proc.read(pid, "cmdline", buffer).map(|()| strings(buffer)).unwrap_or_default()
    };
    let parent = |pid: u32, buffer: &mut Vec<u8>| {
        proc.stat(pid, buffer).map(|stat| stat.parent).ok().filter(|pid| *pid != 0)
    };
    // What it told its child stands in the environment, which what is below inherits.
    let mut environ = Vec::new();
    let has_one = proc.read(me, "environ", &mut environ).is_ok();
    let told = || {
        if has_one {
            SupervisorEnv::by(environ.split(|byte| *byte == 0))
        } else {
            SupervisorEnv::default()
        }
    };
    let first = parent(me, &mut buffer);
    let mut above = first;
    while let Some(pid) = above {
        let cwd = || proc.link(pid, "cwd").ok();
        if let Some(supervisor) =
            supervisor_detection::supervisor(&args(pid, &mut buffer), cwd, told)
        {
            return StartedBy::Supervisor(supervisor);
        }
        above = parent(pid, &mut buffer).filter(|next| *next != pid);
    }
    if proc.read(me, "cgroup", &mut buffer).is_ok() {
        let cgroups = String::from_utf8_lossy(&buffer).into_owned();
        if let Some(by) = cgroup::manager(&cgroups, &cgroups) {
            return StartedBy::Supervisor(by);
        }
    }
    let Some(pid) = first else { return StartedBy::Nobody };
    let name =
        args(pid, &mut buffer).first().map(|arg| arg.rsplit('/').next().unwrap_or(arg).to_owned());
    StartedBy::Program(pid, name.unwrap_or_else(|| "?".to_owned()))
}
