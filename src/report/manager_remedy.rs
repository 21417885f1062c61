//! The commands that keep a service manager from restarting a program.

use crate::engine::managed_by::{
    Container, ContainerEngine, ManagedBy, Pm2App, ServiceFolder, SupervisordAddress,
    SupervisordProgram, Watcher,
};
use crate::text::shell_quote;

/// Returns what to do so that the manager does not restart the program.
pub fn remedy(manager: &ManagedBy) -> String {
    let command = match manager {
        ManagedBy::Systemd(unit) => format!("systemctl stop {}", operand(unit)),
        ManagedBy::SystemdUser(unit) => format!("systemctl --user stop {}", operand(unit)),
        ManagedBy::Container(container) => container_command(container),
        ManagedBy::Supervisord(Some(program)) => supervisord_command(program),
        ManagedBy::Supervisord(None) => "supervisorctl stop NAME".to_owned(),
        ManagedBy::Pm2(Some(app)) => pm2_command(app),
        ManagedBy::Pm2(None) => "pm2 stop NAME".to_owned(),
        ManagedBy::Runit(service) => format!("sv down {}", service_operand(service)),
        ManagedBy::S6(service) => format!("s6-svc -d {}", service_operand(service)),
        ManagedBy::OpenRc(service) => format!("rc-service {} stop", operand(service)),
        // A watcher has no stop command, and usually runs in a terminal.
        ManagedBy::Watcher(Watcher { name, pid }) => {
            return format!("end {name} itself (pid {pid}), where it was started");
        }
    };
    format!("stop it for good with `{command}`")
}

fn container_command(container: &Container) -> String {
    let id = operand(&container.id);
    match container.engine {
        ContainerEngine::Docker => format!("docker stop {id}"),
        ContainerEngine::Podman => format!("podman stop {id}"),
        // Kubernetes would replace a container that was stopped directly.
        ContainerEngine::Kubernetes => "kubectl scale --replicas=0 WORKLOAD".to_owned(),
        ContainerEngine::Lxc => format!("lxc-stop {id}"),
        ContainerEngine::Nspawn => format!("machinectl poweroff {id}"),
    }
}

fn supervisord_command(program: &SupervisordProgram) -> String {
    let name = shell_quote(&format!("{}:{}", program.group, program.name));
    match &program.address {
        SupervisordAddress::Url(url) => {
            format!("supervisorctl -s {} stop {name}", shell_quote(url))
        }
        SupervisordAddress::File(path) => {
            format!("supervisorctl -c {} stop {name}", shell_quote(path))
        }
        SupervisordAddress::Default => format!("supervisorctl stop {name}"),
    }
}

fn pm2_command(app: &Pm2App) -> String {
    // Names that PM2 would interpret differently: `all`, a number, a pattern, an option.
    let ambiguous = app.name == "all"
        || app.name.starts_with(['/', '-'])
        || app.name.bytes().all(|byte| byte.is_ascii_digit());
    let name = app.id.as_ref().filter(|_| ambiguous).unwrap_or(&app.name);
    let home = app
        .home
        .as_ref()
        .map_or_else(String::new, |home| format!("PM2_HOME={} ", shell_quote(home)));
    format!("{home}pm2 stop {}", shell_quote(name))
}

fn service_operand(service: &ServiceFolder) -> String {
    operand(service.folder.as_ref().unwrap_or(&service.name))
}

/// Quotes a word so that it is not taken for an option.
fn operand(word: &str) -> String {
    let no_option = if word.starts_with('-') { "-- " } else { "" };
    format!("{no_option}{}", shell_quote(word))
}

#[cfg(test)]
mod tests {
    use crate::engine::managed_by::Pm2Mode;

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
            restarts: true,
            mode: Pm2Mode::Fork,
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
            assert_eq!(remedy(&managed_by), format!("stop it for good with `{command}`"));
        }
    }

    #[test]
    fn a_watcher_is_ended_itself() {
        let nodemon = ManagedBy::Watcher(Watcher { name: "nodemon", pid: 7 });
        assert_eq!(nodemon.to_string(), "nodemon");
        assert_eq!(remedy(&nodemon), "end nodemon itself (pid 7), where it was started");
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
            assert_eq!(remedy(&managed_by), format!("stop it for good with `{command}`"));
        }
    }

    #[test]
    fn a_name_that_pm2_takes_for_something_else_is_a_number() {
        for name in ["all", "7", "/bot/", "-f"] {
            let by_number = remedy(&app(name, Some("3"), None));
            assert_eq!(by_number, "stop it for good with `pm2 stop 3`");
        }
        for (name, id) in [("all", None), ("bot7", Some("3"))] {
            let expected = format!("stop it for good with `pm2 stop {name}`");
            assert_eq!(remedy(&app(name, id, None)), expected);
        }
    }
}
