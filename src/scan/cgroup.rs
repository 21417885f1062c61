//! Reads the container and the systemd unit of a process from `/proc/PID/cgroup`.

use crate::engine::managed_by::{Container, ContainerEngine, ManagedBy};

/// Services that start programs for users and never restart them.
const LAUNCHING_SERVICES: [&str; 13] = [
    "cron.service",
    "crond.service",
    "cronie.service",
    "anacron.service",
    "atd.service",
    "ssh.service",
    "sshd.service",
    "dropbear.service",
    "display-manager.service",
    "dbus.service",
    "dbus-broker.service",
    "gnome-terminal-server.service",
    "console-getty.service",
];

/// Prefixes of templates of such services.
const LAUNCHING_TEMPLATES: [&str; 7] =
    ["user@", "getty@", "serial-getty@", "container-getty@", "autovt@", "sshd@", "ssh@"];

/// The usual length of a shortened container id.
const SHORT_ID_LENGTH: usize = 12;

/// Returns the containers of a process, outermost first.
pub fn containers(cgroups: &str) -> Vec<Container> {
    // systemd's hierarchy comes first. The others may show less.
    hierarchies(cgroups)
        .map(|path| containers_in(&path).into_iter().map(|(_, container)| container).collect())
        .find(|it: &Vec<_>| !it.is_empty())
        .unwrap_or_default()
}

/// Returns the outermost container of the process with cgroups `theirs` that the one with `own` is
/// not in.
pub fn container(theirs: &str, own: &str) -> Option<Container> {
    if theirs == own {
        return None;
    }
    let own = containers(own);
    containers(theirs)
        .into_iter()
        .enumerate()
        .find(|(index, container)| own.get(*index) != Some(container))
        .map(|(_, container)| container)
}

/// Returns the manager of the process with cgroups `theirs` that the process with `own` can see and
/// stop. For a process in another container, that is the container, not a service inside. systemd
/// never restarts scopes.
pub fn manager(theirs: &str, own: &str) -> Option<ManagedBy> {
    let path = hierarchies(theirs).next()?;
    let outside = containers(own).len();
    match (container(theirs, own), containers_in(&path).get(outside)) {
        // Podman's container may be inside the service that restarts it.
        (Some(Container { engine: ContainerEngine::Podman, .. }), Some((at, _)))
            if unit(&path[..*at]).is_some() =>
        {
            unit(&path[..*at])
        }
        (Some(container), _) => Some(ManagedBy::Container(container)),
        (None, _) => {
            let inside = containers_in(&path).last().map_or(0, |(at, _)| at + 1);
            unit(&path[inside..])
        }
    }
}

/// Returns the deepest systemd service of a path.
fn unit(path: &[&str]) -> Option<ManagedBy> {
    let unit = path.iter().rfind(|part| has_suffix(part, ".service"))?;
    // systemd prefixes `_` to names that collide with files of the cgroup file system.
    let unit = unit.strip_prefix('_').unwrap_or(unit);
    let is_launching = LAUNCHING_SERVICES.contains(&unit)
        || LAUNCHING_TEMPLATES.iter().any(|prefix| unit.starts_with(prefix));
    if is_launching
        || path.iter().any(|part| part.starts_with("session-") && has_suffix(part, ".scope"))
    {
        return None;
    }
    let is_of_user = path.iter().any(|part| part.starts_with("user@"));
    Some(if is_of_user {
        ManagedBy::SystemdUser(unit.to_owned())
    } else {
        ManagedBy::Systemd(unit.to_owned())
    })
}

/// Returns the components of each path: systemd's hierarchy, then cgroup v2, then v1.
fn hierarchies(cgroups: &str) -> impl Iterator<Item = Vec<&str>> {
    let mut lines: Vec<(u8, &str)> = cgroups
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            let rank = match (fields.next()?, fields.next()?) {
                (_, "name=systemd") => 0,
                ("0", "") => 1,
                (_, _) => 2,
            };
            Some((rank, fields.next()?))
        })
        .collect();
    lines.sort_by_key(|(rank, _)| *rank);
    lines.into_iter().map(|(_, path)| path.split('/').filter(|part| !part.is_empty()).collect())
}

/// Returns the containers in a path, each with the index of its last component.
fn containers_in(path: &[&str]) -> Vec<(usize, Container)> {
    let mut pods = false;
    let mut found = Vec::new();
    for (index, part) in path.iter().enumerate() {
        pods |= part.starts_with("kubepods");
        let before = index.checked_sub(1).map_or("", |before| path[before]);
        found.extend(
            by_id(part, pods).or_else(|| by_name(before, part)).map(|container| (index, container)),
        );
    }
    found
}

/// Parses `docker-ID.scope`, `cri-containerd-ID.scope`, `libpod-ID.scope` and `crio-ID.scope`;
/// without systemd, the id alone or after a colon.
fn by_id(part: &str, pods: bool) -> Option<Container> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    let (engine, id) = part.rsplit_once(['-', ':']).unwrap_or(("", part));
    // conmon monitors a container from outside.
    let is_id = id.len() == 64
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !engine.ends_with("conmon");
    let engine = match engine {
        _ if pods || engine.starts_with("cri") => ContainerEngine::Kubernetes,
        "libpod" | "libpod-payload" => ContainerEngine::Podman,
        _ => ContainerEngine::Docker,
    };
    is_id.then(|| Container { id: id.chars().take(SHORT_ID_LENGTH).collect(), engine })
}

/// Parses `lxc.payload.NAME`, `lxc/NAME` and `systemd-nspawn@NAME.service/payload`.
fn by_name(before: &str, part: &str) -> Option<Container> {
    let lxc = part
        .strip_prefix("lxc.payload.")
        .or(matches!(before, "lxc" | "lxc.payload").then_some(part));
    if let Some(name) = lxc.filter(|name| !name.is_empty()) {
        return Some(Container { id: name.to_owned(), engine: ContainerEngine::Lxc });
    }
    let machine = before.strip_prefix("systemd-nspawn@").and_then(|it| it.strip_suffix(".service"));
    let machine = machine
        .or_else(|| before.strip_prefix("machine-")?.strip_suffix(".scope"))
        .filter(|_| part == "payload")?;
    // systemd escapes `-` as `\x2d`.
    Some(Container { id: machine.replace("\\x2d", "-"), engine: ContainerEngine::Nspawn })
}

fn has_suffix(part: &str, suffix: &str) -> bool {
    part.len() > suffix.len() && part.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const INNER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

    /// Expands `@` to a container id, `#` to that of a nested container, `~` to the manager of user
    /// 1000, `%` to `@`, and `;` to a line break.
    fn cgroups(text: &str) -> String {
        text.replace('~', "/user.slice/user-1000.slice/user%1000.service")
            .replace(';', "\n")
            .replace('@', ID)
            .replace('#', INNER)
            .replace('%', "@")
    }

    /// Parses a table: cgroups, blanks, and the expected result; `-` means none.
    fn rows(table: &str) -> impl Iterator<Item = (String, Option<&str>)> {
        let rows = table.lines().map(str::trim).filter(|row| !row.is_empty());
        rows.map(|row| {
            let (text, expected) = row.split_once(' ').unwrap();
            let expected = expected.trim_start();
            (cgroups(text), (expected != "-").then_some(expected))
        })
    }

    fn managed(theirs: &str, own: &str) -> Option<String> {
        manager(theirs, own).map(|by| by.to_string())
    }

    #[test]
    fn a_cgroup_names_the_service_that_manages_it() {
        // The forms found with systemd 229 to 256, cron, OpenSSH, GNOME, snapd and flatpak.
        let table = r"
            0::/system.slice/bot.service                            systemd:bot.service
            0::/system.slice/system-bot.slice/bot%voice.service     systemd:bot@voice.service
            0::/system.slice/my\x2dbot.slice/my-bot%a\x2db.service systemd:my-bot@a\x2db.service
            0::/system.slice/bot.service/workers                    systemd:bot.service
            0::/bots.slice/bots-telegram.slice/voice.service        systemd:voice.service
            0::/system.slice/_memory.service                        systemd:memory.service
            0::/system.slice/docker.service                         systemd:docker.service
            0::/system.slice/containerd.service                     systemd:containerd.service
            0::/system.slice/run-r0123456789abcdef.service  systemd:run-r0123456789abcdef.service
            0::/system.slice/snap.bot.daemon.service        systemd:snap.bot.daemon.service
            12:pids:/a/bot.service;1:name=systemd:/a/bot.service    systemd:bot.service
            11:cpu,cpuacct:/;5:devices:/a.service;1:name=systemd:/bot.service systemd:bot.service
            4:pids:~;1:name=systemd:~/bot.service;0::~/bot.service  systemd-user:bot.service
            0::~/app.slice/bot.service                              systemd-user:bot.service
            0::~/app.slice/app-bot.slice/bot%1.service              systemd-user:bot@1.service
            0::/../../system.slice/bot.service                      systemd:bot.service
            0::/user.slice/user-1000.slice/session-3.scope          -
            9:devices:/user.slice;1:name=systemd:/user.slice/user-0.slice/session-c1.scope -
            0::~/init.scope                                         -
            0::~/app.slice/app-gnome-terminal-4711.scope            -
            0::~/app.slice/app-org.gnome.Terminal.slice/vte-spawn-1.scope -
            0::~/app.slice/gnome-terminal-server.service            -
            0::~/app.slice/snap.code.code-0c6e.scope                -
            0::~/app.slice/app-flatpak-org.telegram.desktop-4711.scope -
            0::~/session.slice/dbus-broker.service                  -
            0::/system.slice/cron.service                           -
            0::/system.slice/crond.service                          -
            0::/system.slice/ssh.service                            -
            0::/system.slice/system-sshd.slice/sshd%3-10.0.0.1:22-10.0.0.2:5000.service -
            0::/system.slice/system-getty.slice/getty%tty1.service  -
            0::/system.slice/.service                               -
            0::/init.scope                                          -
            0::/machine.slice/machine-qemu\x2d1\x2dweb.scope/libvirt/emulator -
            0::/                                                    -
            garbage                                                 -
            a:b                                                     -
            ;                                                       -";
        for (theirs, expected) in rows(table) {
            assert_eq!(managed(&theirs, "0::/init.scope").as_deref(), expected, "{theirs}");
        }
    }

    #[test]
    fn a_cgroup_names_the_container_and_its_engine() {
        let table = r"
            0::/system.slice/docker-@.scope                         docker 0123456789ab
            0::/system.slice/docker-@.scope/init.scope              docker 0123456789ab
            0::/system.slice/docker-@.scope/system.slice/bot.service docker 0123456789ab
            5:memory:/docker/@                                      docker 0123456789ab
            12:pids:/docker/@;1:name=systemd:/docker/@;0::/a.service docker 0123456789ab
            0::/ecs/aaaa/@                                          docker 0123456789ab
            0::/docker/@/docker/#                                   docker 0123456789ab
            0::/machine.slice/libpod-@.scope/container              podman 0123456789ab
            0::~/user.slice/libpod-@.scope/container                podman 0123456789ab
            0::/system.slice/bot.service/libpod-payload-@           systemd:bot.service
            0::~/app.slice/bot.service/libpod-payload-@ systemd-user:bot.service
            0::/kubepods.slice/kubepods-burstable-pod1.slice/cri-containerd-@.scope KUBERNETES
            0::/kubepods.slice/kubepods-pod1.slice/crio-@.scope/container KUBERNETES
            1:pids:/kubepods/besteffort/pod1/@;1:name=systemd:/kubepods/besteffort/pod1/@ KUBERNETES
            0::/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:@ KUBERNETES
            0::/lxc.payload.web/system.slice/bot.service            lxc web
            5:memory:/lxc/web;1:name=systemd:/lxc/web/system.slice/bot.service lxc web
            0::/systemd-nspawn%my\x2dweb.service/payload/a.service nspawn my-web
            0::/machine.slice/machine-web.scope/payload/init.scope  nspawn web";
        for (theirs, expected) in rows(table) {
            let by = manager(&theirs, "0::/user.slice/user-0.slice/session-1.scope");
            let found = by.map(|by| match by {
                ManagedBy::Container(Container { id, engine }) => {
                    format!("{engine:?} {id}").to_lowercase().replace(POD, "KUBERNETES")
                }
                service => service.to_string(),
            });
            assert_eq!(found.as_deref(), expected, "{theirs}");
        }
    }

    const POD: &str = "kubernetes 0123456789ab";

    #[test]
    fn other_cgroups_are_no_container() {
        for theirs in [
            "0::/system.slice/bot.service",
            "0::/machine.slice/libpod-conmon-@.scope",
            "0::/lxc.monitor.web",
            "0::/system.slice/docker-0123456789ab.scope",
            "0::/machine.slice/machine-web.scope",
            "0::/lxc",
            "garbage",
        ] {
            assert_eq!(containers(&cgroups(theirs)), [], "{theirs}");
        }
    }

    #[test]
    fn a_container_that_monopoll_runs_in_too_manages_nothing() {
        for (theirs, own, expected) in [
            ("0::/docker/@", "0::/docker/@", None),
            ("0::/docker/@/docker/#", "0::/docker/@", Some("container:fedcba987654")),
            ("0::/docker/#", "0::/docker/@", Some("container:fedcba987654")),
            ("0::/docker/@", "0::/docker/@/docker/#", None),
            ("0::/docker/@/bot.service", "0::/docker/@/ssh.service", Some("systemd:bot.service")),
            ("0::/system.slice/bot.service", "0::/docker/@", Some("systemd:bot.service")),
            ("0::/../docker-#.scope", "0::/", Some("container:fedcba987654")),
        ] {
            let manager = managed(&cgroups(theirs), &cgroups(own));
            assert_eq!(manager.as_deref(), expected, "{theirs} seen from {own}");
        }
    }
}
