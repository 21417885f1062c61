//! Recognizes supervisors by their command lines, and determines their names for a program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::engine::managed_by::{
    ManagedBy, Pm2App, Pm2Mode, ServiceFolder, SupervisordAddress, SupervisordProgram, Watcher,
};
use crate::scan::watchers::watcher_name;

/// The variables that supervisors set for a program. `HOME` is needed for PM2's default folder.
const VARIABLES: [&str; 12] = [
    "SUPERVISOR_PROCESS_NAME",
    "SUPERVISOR_GROUP_NAME",
    "SUPERVISOR_SERVER_URL",
    "name",
    "pm_id",
    "pm2_env",
    "PM2_HOME",
    "autorestart",
    "watch",
    "cron_restart",
    "NODE_UNIQUE_ID",
    "HOME",
];

/// The variables set by supervisors. Every descendant inherits them, so they only count if the
/// supervisor is visible too.
#[derive(Debug, Default)]
pub struct SupervisorEnv(BTreeMap<&'static str, String>);

impl SupervisorEnv {
    /// Selects the variables from `NAME=VALUE` entries.
    pub fn new<'a>(environ: impl Iterator<Item = &'a [u8]>) -> SupervisorEnv {
        let mut variables = BTreeMap::new();
        for (name, value) in
            environ.filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('='))
        {
            // Programs see the first of several entries with the same name.
            if let Some(known) =
                VARIABLES.into_iter().find(|known| *known == name).filter(|_| !value.is_empty())
            {
                variables.entry(known).or_insert_with(|| value.to_owned());
            }
        }
        SupervisorEnv(variables)
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

/// Returns the supervisor with this command line. `cwd` returns its working directory, and `env`
/// the variables of its child.
pub fn supervisor(
    args: &[String],
    cwd: impl FnOnce() -> Option<PathBuf>,
    env: impl FnOnce() -> SupervisorEnv,
) -> Option<ManagedBy> {
    let program = args.first()?;
    // `supervisord` is a Python script, so an interpreter and an option may precede it.
    let first_args = if base_name(program).starts_with("py") { 3 } else { 1 };
    if args.iter().take(first_args).any(|arg| base_name(arg) == "supervisord") {
        return Some(ManagedBy::Supervisord(supervisord_program(args, cwd, &env())));
    }
    // PM2's daemon sets its title to `PM2 v6.0.5: God Daemon (/home/u/.pm2)`.
    if program.starts_with("PM2 v") {
        return Some(ManagedBy::Pm2(pm2_app(&env())));
    }
    match base_name(program) {
        "runsv" => Some(ManagedBy::Runit(service_folder(args, cwd))),
        "s6-supervise" => Some(ManagedBy::S6(service_folder(args, cwd))),
        "supervise-daemon" => Some(ManagedBy::OpenRc(args.get(1)?.clone())),
        _ => None,
    }
}

/// Returns whether this is the command line of a supervisor.
pub(super) fn supervises(args: &[String]) -> bool {
    supervisor(args, || None, SupervisorEnv::default).is_some()
}

/// Returns the watcher with this command line. A watcher is not a supervisor: a person starts it
/// instead of the bot, and it may be COMMAND.
pub(super) fn watcher(args: &[String], pid: u32) -> Option<ManagedBy> {
    let name = |at: usize| args.get(at).map(|arg| base_name(arg));
    let name = match (name(0)?, name(1)) {
        ("node" | "nodejs" | "bun", Some(script)) => {
            watcher_name(script).filter(|name| *name != "watchexec")?
        }
        ("watchexec", _) => "watchexec",
        (_, _) => return None,
    };
    Some(ManagedBy::Watcher(Watcher { name, pid }))
}

fn supervisord_program(
    args: &[String],
    cwd: impl FnOnce() -> Option<PathBuf>,
    env: &SupervisorEnv,
) -> Option<SupervisordProgram> {
    let name = env.get("SUPERVISOR_PROCESS_NAME")?;
    let address = match (env.get("SUPERVISOR_SERVER_URL"), configuration(args)) {
        (Some(url), _) => SupervisordAddress::Url(url),
        (None, Some(file)) => {
            absolute(file, cwd).map_or(SupervisordAddress::Default, SupervisordAddress::File)
        }
        (None, None) => SupervisordAddress::Default,
    };
    Some(SupervisordProgram {
        group: env.get("SUPERVISOR_GROUP_NAME").unwrap_or_else(|| name.clone()),
        name,
        address,
    })
}

fn configuration(args: &[String]) -> Option<&str> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-c" | "--configuration" => return args.next().map(String::as_str),
            _ => {}
        }
        if let Some(file) = arg.strip_prefix("--configuration=").or_else(|| arg.strip_prefix("-c"))
        {
            return Some(file);
        }
    }
    None
}

fn absolute(file: &str, cwd: impl FnOnce() -> Option<PathBuf>) -> Option<String> {
    let path = if Path::new(file).is_absolute() { PathBuf::from(file) } else { cwd()?.join(file) };
    path.to_str().map(str::to_owned)
}

/// In cluster mode, Node numbers its workers, and PM2 puts everything into one variable.
fn pm2_app(env: &SupervisorEnv) -> Option<Pm2App> {
    let cluster = env
        .get("NODE_UNIQUE_ID")
        .and_then(|_| serde_json::from_str::<serde_json::Value>(&env.get("pm2_env")?).ok());
    let setting = |name: &str| match &cluster {
        Some(pm2) => match pm2.get(name)? {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text.clone()),
            value => Some(value.to_string()),
        },
        None => env.get(name),
    };
    let usual = env.get("HOME").map(|home| format!("{}/.pm2", home.trim_end_matches('/')));
    let home = env.get("PM2_HOME").filter(|home| usual.as_ref() != Some(home));
    let is_off = |name: &str| setting(name).is_none_or(|value| value == "false");
    let restarts = setting("autorestart").is_none_or(|value| value != "false")
        || !is_off("watch")
        || !is_off("cron_restart");
    let is_worker = env.get("NODE_UNIQUE_ID").is_some();
    let mode = if is_worker { Pm2Mode::Cluster } else { Pm2Mode::Fork };
    Some(Pm2App {
        mode,
        name: setting("name")?,
        id: setting("pm_id").filter(|id| id.bytes().all(|byte| byte.is_ascii_digit())),
        home,
        restarts,
    })
}

/// runsv and s6-supervise run in the folder of their service.
fn service_folder(args: &[String], cwd: impl FnOnce() -> Option<PathBuf>) -> ServiceFolder {
    let name =
        args.get(1).map(|arg| base_name(arg.trim_end_matches('/')).to_owned()).unwrap_or_default();
    let folder = cwd().filter(|cwd| cwd.file_name().is_some_and(|it| it.to_str() == Some(&name)));
    ServiceFolder { name, folder: folder.and_then(|folder| folder.to_str().map(str::to_owned)) }
}

pub fn adopts_orphans(args: &[String]) -> bool {
    let Some(program) = args.first().map(|arg| base_name(arg)) else { return false };
    let known = ["systemd", "init", "tini", "dumb-init", "docker-init", "catatonit", "conmon"];
    known.contains(&program) || program.starts_with("containerd-shim")
}

/// Returns whether a program starts what users request, and never restarts it.
pub fn starts_programs_for_users(args: &[String]) -> bool {
    // Some set their own title: `sshd: bot@pts/0`, `tmux: server`.
    let name = args
        .first()
        .and_then(|arg| arg.split([':', ' ']).next())
        .map(base_name)
        .unwrap_or_default();
    [
        "sshd",
        "sshd-session",
        "tmux",
        "screen",
        "SCREEN",
        "login",
        "cron",
        "CRON",
        "crond",
        "atd",
        "dbus-daemon",
    ]
    .contains(&name)
        || name.starts_with("gnome-terminal")
}

fn base_name(arg: &str) -> &str {
    arg.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split('|').map(str::to_owned).collect()
    }

    fn env(environ: &str) -> SupervisorEnv {
        SupervisorEnv::new(environ.split('|').map(str::as_bytes))
    }

    /// Describes the supervisor in `/etc/sv/bot`, with everything needed to find the program.
    fn found(args: &str, environ: &str) -> Option<String> {
        let cwd = || Some(PathBuf::from("/etc/sv/bot"));
        let by = supervisor(&words(args), cwd, || env(environ))?;
        let details = match &by {
            ManagedBy::Supervisord(Some(program)) => match &program.address {
                SupervisordAddress::Url(url) => vec![format!("url {url}")],
                SupervisordAddress::File(file) => vec![format!("file {file}")],
                SupervisordAddress::Default => Vec::new(),
            },
            ManagedBy::Pm2(Some(app)) => {
                let id = app.id.iter().map(|id| format!("id {id}"));
                let home = app.home.iter().map(|home| format!("home {home}"));
                let once = (!app.restarts).then(|| "once".to_owned());
                id.chain(home).chain(once).collect()
            }
            ManagedBy::Runit(service) | ManagedBy::S6(service) => {
                service.folder.iter().map(|folder| format!("folder {folder}")).collect()
            }
            _ => Vec::new(),
        };
        Some([vec![by.to_string()], details].concat().join(" "))
    }

    // The paths only exist on systems with such supervisors.
    #[cfg(unix)]
    #[test]
    fn a_supervisor_is_known_by_its_command_line_and_its_program_by_the_environment() {
        const NAMED: &str = "SUPERVISOR_PROCESS_NAME=voice|SUPERVISOR_GROUP_NAME=bots";
        const SERVER: &str =
            "SUPERVISOR_SERVER_URL=unix:///run/s.sock|SUPERVISOR_PROCESS_NAME=voice";
        const PM2: &str = "PM2 v6.0.5: God Daemon (/root/.pm2)";
        const CLUSTER: &str = r#"NODE_UNIQUE_ID=1|name=stale|pm2_env={"name":"voice","pm_id":4}"#;
        const CLUSTER_ONCE: &str =
            r#"NODE_UNIQUE_ID=1|pm2_env={"name":"voice","autorestart":false,"watch":false}"#;
        const DEFAULT_HOME: &str = "name=voice|pm_id=3|PM2_HOME=/root/.pm2|HOME=/root";
        const OTHER_HOME: &str = "name=voice|PM2_HOME=/p|HOME=/root";
        for (args, environ, expected) in [
            ("/bin/python3|/bin/supervisord|-n", "A=b", "supervisord"),
            ("supervisord", NAMED, "supervisord:bots:voice"),
            (
                "python3|-u|/opt/supervisord",
                SERVER,
                "supervisord:voice:voice url unix:///run/s.sock",
            ),
            ("supervisord|-c|/etc/s.conf", NAMED, "supervisord:bots:voice file /etc/s.conf"),
            ("supervisord|-n|-cs.conf", NAMED, "supervisord:bots:voice file /etc/sv/bot/s.conf"),
            (
                "supervisord|--configuration=s.conf",
                NAMED,
                "supervisord:bots:voice file /etc/sv/bot/s.conf",
            ),
            ("supervisord|--configuration|/s.conf", NAMED, "supervisord:bots:voice file /s.conf"),
            (PM2, "PATH=/bin", "pm2"),
            (PM2, DEFAULT_HOME, "pm2:voice id 3"),
            (PM2, OTHER_HOME, "pm2:voice home /p"),
            (PM2, "name=all|pm_id=x;y", "pm2:all"),
            (PM2, "name=voice|autorestart=true", "pm2:voice"),
            (PM2, "name=voice|autorestart=false|watch=false", "pm2:voice once"),
            (PM2, "name=voice|autorestart=false|watch=true", "pm2:voice"),
            (PM2, "name=voice|autorestart=false|cron_restart=0 0 * * *", "pm2:voice"),
            (PM2, CLUSTER, "pm2:voice id 4"),
            (PM2, CLUSTER_ONCE, "pm2:voice once"),
            ("runsv|bot", "", "runit:bot folder /etc/sv/bot"),
            ("/usr/bin/runsv|other", "", "runit:other"),
            ("s6-supervise|/etc/sv/bot/", "", "s6:bot folder /etc/sv/bot"),
            (
                "/sbin/supervise-daemon|bot|--start|--pidfile|/run/bot.pid|/srv/bot/bot",
                "",
                "openrc:bot",
            ),
        ] {
            assert_eq!(found(args, environ).as_deref(), Some(expected), "{args} {environ}");
        }
    }

    #[test]
    fn the_environment_alone_makes_no_program_a_supervisor() {
        for args in [
            "bash",
            "",
            "python3|main.py|supervised",
            "python3|a|b|supervisord",
            "tail|-f|supervisord",
        ] {
            let environ = "SUPERVISOR_PROCESS_NAME=voice|name=voice|pm_id=0";
            assert_eq!(found(args, environ), None, "{args}");
        }
    }

    #[test]
    fn a_watcher_is_known_by_its_program() {
        let found = |args| watcher(&words(args), 7).map(|by| by.to_string());
        for args in [
            "node|/srv/bot/node_modules/.bin/nodemon|main.js",
            "/usr/bin/node|/usr/lib/node_modules/nodemon/bin/nodemon.js|-x|python3 main.py",
        ] {
            assert_eq!(found(args).as_deref(), Some("nodemon"), "{args}");
            assert!(!supervises(&words(args)), "{args}");
        }
        assert_eq!(found("watchexec|-r|bot").as_deref(), Some("watchexec"));
        for args in ["node|main.js|nodemon", "nodemon", "python3|nodemon", "vi|watchexec", ""] {
            assert_eq!(found(args), None, "{args}");
        }
    }

    #[test]
    fn the_first_variable_of_a_name_counts_and_an_empty_one_does_not() {
        let env = env("name=one|name=two|pm_id=|PATH=/bin|garbage");
        assert_eq!(
            (env.get("name").as_deref(), env.get("pm_id"), env.get("PATH")),
            (Some("one"), None, None)
        );
        assert_eq!(SupervisorEnv::new([&b"name=\xff"[..]].into_iter()).get("name"), None);
    }

    #[test]
    fn programs_that_adopt_or_start_for_users_are_known_by_name() {
        for args in [
            "/usr/lib/systemd/systemd|--user",
            "/sbin/init",
            "tini|--|bot",
            "/usr/bin/containerd-shim-runc-v2",
        ] {
            assert!(adopts_orphans(&words(args)), "{args}");
        }
        for args in [
            "sshd: bot@pts/0",
            "tmux: server",
            "/usr/sbin/cron|-f",
            "/usr/libexec/gnome-terminal-server",
        ] {
            assert!(
                starts_programs_for_users(&words(args)) && !adopts_orphans(&words(args)),
                "{args}"
            );
        }
        for args in ["sh|-c|while :; do bot; done", "nodemon", "python3|watch.py", "", "sshdx"] {
            assert!(
                !starts_programs_for_users(&words(args)) && !adopts_orphans(&words(args)),
                "{args}"
            );
        }
    }
}
