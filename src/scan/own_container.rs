//! The container of this process, and lock folders that are invisible to other containers.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::engine::managed_by::ContainerEngine;
use crate::scan::cgroup;
use crate::sys::mounts::{self, PrivateMount};
use crate::text::printable;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerTrace {
    /// The contents of `/proc/self/cgroup`.
    Cgroups(String),
    /// `/.dockerenv` exists.
    DockerFile,
    /// `/run/.containerenv` exists.
    PodmanFile,
    /// The contents of `/run/systemd/container`, which exists if the container runs its own
    /// systemd.
    SystemdFile(String),
    Variable(String),
    /// `$KUBERNETES_SERVICE_HOST` is set.
    KubernetesVariable,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerKind {
    Docker,
    Podman,
    /// With any container runtime.
    Kubernetes,
    /// Another kind, such as `lxc`.
    Named(String),
}

pub fn container_kind(traces: &[ContainerTrace]) -> Option<ContainerKind> {
    traces.iter().filter_map(ContainerTrace::kind).min_by_key(|kind| match kind {
        // Kubernetes also leaves traces of its runtime, and Docker-compatible engines leave
        // Docker's, so more specific kinds come first.
        ContainerKind::Kubernetes => 0,
        ContainerKind::Podman => 1,
        ContainerKind::Docker => 2,
        ContainerKind::Named(_) => 3,
    })
}

impl ContainerTrace {
    fn kind(&self) -> Option<ContainerKind> {
        match self {
            ContainerTrace::Cgroups(text) => {
                cgroup::containers(text).last().map(|container| match container.engine {
                    ContainerEngine::Docker => ContainerKind::Docker,
                    ContainerEngine::Podman => ContainerKind::Podman,
                    ContainerEngine::Kubernetes => ContainerKind::Kubernetes,
                    ContainerEngine::Lxc => ContainerKind::Named("lxc".to_owned()),
                    ContainerEngine::Nspawn => ContainerKind::Named("systemd-nspawn".to_owned()),
                })
            }
            ContainerTrace::DockerFile => Some(ContainerKind::Docker),
            ContainerTrace::PodmanFile => Some(ContainerKind::Podman),
            ContainerTrace::KubernetesVariable => Some(ContainerKind::Kubernetes),
            ContainerTrace::SystemdFile(name) | ContainerTrace::Variable(name) => match name.trim()
            {
                // WSL calls its Linux machine a container, which it is not.
                "" | "wsl" => None,
                "docker" => Some(ContainerKind::Docker),
                "podman" => Some(ContainerKind::Podman),
                name => Some(ContainerKind::Named(name.to_owned())),
            },
        }
    }
}

impl fmt::Display for ContainerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContainerKind::Docker => f.write_str("Docker"),
            ContainerKind::Podman => f.write_str("Podman"),
            ContainerKind::Kubernetes => f.write_str("Kubernetes"),
            ContainerKind::Named(name) => f.write_str(&printable(name)),
        }
    }
}

/// A lock folder that is invisible outside of this container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateFolder {
    container: ContainerKind,
    folder: PathBuf,
    why: PrivateMount,
}

impl PrivateFolder {
    /// Takes a `folder` without links and the contents of `/proc/self/mountinfo`. `None` if other
    /// containers see the folder too, or its mount is unknown.
    pub fn of(container: ContainerKind, mounts: &str, folder: &Path) -> Option<PrivateFolder> {
        let why = mounts::covering(mounts, folder)?.private()?;
        Some(PrivateFolder { container, folder: folder.to_owned(), why })
    }

    pub fn problem(&self) -> String {
        let folder = self.folder.to_string_lossy();
        let folder = printable(&folder);
        let (guarded, why) = match self.why {
            PrivateMount::OwnRoot => ("container", "is on its own root file system"),
            PrivateMount::OwnMemory => ("container", "is in its own memory (tmpfs)"),
            PrivateMount::OwnVolume => ("container", "is on a volume without a name"),
            PrivateMount::Pod => ("pod", "is on an emptyDir"),
        };
        format!(
            "only this {guarded} is guarded: its lock folder {folder} {why}, which is not visible \
             outside"
        )
    }

    pub fn hint(&self) -> String {
        let folder = self.folder.to_string_lossy();
        let folder = printable(&folder);
        match self.container {
            ContainerKind::Kubernetes => format!(
                "give the Deployment `replicas: 1` and `strategy: Recreate`, or mount one volume \
                 at {folder} in every pod that may run this bot"
            ),
            ContainerKind::Docker | ContainerKind::Podman => format!(
                "mount one volume there in every container that may run this bot, such as \
                 `-v monopoll-locks:{folder}`"
            ),
            ContainerKind::Named(_) => format!(
                "mount one folder of the host at {folder} in every container that may run this bot"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn each_engine_is_known_by_its_traces() {
        use ContainerTrace::{
            Cgroups, DockerFile, KubernetesVariable, PodmanFile, SystemdFile, Variable,
        };
        let text = str::to_owned;
        let docker = Cgroups(format!("0::/system.slice/docker-{ID}.scope"));
        let pod = Cgroups(format!("0::/kubepods.slice/pod6f9d.slice/cri-containerd-{ID}.scope"));
        let named = |name: &str| Some(ContainerKind::Named(text(name)));
        for (traces, expected) in [
            (vec![], None),
            (vec![Cgroups(text("0::/system.slice/bot.service"))], None),
            (vec![DockerFile, Cgroups(text("0::/"))], Some(ContainerKind::Docker)),
            (vec![DockerFile, docker], Some(ContainerKind::Docker)),
            (vec![Variable(text("podman"))], Some(ContainerKind::Podman)),
            (vec![Variable(text("oci")), PodmanFile], Some(ContainerKind::Podman)),
            (vec![DockerFile, KubernetesVariable], Some(ContainerKind::Kubernetes)),
            (vec![pod], Some(ContainerKind::Kubernetes)),
            (vec![Variable(text("lxc"))], named("lxc")),
            (vec![SystemdFile(text("systemd-nspawn\n"))], named("systemd-nspawn")),
            (vec![Variable(text("")), SystemdFile(text("wsl"))], None),
        ] {
            assert_eq!(container_kind(&traces), expected, "{traces:?}");
        }
    }

    #[test]
    fn a_private_folder_names_what_is_guarded_and_how_to_share_it() {
        let mounts = "1 0 0:9 / / rw - overlay overlay rw\n2 1 8:1 \
            /var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/x /empty rw - xfs /dev/sda1 \
            rw\n3 1 8:1 /srv /srv rw - xfs /dev/sda1 rw";
        let private = |container, folder| PrivateFolder::of(container, mounts, Path::new(folder));
        let docker = private(ContainerKind::Docker, "/run/monopoll").unwrap();
        assert!(docker.problem().starts_with(
            "only this container is guarded: its lock folder \
            /run/monopoll is on its own root file system"
        ));
        assert!(docker.hint().contains("-v monopoll-locks:/run/monopoll"));
        let pod = private(ContainerKind::Kubernetes, "/empty").unwrap();
        assert!(pod.problem().starts_with("only this pod is guarded"));
        assert!(pod.hint().contains("strategy: Recreate"));
        assert_eq!(private(ContainerKind::Docker, "/srv/locks"), None);
        assert_eq!(PrivateFolder::of(ContainerKind::Docker, "", Path::new("/run")), None);
    }
}
