//! Whether this process is in a container, and what is said where only that container is guarded. Pure readings.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{
    mounts::{self, Private},
    surroundings,
};
use crate::report::mask::printable;

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
    /// The machine's first ones: what traces there are came with the image that the machine was made of.
    First,
    /// At least one of its own, or nobody can tell.
    Own,
}

/// Who made a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// Kubernetes, by whatever runtime.
    Kubernetes,
    /// One that has this name, such as `lxc`.
    Named(String),
    /// One that shows only by the container's id.
    Unknown,
}

/// The engine of the container that these are the traces of, if it is one.
#[must_use]
pub fn engine(traces: &[Trace], namespaces: Namespaces) -> Option<Engine> {
    if namespaces == Namespaces::First {
        return None;
    }
    traces.iter().filter_map(Trace::engine).min_by_key(|engine| match engine {
        // Kubernetes leaves its runtime's traces too, and whoever is compatible with Docker leaves Docker's.
        Engine::Kubernetes => 0,
        Engine::Podman => 1,
        Engine::Docker => 2,
        Engine::Named(_) => 3,
        Engine::Unknown => 4,
    })
}

impl Trace {
    fn engine(&self) -> Option<Engine> {
        match self {
            Trace::Cgroups(text) if text.contains("kubepods") => Some(Engine::Kubernetes),
            Trace::Cgroups(text) => surroundings::container(text).map(|_| Engine::Unknown),
            Trace::DockerFile => Some(Engine::Docker),
            Trace::PodmanFile => Some(Engine::Podman),
            Trace::KubernetesVariable => Some(Engine::Kubernetes),
            Trace::SystemdFile(name) | Trace::Variable(name) => match name.trim() {
                // Windows calls its Linux machine a container, and it is none.
                "" | "wsl" => None,
                "docker" => Some(Engine::Docker),
                "podman" => Some(Engine::Podman),
                name => Some(Engine::Named(name.to_owned())),
            },
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Engine::Docker => f.write_str("Docker"),
            Engine::Podman => f.write_str("Podman"),
            Engine::Kubernetes => f.write_str("Kubernetes"),
            Engine::Named(name) => f.write_str(&printable(name)),
            Engine::Unknown => f.write_str("an engine that does not say its name"),
        }
    }
}

/// A lock folder that nobody outside of this container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enclosure {
    engine: Engine,
    folder: PathBuf,
    why: Private,
}

impl Enclosure {
    /// `folder` as a container of `engine` sees it, by `/proc/self/mountinfo`; `None` where others see it too, or nothing
    /// is known.
    #[must_use]
    pub fn of(engine: Engine, mounts: &str, folder: &Path) -> Option<Enclosure> {
        let why = mounts::covering(mounts, folder)?.private()?;
        Some(Enclosure { engine, folder: folder.to_owned(), why })
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
        format!("only this {guarded} is guarded: its lock folder {folder} {why}, which nobody outside sees")
    }

    /// What to do about it.
    #[must_use]
    pub fn way_out(&self) -> String {
        let folder = self.folder.to_string_lossy();
        let folder = printable(&folder);
        match self.engine {
            Engine::Kubernetes => {
                format!(
                    "give the Deployment `replicas: 1` and `strategy: Recreate`, or mount one volume at {folder} in every pod that may run this bot"
                )
            }
            Engine::Docker | Engine::Podman | Engine::Unknown => {
                format!("mount one volume there in every container that may run this bot, such as `-v monopoll-locks:{folder}`")
            }
            Engine::Named(_) => format!("mount one folder of the host at {folder} in every container that may run this bot"),
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
            (vec![Trace::DockerFile, Trace::Cgroups(name("0::/"))], Some(Engine::Docker)),
            (vec![Trace::Cgroups(format!("12:pids:/docker/{ID}\n0::/docker/{ID}"))], Some(Engine::Unknown)),
            (vec![Trace::DockerFile, Trace::Cgroups(format!("0::/system.slice/docker-{ID}.scope"))], Some(Engine::Docker)),
            (vec![Trace::Variable(name("podman"))], Some(Engine::Podman)),
            (vec![Trace::Variable(name("oci")), Trace::PodmanFile], Some(Engine::Podman)),
            (vec![Trace::DockerFile, Trace::KubernetesVariable], Some(Engine::Kubernetes)),
            (
                vec![Trace::Cgroups(format!("0::/kubepods.slice/kubepods-pod6f9d.slice/cri-containerd-{ID}.scope"))],
                Some(Engine::Kubernetes),
            ),
            (vec![Trace::Cgroups(format!("11:memory:/kubepods/besteffort/pod6f9d/{ID}"))], Some(Engine::Kubernetes)),
            (vec![Trace::Variable(name("lxc"))], Some(Engine::Named(name("lxc")))),
            (vec![Trace::SystemdFile(name("systemd-nspawn\n"))], Some(Engine::Named(name("systemd-nspawn")))),
            (vec![Trace::Variable(name("")), Trace::SystemdFile(name("wsl"))], None),
        ] {
            assert_eq!(engine(&traces, Namespaces::Own), expected, "{traces:?}");
        }
    }

    #[test]
    fn a_machine_that_was_made_of_an_image_is_no_container() {
        assert_eq!(engine(&[Trace::DockerFile], Namespaces::First), None);
    }

    #[test]
    fn a_private_folder_says_who_is_guarded_and_how_to_share_it() {
        let mounts = "1 0 0:9 / / rw - overlay overlay rw\n2 1 8:1 /var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/x /empty rw - xfs /dev/sda1 rw\n3 1 8:1 /srv /srv rw - xfs /dev/sda1 rw";
        let enclosure = |engine, folder| Enclosure::of(engine, mounts, Path::new(folder));
        let docker = enclosure(Engine::Docker, "/run/monopoll").unwrap();
        assert!(docker.what().starts_with("only this container is guarded: its lock folder /run/monopoll is on its own root file system"));
        assert!(docker.way_out().contains("-v monopoll-locks:/run/monopoll"));
        let pod = enclosure(Engine::Kubernetes, "/empty").unwrap();
        assert!(pod.what().starts_with("only this pod is guarded"));
        assert!(pod.way_out().contains("strategy: Recreate"));
        assert_eq!(enclosure(Engine::Docker, "/srv/locks"), None);
        assert_eq!(Enclosure::of(Engine::Docker, "", Path::new("/run")), None);
    }
}
