//! Commands of a start script that ask, start or end something else than the bot: a service, a
//! session of tmux, old processes.

use crate::scan::settings_files::base_name;

/// Services that a bot uses. Another one may be a bot, or prepare its settings.
#[rustfmt::skip]
const SERVICES: [&str; 17] = [
    "apache2", "cron", "docker", "mariadb", "memcached", "mongod", "mongodb", "mysql", "mysqld",
    "nginx", "postgresql", "rabbitmq-server", "redis", "redis-server", "tor", "valkey",
    "valkey-server",
];

/// Verbs that start a service.
const STARTING: [&str; 5] = ["enable", "reload", "restart", "start", "try-restart"];

/// Verbs that only ask about a service or end it.
#[rustfmt::skip]
const ASKING: [&str; 9] = [
    "daemon-reload", "is-active", "is-enabled", "is-failed", "list", "list-units", "reset-failed",
    "status", "stop",
];

/// Options of `systemctl` that choose no other host or unit.
const SYSTEMCTL_OPTIONS: [&str; 6] = ["--no-pager", "--now", "--quiet", "--user", "--wait", "-q"];

/// Commands of tmux that ask or end something.
#[rustfmt::skip]
const TMUX_COMMANDS: [&str; 7] = [
    "has-session", "kill-pane", "kill-server", "kill-session", "kill-window", "list-sessions", "ls",
];

/// Scripts that wait until a port is open.
const WAITING: [&str; 4] = ["wait-for", "wait-for-it", "wait-for-it.sh", "wait-for.sh"];

/// Returns whether a program only asks, starts or ends something else than a bot.
pub(super) fn is_harmless_service(name: &str, args: &[&str]) -> bool {
    match (name, args) {
        ("systemctl", _) => {
            let (options, words): (Vec<&str>, Vec<&str>) =
                args.iter().partition(|it| it.starts_with('-'));
            options.iter().all(|it| SYSTEMCTL_OPTIONS.contains(it)) && does(&words)
        }
        ("service" | "rc-service", [service, verb]) => does(&[*verb, *service]),
        ("brew", ["services", words @ ..]) => does(words),
        ("tmux", [command, rest @ ..]) => {
            TMUX_COMMANDS.contains(command) && !rest.iter().any(|it| it.ends_with(';'))
        }
        ("screen", ["-list" | "-ls" | "-wipe"] | [.., "-X", "kill" | "quit"])
        | ("crontab", ["-l"]) => true,
        ("awk" | "gawk" | "mawk", _) => prints_only(args),
        ("xargs", _) => ends_processes(args),
        _ => false,
    }
}

/// Returns whether a program only waits for a port, and runs no command then.
pub(super) fn only_waits(program: &str, args: &[&str]) -> bool {
    let is_option = |it: &str| {
        ["-q", "-s", "-t", "--quiet", "--strict"].contains(&it) || it.starts_with("--timeout=")
    };
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = |it: &str| it.rsplit_once(':').is_some_and(|(_, port)| is_number(port));
    WAITING.contains(&base_name(program))
        && args.iter().all(|it| is_option(it) || is_number(it) || is_address(it))
}

/// Returns whether these are a verb and services for it.
fn does(words: &[&str]) -> bool {
    let Some((verb, services)) = words.split_first() else { return false };
    let is_known = |it: &&str| {
        let name = it.strip_suffix(".service").unwrap_or(it);
        SERVICES.contains(&name.split('@').next().unwrap_or_default())
    };
    ASKING.contains(verb)
        || STARTING.contains(verb) && !services.is_empty() && services.iter().all(is_known)
}

/// Returns whether awk writes no file and runs no program.
fn prints_only(args: &[&str]) -> bool {
    let acts = |it: &str| it.contains(['>', '|', '@']) || it.contains("system");
    let is_other_option =
        |it: &str| it.starts_with('-') && !it.starts_with("-F") || it.contains('\0');
    // `awk "$CODE"`
    let is_variable = |it: &str| {
        let name = it.strip_prefix('$').unwrap_or_default();
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '{' || c == '_')
    };
    !args.iter().any(|it| acts(it) || is_other_option(it) || is_variable(it))
}

/// Returns whether `xargs` only sends signals.
fn ends_processes(args: &[&str]) -> bool {
    let mut args = args.iter().copied();
    loop {
        match args.next() {
            Some("-I" | "-L" | "-P" | "-n") => {
                args.next();
            }
            Some("-r" | "-t" | "--no-run-if-empty" | "-I{}" | "-n1" | "-0") => {}
            program => return program == Some("kill"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_a_bot_uses_are_harmless_and_other_programs_are_not() {
        let harmless = |text: &str| {
            let words: Vec<&str> = text.split(' ').collect();
            is_harmless_service(words[0], &words[1..]) || only_waits(words[0], &words[1..])
        };
        for text in [
            "systemctl start redis",
            "systemctl --user restart redis.service",
            "systemctl enable --now postgresql@16-main",
            "systemctl stop bob",
            "systemctl daemon-reload",
            "service redis-server start",
            "service bob stop",
            "brew services start redis",
            "tmux kill-session -t bot",
            "screen -wipe",
            "screen -S bot -X quit",
            "crontab -l",
            "awk {print$2}",
            "awk -F: {print$2}",
            "xargs kill -9",
            "xargs -r -n 1 kill",
            "./wait-for-it.sh localhost:5432 -t 30",
            "wait-for-it db:5432",
        ] {
            assert!(harmless(text), "{text}");
        }
        for text in [
            "systemctl start bob",
            "systemctl start redis bob",
            "systemctl start",
            "systemctl -H host start redis",
            "systemctl set-environment BOT=bob",
            "service bob start",
            "tmux send-keys bob",
            "tmux kill-session ; send-keys bob",
            "screen -S bot -X stuff bob",
            "crontab bob",
            "awk {print>\".env\"}",
            "awk {system(\"./choose\")}",
            "awk -f bob",
            "awk $CODE",
            "awk -i inplace {print}",
            "xargs ./choose",
            "xargs rm",
            "xargs",
            "./wait-for-it.sh localhost:5432 -- ./choose bob",
        ] {
            assert!(!harmless(text), "{text}");
        }
    }
}
