//! Whether this process is in a container, and what is said where only that container is guarded.
//! Pure readings.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    engine::snapshot::Engine,
    scan::cgroup,
    sys::mounts::{self, Private},
    text::mask::printable,
};

/// Something that an engine leaves behind in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// `/proc/self/cgroup`, whatever is in it.
    Cgroups(String),
    /// `/.dockerenv` is there.
    DockerFile,
    /// `/run/.containerenv` is there.
    PodmanFile,
    /// `/run/systemd/container`, where the container has a systemd of its own.
    SystemdFile(String),
    /// `$container`.
    Variable(String),
    /// `$KUBERNETES_SERVICE_HOST` is set.
    KubernetesVariable,
}

/// The PID, IPC and UTS namespaces that this process is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespaces {
    /// The machine's first ones: what traces there are came with the image that the machine was
    /// made of.
    First,
    /// At least one of its own, or nobody can tell.
    Own,
}

/// Who made a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// Kubernetes, by whatever runtime.
    Kubernetes,
    /// One that has this name, such as `lxc`.
    Named(String),
}

/// Who made the container that these are the traces of, if it is one.
#[must_use]
pub fn maker(traces: &[Trace], namespaces: Namespaces) -> Option<Maker> {
    if namespaces == Namespaces::First {
        return None;
    }
    traces.iter().filter_map(Trace::maker).min_by_key(|maker| match maker {
        // Kubernetes leaves its runtime's traces too, and whoever is compatible with Docker leaves
        // Docker's.
        Maker::Kubernetes => 0,
        Maker::Podman => 1,
        Maker::Docker => 2,
        Maker::Named(_) => 3,
    })
}

impl Trace {
    fn maker(&self) -> Option<Maker> {
        match self {
            Trace::Cgroups(text) => {
                cgroup::containers(text).last().map(|container| match container.engine {
                    Engine::Docker => Maker::Docker,
                    Engine::Podman => Maker::Podman,
                    Engine::Kubernetes => Maker::Kubernetes,
                    Engine::Lxc => Maker::Named("lxc".to_owned()),
                    Engine::Nspawn => Maker::Named("systemd-nspawn".to_owned()),
                })
            }
            Trace::DockerFile => Some(Maker::Docker),
            Trace::PodmanFile => Some(Maker::Podman),
            Trace::KubernetesVariable => Some(Maker::Kubernetes),
            Trace::SystemdFile(name) | Trace::Variable(name) => match name.trim() {
                // Windows calls its Linux machine a container, and it is none.
                "" | "wsl" => None,
                "docker" => Some(Maker::Docker),
                "podman" => Some(Maker::Podman),
                name => Some(Maker::Named(name.to_owned())),
            },
        }
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Maker::Docker => f.write_str("Docker"),
            Maker::Podman => f.write_str("Podman"),
            Maker::Kubernetes => f.write_str("Kubernetes"),
            Maker::Named(name) => f.write_str(&printable(name)),
        }
    }
}

/// A lock folder that nobody outside of this container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enclosure {
    maker: Maker,
    folder: PathBuf,
    why: Private,
}

impl Enclosure {
    /// `folder` as a container of this maker sees it, by `/proc/self/mountinfo`; `None` where
    /// others see it too, or nothing is known.
    #[must_use]
    pub fn of(maker: Maker, mounts: &str, folder: &Path) -> Option<Enclosure> {
        let why = mounts::covering(mounts, folder)?.private()?;
        Some(Enclosure { maker, folder: folder.to_owned(), why })
    }

    /// What is the matter.
    #[must_use]
    pub fn what(&self) -> String {
        let folder = self.folder.to_string_lossy();
        let folder = printable(&folder);
        let (guarded, why) = match self.why {
            Private::OwnRoot => ("container", "is on its own root file system"),
            Private::OwnMemory => ("container", "is in memory of its own (tmpfs)"),
            Private::OwnVolume => ("container", "is on a volume without a name"),
            Private::Pod => ("pod", "is on an emptyDir"),
        };
        format!(
            "only this {guarded} is guarded: its lock folder {folder} {why}, which nobody outside sees"
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn way_out(&self) -> String {
        let folder = self.folder.to_string_lossy();
        let folder = printable(&folder);
        match self.maker {
            Maker::Kubernetes => {
                format!(
                    "give the Deployment `replicas: 1` and `strategy: Recreate`, or mount one volume at {folder} in every pod that may run this bot"
                )
            }
            Maker::Docker | Maker::Podman => {
                format!(
                    "mount one volume there in every container that may run this bot, such as `-v monopoll-locks:{folder}`"
                )
            }
            Maker::Named(_) => format!(
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
    fn each_engine_is_known_by_what_it_leaves_behind() {
        let name = str::to_owned;
        for (traces, expected) in [
            (vec![], None),
            (vec![Trace::Cgroups(name("0::/system.slice/bot.service"))], None),
            (vec![Trace::DockerFile, Trace::Cgroups(name("0::/"))], Some(Maker::Docker)),
            (
                vec![Trace::Cgroups(format!("12:pids:/docker/{ID}\n0::/docker/{ID}"))],
                Some(Maker::Docker),
            ),
            (
                vec![
                    Trace::DockerFile,
                    Trace::Cgroups(format!("0::/system.slice/docker-{ID}.scope")),
                ],
                Some(Maker::Docker),
            ),
            (vec![Trace::Variable(name("podman"))], Some(Maker::Podman)),
            (vec![Trace::Variable(name("oci")), Trace::PodmanFile], Some(Maker::Podman)),
            (vec![Trace::DockerFile, Trace::KubernetesVariable], Some(Maker::Kubernetes)),
            (
                vec![Trace::Cgroups(format!(
                    "0::/kubepods.slice/kubepods-pod6f9d.slice/cri-containerd-{ID}.scope"
                ))],
                Some(Maker::Kubernetes),
            ),
            (
                vec![Trace::Cgroups(format!("11:memory:/kubepods/besteffort/pod6f9d/{ID}"))],
                Some(Maker::Kubernetes),
            ),
            (vec![Trace::Variable(name("lxc"))], Some(Maker::Named(name("lxc")))),
            (
                vec![Trace::SystemdFile(name("systemd-nspawn\n"))],
                Some(Maker::Named(name("systemd-nspawn"))),
            ),
            (vec![Trace::Variable(name("")), Trace::SystemdFile(name("wsl"))], None),
        ] {
            assert_eq!(maker(&traces, Namespaces::Own), expected, "{traces:?}");
        }
    }

    #[test]
    fn a_machine_that_was_made_of_an_image_is_no_container() {
        assert_eq!(maker(&[Trace::DockerFile], Namespaces::First), None);
    }

    #[test]
    fn a_private_folder_says_who_is_guarded_and_how_to_share_it() {
        let mounts = "1 0 0:9 / / rw - overlay overlay rw\n2 1 8:1 /var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/x /empty rw - xfs /dev/sda1 rw\n3 1 8:1 /srv /srv rw - xfs /dev/sda1 rw";
        let enclosure = |maker, folder| Enclosure::of(maker, mounts, Path::new(folder));
        let docker = enclosure(Maker::Docker, "/run/monopoll").unwrap();
        assert!(docker.what().starts_with("only this container is guarded: its lock folder /run/monopoll is on its own root file system"));
        assert!(docker.way_out().contains("-v monopoll-locks:/run/monopoll"));
        let pod = enclosure(Maker::Kubernetes, "/empty").unwrap();
        assert!(pod.what().starts_with("only this pod is guarded"));
        assert!(pod.way_out().contains("strategy: Recreate"));
        assert_eq!(enclosure(Maker::Docker, "/srv/locks"), None);
        assert_eq!(Enclosure::of(Maker::Docker, "", Path::new("/run")), None);
    }
}
