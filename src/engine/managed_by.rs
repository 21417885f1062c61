//! Service managers that restart a process after its end.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ManagedBy {
    /// A system service of systemd.
    Systemd(String),
    /// A user service of systemd.
    SystemdUser(String),
    Container(Container),
    Supervisord(Option<SupervisordProgram>),
    Pm2(Option<Pm2App>),
    Runit(ServiceFolder),
    S6(ServiceFolder),
    /// `supervise-daemon` of `OpenRC`, with the name of its service.
    OpenRc(String),
    Watcher(Watcher),
}

/// A program that restarts another one when a file changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Watcher {
    pub name: &'static str,
    pub pid: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Container {
    /// The short id or the name.
    pub id: String,
    pub engine: ContainerEngine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContainerEngine {
    /// Docker, or an unidentified engine with a Docker-compatible command line.
    Docker,
    Podman,
    Kubernetes,
    Lxc,
    Nspawn,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SupervisordProgram {
    /// The program's group, which is the program's own name by default.
    pub group: String,
    pub name: String,
    pub address: SupervisordAddress,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SupervisordAddress {
    Url(String),
    File(String),
    /// The address that supervisorctl uses by default.
    Default,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pm2App {
    pub name: String,
    pub id: Option<String>,
    /// The folder of the PM2 daemon, if it is not the user's default.
    pub home: Option<String>,
    /// PM2 starts it again after its end.
    pub restarts: bool,
    pub mode: Pm2Mode,
}

/// The way in which PM2's daemon starts a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pm2Mode {
    /// With the environment of the command that asked for it.
    Fork,
    /// With the environment of the daemon, as a worker of Node's cluster module.
    Cluster,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceFolder {
    pub name: String,
    pub folder: Option<String>,
}

impl ManagedBy {
    pub fn is_systemd(&self) -> bool {
        matches!(self, ManagedBy::Systemd(_) | ManagedBy::SystemdUser(_))
    }

    /// Returns whether a manager may start the process again. systemd is asked separately.
    pub fn may_restart(&self) -> bool {
        match self {
            ManagedBy::Pm2(Some(app)) => app.restarts,
            ManagedBy::Pm2(None)
            | ManagedBy::Systemd(_)
            | ManagedBy::SystemdUser(_)
            | ManagedBy::Container(_)
            | ManagedBy::Supervisord(_)
            | ManagedBy::Runit(_)
            | ManagedBy::S6(_)
            | ManagedBy::OpenRc(_)
            | ManagedBy::Watcher(_) => true,
        }
    }

    /// Returns the pid of a watcher, which runs among the user's own processes.
    pub fn watcher(&self) -> Option<u32> {
        match self {
            ManagedBy::Watcher(watcher) => Some(watcher.pid),
            ManagedBy::Systemd(_)
            | ManagedBy::SystemdUser(_)
            | ManagedBy::Container(_)
            | ManagedBy::Supervisord(_)
            | ManagedBy::Pm2(_)
            | ManagedBy::Runit(_)
            | ManagedBy::S6(_)
            | ManagedBy::OpenRc(_) => None,
        }
    }
}

impl fmt::Display for ManagedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ManagedBy::Systemd(unit) => write!(f, "systemd:{unit}"),
            ManagedBy::SystemdUser(unit) => write!(f, "systemd-user:{unit}"),
            ManagedBy::Container(container) => write!(f, "container:{}", container.id),
            ManagedBy::Supervisord(Some(program)) => {
                write!(f, "supervisord:{}:{}", program.group, program.name)
            }
            ManagedBy::Supervisord(None) => f.write_str("supervisord"),
            ManagedBy::Pm2(Some(app)) => write!(f, "pm2:{}", app.name),
            ManagedBy::Pm2(None) => f.write_str("pm2"),
            ManagedBy::Runit(service) => write!(f, "runit:{}", service.name),
            ManagedBy::S6(service) => write!(f, "s6:{}", service.name),
            ManagedBy::OpenRc(service) => write!(f, "openrc:{service}"),
            ManagedBy::Watcher(watcher) => f.write_str(watcher.name),
        }
    }
}
