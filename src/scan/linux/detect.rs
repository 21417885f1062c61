//! Detects the capabilities of this machine and the environment of this process.

use std::io;
use std::path::Path;

use nix::sys::inotify::{InitFlags, Inotify};
use rustix::io::Errno;
use rustix::process::PidfdFlags;

use crate::scan::ancestors::{Ancestry, Descendant};
use crate::scan::capabilities::{Capabilities, Environments, PidNamespace, StartedBy};
use crate::scan::cgroup;
use crate::scan::linux::ancestors::Ancestors;
use crate::scan::linux::lock_holders::{FIRST_PID_NAMESPACE, pid_namespace};
use crate::scan::linux::parents::with_ancestors;
use crate::scan::own_container::{ContainerKind, ContainerTrace, PrivateFolder, container_kind};
use crate::state::record::HostProcess;
use crate::sys::filesystem::Support;
use crate::sys::linux::proc_fs::{ProcFs, read_text};
use crate::sys::{mounts, users};

/// The inodes of the first PID, IPC and UTS namespaces (`linux/proc_ns.h`).
const FIRST_NAMESPACES: [(&str, u64); 3] =
    [("ns/pid", FIRST_PID_NAMESPACE), ("ns/ipc", 0xEFFF_FFFF), ("ns/uts", 0xEFFF_FFFE)];

pub fn detect_capabilities() -> io::Result<Option<Capabilities>> {
    let proc = ProcFs::open()?;
    let me = std::process::id();
    proc.require_own_namespace(me)?;
    let mounts = read_text("/proc/self/mountinfo").unwrap_or_default();
    let is_first = pid_namespace(&proc, me)? == FIRST_PID_NAMESPACE;
    Ok(Some(Capabilities {
        pidfd: support(rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())),
        inotify: support(Inotify::init(InitFlags::IN_CLOEXEC)),
        hidden: mounts::hidden_processes(&mounts).filter(|_| !users::is_privileged()),
        environments: environments(&proc, me)?,
        namespace: if is_first { PidNamespace::First } else { PidNamespace::Own },
        container: container(),
        starter: starter(&proc, me),
    }))
}

fn support<T, E: ToString>(result: Result<T, E>) -> Support {
    match result {
        Ok(_) => Support::Given,
        Err(error) => Support::Refused(error.to_string()),
    }
}

/// Environments are only opened: that suffices to check the permission, and reading may hang.
fn environments(proc: &ProcFs, me: u32) -> io::Result<Environments> {
    let mut found = Environments { readable: 0, unreadable: 0, first_unreadable: None };
    let mut buffer = Vec::new();
    let own_user = rustix::process::geteuid().as_raw();
    for pid in proc.pids()?.into_iter().filter(|pid| *pid != me) {
        let is_a_program = proc
            .stat(pid, &mut buffer)
            .is_ok_and(|stat| !stat.is_kernel_thread() && stat.state != b'Z');
        let status = proc.status(pid, &mut buffer);
        if !is_a_program || !status.is_ok_and(|it| it.effective_user == Some(own_user)) {
            continue;
        }
        match proc.try_open(pid, "environ") {
            Ok(()) => found.readable += 1,
            Err(Errno::ACCESS | Errno::PERM) => {
                found.unreadable += 1;
                found.first_unreadable.get_or_insert(pid);
            }
            // The process has ended.
            Err(_) => {}
        }
    }
    Ok(found)
}

/// Returns the supervisor above this process, else the service it runs in, else its parent.
fn starter(proc: &ProcFs, me: u32) -> StartedBy {
    let stats = with_ancestors(proc, me);
    let ancestors = Ancestors::new(proc, &stats, me);
    let parent = stats.get(&me).map_or(0, |stat| stat.parent);
    let of = Descendant { pid: me, parent, session: ancestors.session(me) };
    let mut buffer = Vec::new();
    let service = || {
        proc.read(me, "cgroup", &mut buffer).ok()?;
        let cgroup = String::from_utf8_lossy(&buffer);
        cgroup::manager(&cgroup, &cgroup)
    };
    if let Some(by) = ancestors.supervisor(of).or_else(service) {
        return StartedBy::Supervisor(by);
    }
    if parent == 0 {
        return StartedBy::NoParent;
    }
    let args = ancestors.args(parent);
    let name = args.first().map_or("?", |arg| arg.rsplit('/').next().unwrap_or(arg));
    StartedBy::Program(parent, name.to_owned())
}

fn container() -> Option<ContainerKind> {
    // In the initial namespaces, such traces come from the machine's image.
    if is_in_first_namespaces() { None } else { container_kind(&container_traces()) }
}

/// Returns the folder, with links resolved, if it is invisible outside of this process's container.
pub fn private_folder(folder: &Path) -> Option<PrivateFolder> {
    let container = container()?;
    PrivateFolder::of(container, &read_text("/proc/self/mountinfo").ok()?, folder)
}

fn is_in_first_namespaces() -> bool {
    let Ok(proc) = ProcFs::open() else { return false };
    let is_first = |(name, inode): (&str, u64)| {
        proc.file_behind(std::process::id(), name).is_ok_and(|(_, found)| found == inode)
    };
    FIRST_NAMESPACES.into_iter().all(is_first)
}

fn container_traces() -> Vec<ContainerTrace> {
    let file = |path: &str, trace: ContainerTrace| Path::new(path).exists().then_some(trace);
    let content = |path: &str| std::fs::read_to_string(path).ok();
    let found = [
        read_text("/proc/self/cgroup").ok().map(ContainerTrace::Cgroups),
        file("/.dockerenv", ContainerTrace::DockerFile),
        file("/run/.containerenv", ContainerTrace::PodmanFile),
        content("/run/systemd/container").map(ContainerTrace::SystemdFile),
        std::env::var("container").ok().map(ContainerTrace::Variable),
        std::env::var_os("KUBERNETES_SERVICE_HOST").map(|_| ContainerTrace::KubernetesVariable),
    ];
    found.into_iter().flatten().collect()
}

pub fn is_in_other_pid_namespace(process: &HostProcess) -> bool {
    let boot = read_text("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let own = ProcFs::open().ok().and_then(|proc| pid_namespace(&proc, std::process::id()).ok());
    process.boot == boot.trim() && own.is_some_and(|own| own != process.pid_namespace)
}
