//! The traces of a container, read from the machine.

use std::path::Path;

use crate::{
    scan::{
        container::{self, ContainerKind, ContainerTrace, Namespaces, PrivateFolder},
        linux::lock_holders::FIRST_PID_NAMESPACE,
    },
    sys::linux::proc_fs::ProcFs,
};

/// The inodes of the machine's first PID, IPC and UTS namespaces (`linux/proc_ns.h`).
const FIRST: [(&str, u64); 3] =
    [("ns/pid", FIRST_PID_NAMESPACE), ("ns/ipc", 0xEFFF_FFFF), ("ns/uts", 0xEFFF_FFFE)];

/// Who made the container that this process is in.
#[must_use]
pub fn maker() -> Option<ContainerKind> {
    // Cheap ones first, and the rest only where the machine may be a container at all.
    match namespaces() {
        Namespaces::First => None,
        Namespaces::Own => container::maker(&traces(), Namespaces::Own),
    }
}

/// What keeps everybody outside from seeing this folder, links in it resolved, where this process
/// is in a container.
#[must_use]
pub fn enclosure(folder: &Path) -> Option<PrivateFolder> {
    PrivateFolder::of(maker()?, &std::fs::read_to_string("/proc/self/mountinfo").ok()?, folder)
}

fn namespaces() -> Namespaces {
    let Ok(proc) = ProcFs::open() else { return Namespaces::Own };
    let is_first = |(name, inode): (&str, u64)| {
        proc.file_behind(std::process::id(), name).is_ok_and(|(_, found)| found == inode)
    };
    if FIRST.into_iter().all(is_first) { Namespaces::First } else { Namespaces::Own }
}

fn traces() -> Vec<ContainerTrace> {
    let file = |path: &str, trace: ContainerTrace| Path::new(path).exists().then_some(trace);
    let content = |path: &str| std::fs::read_to_string(path).ok();
    let found = [
        content("/proc/self/cgroup").map(ContainerTrace::Cgroups),
        file("/.dockerenv", ContainerTrace::DockerFile),
        file("/run/.containerenv", ContainerTrace::PodmanFile),
        content("/run/systemd/container").map(ContainerTrace::SystemdFile),
        std::env::var("container").ok().map(ContainerTrace::Variable),
        std::env::var_os("KUBERNETES_SERVICE_HOST").map(|_| ContainerTrace::KubernetesVariable),
    ];
    found.into_iter().flatten().collect()
}
