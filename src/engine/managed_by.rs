//! Service managers that restart a process after its end, and the commands that end it for good.

use std::fmt;

use crate::text::shell_quote;

/// A service manager that restarts a process after its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ManagedBy {
    /// A service of the system's systemd.
    Systemd(String),
    /// A service of a user's systemd.
    SystemdUser(String),
    Container(Container),
    Supervisord(Option<SupervisordProgram>),
    Pm2(Option<Pm2App>),
    /// runit's `runsv`.
    Runit(ServiceFolder),
    /// s6's `s6-supervise`.
    S6(ServiceFolder),
    /// `supervise-daemon` of `OpenRC`, by its service.
    OpenRc(String),
    Watcher(Watcher),
}

/// A program that starts another one again when a file changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Watcher {
    pub name: &'static str,
    pub pid: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Container {
    /// Its id, shortened, or its name.
    pub id: String,
    pub engine: ContainerEngine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContainerEngine {
    /// Docker, or an unidentified engine whose command line is compatible with Docker's.
    Docker,
    Podman,
    Kubernetes,
    Lxc,
    Nspawn,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SupervisordProgram {
    /// Its group; a program that is in none has one of its own name.
    pub group: String,
    pub name: String,
    pub address: SupervisordAddress,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SupervisordAddress {
    Url(String),
    /// A configuration file.
    File(String),
    /// The one that supervisorctl finds by itself.
    Default,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pm2App {
    pub name: String,
    pub id: Option<String>,
    /// The folder of its daemon, where that is not the user's own.
    pub home: Option<String>,
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

    /// Returns the process that restarts, where that is one of the user's own.
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

    /// Returns what to do so that it does not start a program again.
    pub fn remedy(&self) -> String {
        let command = match self {
            ManagedBy::Systemd(unit) => format!("systemctl stop {}", operand(unit)),
            ManagedBy::SystemdUser(unit) => format!("systemctl --user stop {}", operand(unit)),
            ManagedBy::Container(container) => container.stop_command(),
            ManagedBy::Supervisord(Some(program)) => program.stop_command(),
            ManagedBy::Supervisord(None) => "supervisorctl stop NAME".to_owned(),
            ManagedBy::Pm2(Some(app)) => app.stop_command(),
            ManagedBy::Pm2(None) => "pm2 stop NAME".to_owned(),
            ManagedBy::Runit(service) => format!("sv down {}", service.operand()),
            ManagedBy::S6(service) => format!("s6-svc -d {}", service.operand()),
            ManagedBy::OpenRc(service) => format!("rc-service {} stop", operand(service)),
            // A terminal's, most often: it has no command, and is ended there.
            ManagedBy::Watcher(Watcher { name, pid }) => {
                return format!("end {name} itself (pid {pid}), where it was started");
            }
        };
        format!("stop it for good with `{command}`")
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

impl Container {
    fn stop_command(&self) -> String {
        let id = operand(&self.id);
        match self.engine {
            ContainerEngine::Docker => format!("docker stop {id}"),
            ContainerEngine::Podman => format!("podman stop {id}"),
            // A pod's container is brought back by its workload.
            ContainerEngine::Kubernetes => "kubectl scale --replicas=0 WORKLOAD".to_owned(),
            ContainerEngine::Lxc => format!("lxc-stop {id}"),
            ContainerEngine::Nspawn => format!("machinectl poweroff {id}"),
        }
    }
}

impl SupervisordProgram {
    fn stop_command(&self) -> String {
        let program = shell_quote(&format!("{}:{}", self.group, self.name));
        match &self.address {
            SupervisordAddress::Url(url) => {
                format!("supervisorctl -s {} stop {program}", shell_quote(url))
            }
            SupervisordAddress::File(path) => {
                format!("supervisorctl -c {} stop {program}", shell_quote(path))
            }
            SupervisordAddress::Default => format!("supervisorctl stop {program}"),
        }
    }
}

impl Pm2App {
    fn stop_command(&self) -> String {
        // PM2 takes some names for something else: every app, a number, a pattern, an option.
        let ambiguous = self.name == "all"
            || self.name.starts_with(['/', '-'])
            || self.name.bytes().all(|byte| byte.is_ascii_digit());
        let app = self.id.as_ref().filter(|_| ambiguous).unwrap_or(&self.name);
        let home = self
            .home
            .as_ref()
            .map_or_else(String::new, |home| format!("PM2_HOME={} ", shell_quote(home)));
        format!("{home}pm2 stop {}", shell_quote(app))
    }
}

impl ServiceFolder {
    fn operand(&self) -> String {
        operand(self.folder.as_ref().unwrap_or(&self.name))
    }
}

/// A word that is no option, whatever it begins with.
fn operand(word: &str) -> String {
    let no_option = if word.starts_with('-') { "-- " } else { "" };
    format!("{no_option}{}", shell_quote(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn systemd(unit: &str) -> ManagedBy {
        ManagedBy::Systemd(unit.to_owned())
    }

    fn program(group: &str, name: &str, address: SupervisordAddress) -> ManagedBy {
        ManagedBy::Supervisord(Some(SupervisordProgram {
            group: group.to_owned(),
            name: name.to_owned(),
            address,
        }))
    }

    fn app(name: &str, id: Option<&str>, home: Option<&str>) -> ManagedBy {
        ManagedBy::Pm2(Some(Pm2App {
            name: name.to_owned(),
            id: id.map(str::to_owned),
            home: home.map(str::to_owned),
        }))
    }

    fn container(id: &str, engine: ContainerEngine) -> ManagedBy {
        ManagedBy::Container(Container { id: id.to_owned(), engine })
    }

    fn service(folder: Option<&str>) -> ServiceFolder {
        ServiceFolder { name: "bot".to_owned(), folder: folder.map(str::to_owned) }
    }

    #[test]
    fn each_is_named_with_the_command_that_ends_it() {
        let url = || SupervisordAddress::Url("unix:///s.sock".to_owned());
        let file = || SupervisordAddress::File("/a b/s.conf".to_owned());
        for (managed_by, name, command) in [
            (systemd("bot.service"), "systemd:bot.service", "systemctl stop bot.service"),
            (
                ManagedBy::SystemdUser("bot.service".to_owned()),
                "systemd-user:bot.service",
                "systemctl --user stop bot.service",
            ),
            (container("c0", ContainerEngine::Docker), "container:c0", "docker stop c0"),
            (container("c0", ContainerEngine::Podman), "container:c0", "podman stop c0"),
            (
                container("c0", ContainerEngine::Kubernetes),
                "container:c0",
                "kubectl scale --replicas=0 WORKLOAD",
            ),
            (container("web", ContainerEngine::Lxc), "container:web", "lxc-stop web"),
            (container("web", ContainerEngine::Nspawn), "container:web", "machinectl poweroff web"),
            (
                program("bots", "a", SupervisordAddress::Default),
                "supervisord:bots:a",
                "supervisorctl stop bots:a",
            ),
            (
                program("b", "a", url()),
                "supervisord:b:a",
                "supervisorctl -s unix:///s.sock stop b:a",
            ),
            (
                program("b", "a", file()),
                "supervisord:b:a",
                "supervisorctl -c '/a b/s.conf' stop b:a",
            ),
            (ManagedBy::Supervisord(None), "supervisord", "supervisorctl stop NAME"),
            (app("voice", Some("3"), None), "pm2:voice", "pm2 stop voice"),
            (app("voice", None, Some("/srv/pm2")), "pm2:voice", "PM2_HOME=/srv/pm2 pm2 stop voice"),
            (ManagedBy::Pm2(None), "pm2", "pm2 stop NAME"),
            (ManagedBy::Runit(service(None)), "runit:bot", "sv down bot"),
            (ManagedBy::Runit(service(Some("/etc/sv/bot"))), "runit:bot", "sv down /etc/sv/bot"),
            (ManagedBy::S6(service(Some("/run/bot"))), "s6:bot", "s6-svc -d /run/bot"),
            (ManagedBy::OpenRc("bot".to_owned()), "openrc:bot", "rc-service bot stop"),
        ] {
            assert_eq!(managed_by.to_string(), name);
            assert_eq!(managed_by.remedy(), format!("stop it for good with `{command}`"));
        }
    }

    #[test]
    fn a_watcher_is_ended_itself() {
        let nodemon = ManagedBy::Watcher(Watcher { name: "nodemon", pid: 7 });
        assert_eq!(nodemon.to_string(), "nodemon");
        assert_eq!(nodemon.remedy(), "end nodemon itself (pid 7), where it was started");
    }

    #[test]
    fn any_name_is_one_word_in_a_command() {
        let url = SupervisordAddress::Url("http://x/`id`".to_owned());
        for (managed_by, command) in [
            (systemd(r"bot@a\x2db.service"), r"systemctl stop 'bot@a\x2db.service'"),
            (systemd("-.service"), "systemctl stop -- -.service"),
            (systemd("a;reboot.service"), "systemctl stop 'a;reboot.service'"),
            (
                program("b$(reboot)", "it's", SupervisordAddress::Default),
                r"supervisorctl stop 'b$(reboot):it'\''s'",
            ),
            (program("b", "v", url), "supervisorctl -s 'http://x/`id`' stop b:v"),
            (app("a\nb", Some("3"), None), r"pm2 stop $'a\nb'"),
            (app("a b", None, Some("/h o")), "PM2_HOME='/h o' pm2 stop 'a b'"),
        ] {
            assert_eq!(managed_by.remedy(), format!("stop it for good with `{command}`"));
        }
    }

    #[test]
    fn a_name_that_pm2_takes_for_something_else_is_a_number() {
        for name in ["all", "7", "/bot/", "-f"] {
            assert_eq!(app(name, Some("3"), None).remedy(), "stop it for good with `pm2 stop 3`");
        }
        for (name, id) in [("all", None), ("bot7", Some("3"))] {
            let remedy = format!("stop it for good with `pm2 stop {name}`");
            assert_eq!(app(name, id, None).remedy(), remedy);
        }
    }
}
