//! What surrounds a process: the container it is in, and what would start it again. Pure readings of what the kernel shows.

use crate::engine::snapshot::ManagedBy;

/// Services that start other people's programs and never start them again.
const SPAWNERS: [&str; 8] = [
    "cron.service",
    "crond.service",
    "cronie.service",
    "atd.service",
    "ssh.service",
    "sshd.service",
    "getty.service",
    "display-manager.service",
];

/// The length to which people shorten a container id.
const SHORT_ID: usize = 12;

/// The container id in a process's `/proc/PID/cgroup`, shortened.
#[must_use]
pub fn container(cgroups: &str) -> Option<String> {
    paths(cgroups).flat_map(|path| path.split('/')).find_map(container_id)
}

/// What systemd manages by this `/proc/PID/cgroup`. Scopes are not managed: systemd never starts them again.
#[must_use]
pub fn service(cgroups: &str) -> Option<ManagedBy> {
    paths(cgroups).find_map(|path| {
        let unit = path.split('/').rfind(|part| has_suffix(part, ".service"))?;
        let spawner =
            SPAWNERS.contains(&unit) || ["user@", "getty@", "serial-getty@", "sshd@", "ssh@"].iter().any(|prefix| unit.starts_with(prefix));
        if spawner || path.split('/').any(|part| part.starts_with("session-") && has_suffix(part, ".scope")) {
            return None;
        }
        let of_a_user = path.split('/').any(|part| part.starts_with("user@"));
        let name = unescape(unit);
        Some(if of_a_user { ManagedBy::SystemdUser(name) } else { ManagedBy::Systemd(name) })
    })
}

/// The supervisor that a parent's command line shows it to be.
#[must_use]
pub fn supervisor(parent: &[String]) -> Option<ManagedBy> {
    let base = |arg: &String| arg.rsplit('/').next().unwrap_or_default().to_owned();
    let program = base(parent.first()?);
    // `supervisord` is a Python script: it may stand behind its interpreter.
    if parent.iter().take(3).any(|arg| base(arg) == "supervisord") {
        return Some(ManagedBy::Supervisord);
    }
    // PM2's daemon renames itself to `PM2 v6.0.5: God Daemon (/home/u/.pm2)`.
    if parent.first()?.starts_with("PM2 v") {
        return Some(ManagedBy::Pm2);
    }
    let service = || parent.get(1).map(|arg| base(&arg.trim_end_matches('/').to_owned())).unwrap_or_default();
    match program.as_str() {
        "runsv" => Some(ManagedBy::Runit(service())),
        "s6-supervise" => Some(ManagedBy::S6(service())),
        _ => None,
    }
}

/// Programs that adopt other processes' orphans and did not start them.
#[must_use]
pub fn adopts_orphans(parent: &[String]) -> bool {
    let Some(program) = parent.first().and_then(|arg| arg.rsplit('/').next()) else { return false };
    let known = ["systemd", "init", "tini", "dumb-init", "docker-init", "catatonit", "conmon"];
    known.contains(&program) || program.starts_with("containerd-shim")
}

/// The paths of a cgroup file, version 2's and version 1's.
fn paths(cgroups: &str) -> impl Iterator<Item = &str> {
    cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2))
}

fn container_id(part: &str) -> Option<String> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    // docker-ID, cri-containerd-ID, libpod-ID, crio-ID; version 1 has the id alone.
    let id = part.rsplit('-').next().unwrap_or(part);
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.chars().take(SHORT_ID).collect())
}

fn has_suffix(part: &str, suffix: &str) -> bool {
    part.len() > suffix.len() && part.ends_with(suffix)
}

/// systemd writes `-` in a unit's name as `\x2d`.
fn unescape(unit: &str) -> String {
    unit.replace("\\x2d", "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_names_the_service_that_manages_it() {
        let systemd = |unit: &str| Some(ManagedBy::Systemd(unit.to_owned()));
        let user = |unit: &str| Some(ManagedBy::SystemdUser(unit.to_owned()));
        for (cgroup, expected) in [
            ("0::/system.slice/bot.service", systemd("bot.service")),
            ("0::/system.slice/system-monopoll.slice/monopoll@voice.service", systemd("monopoll@voice.service")),
            ("12:pids:/system.slice/bot.service\n1:name=systemd:/system.slice/bot.service", systemd("bot.service")),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/bot.service", user("bot.service")),
            ("0::/user.slice/user-1000.slice/session-3.scope", None),
            ("0::/user.slice/user-1000.slice/user@1000.service/init.scope", None),
            ("0::/system.slice/cron.service", None),
            ("0::/init.scope", None),
            ("0::/", None),
            ("garbage", None),
        ] {
            assert_eq!(service(cgroup), expected, "{cgroup}");
        }
    }

    #[test]
    fn a_cgroup_names_the_container() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for cgroup in [
            format!("0::/system.slice/docker-{id}.scope"),
            format!("5:memory:/docker/{id}"),
            format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
            format!("0::/machine.slice/libpod-{id}.scope/container"),
        ] {
            assert_eq!(container(&cgroup).as_deref(), Some("0123456789ab"), "{cgroup}");
        }
        assert_eq!(container("0::/system.slice/bot.service"), None);
    }

    #[test]
    fn a_parent_is_known_by_its_command_line() {
        let args = |line: &str| line.split('|').map(str::to_owned).collect::<Vec<_>>();
        for (line, expected) in [
            ("/usr/bin/python3|/usr/bin/supervisord|-n", Some(ManagedBy::Supervisord)),
            ("PM2 v6.0.5: God Daemon (/root/.pm2)", Some(ManagedBy::Pm2)),
            ("runsv|bot", Some(ManagedBy::Runit("bot".to_owned()))),
            ("s6-supervise|/run/service/bot/", Some(ManagedBy::S6("bot".to_owned()))),
            ("bash", None),
        ] {
            assert_eq!(supervisor(&args(line)), expected, "{line}");
        }
    }
}
