//! Recognizes programs that serve people or other programs. They may mention the bot on their
//! command line or have its token, but the bot runs below them, or they only read its files.

use std::ffi::OsStr;
use std::path::Path;

use crate::engine::managed_by::ManagedBy;
use crate::engine::process::Server;
use crate::scan::invocation::{Invocation, Target};
use crate::scan::supervisors::{SupervisorEnv, supervises, supervisor};
use crate::scan::wrapper_programs::CommandRole;

/// Terminal multiplexers, logins, desktops, agents and container runtimes, by the base name of the
/// executable. They are never the bot, even if COMMAND starts one.
const SERVERS: &[&[&str]] = &[
    MULTIPLEXERS,
    &["mosh-server", "ttyd", "gotty"],
    // Logins.
    &["sshd", "sshd-session", "dropbear", "login", "getty", "agetty", "su", "sudo", "doas"],
    &["systemd", "init", "dbus-daemon", "dbus-broker", "ssh-agent", "gpg-agent", "ssh", "script"],
    // Schedulers.
    &["cron", "crond", "atd", "anacron"],
    // Desktops.
    &["Xorg", "Xwayland", "gnome-shell", "gnome-session-binary", "gnome-terminal-server"],
    &["plasmashell", "ksmserver", "konsole", "xterm", "alacritty", "kitty", "wezterm-gui", "foot"],
    &["xfce4-session", "sway", "Hyprland"],
    // Container runtimes.
    &["dockerd", "containerd", "docker", "podman", "conmon", "runc", "crun", "lxc-start"],
    &["buildkitd", "tini", "dumb-init", "docker-init", "catatonit"],
];

const MULTIPLEXERS: &[&str] = &["tmux", "screen", "zellij", "byobu", "dtach", "abduco", "dvtm"];

/// The prefixes of servers with many variants.
const SERVER_FAMILIES: &[&str] = &["containerd-shim"];

/// Programs that read, edit, copy or watch files, by the base name of the executable. A bot may
/// have one of these names too.
const TOOLS: &[&[&str]] = &[
    // Editors.
    &["vi", "vim", "nvi", "nvim", "nano", "rnano", "pico", "ed", "joe", "jed", "ne", "kak", "hx"],
    &["helix", "micro", "mc", "mcedit", "mcview", "zed", "zeditor", "zed-editor", "cursor"],
    &["code", "code-insiders", "code-oss", "code-server", "codium", "subl", "sublime_text"],
    &["gedit", "gnome-text-editor", "kate", "kwrite", "mousepad", "geany", "xed", "pluma"],
    &["idea", "pycharm", "webstorm", "goland", "clion", "rider", "phpstorm", "rubymine"],
    &["rustrover", "fleet"],
    // Pagers and viewers.
    &["less", "more", "most", "bat", "batcat", "lnav", "multitail", "tail", "head", "cat"],
    &["watch", "journalctl"],
    // Searches and filters.
    &["grep", "rg", "ag", "ack", "sed", "gawk", "mawk", "tee", "diff"],
    // Debuggers and tracers.
    &["gdb", "gdbserver", "lldb", "lldb-server", "strace", "ltrace", "perf"],
    // Copying and remote access.
    &["git", "rsync", "scp", "sftp", "autossh"],
    // File watchers.
    &["entr", "inotifywait", "inotifywatch", "fswatch"],
    // Linters and language servers.
    &["ruff", "black", "blackd", "mypy", "dmypy", "pytest", "py.test", "pylint", "flake8"],
    &["isort", "pylsp", "pyright", "pyright-langserver", "basedpyright"],
    &["basedpyright-langserver", "eslint", "prettier", "tsc", "tsserver", "rubocop"],
];

/// The prefixes of tools with many variants: `vim.nox`, `emacs-gtk`, `perf_6.1`.
const TOOL_FAMILIES: &[&str] = &["vim.", "emacs", "gdb-", "lldb-", "perf_"];

/// Returns whether a process serves others, judging by its executable, arguments and pid.
pub(super) fn serves_others(exe: Option<&Path>, args: &[String], pid: u32) -> bool {
    let name = program_name(exe, args);
    (pid == 1 && !cfg!(windows))
        || is_listed(name, SERVERS, SERVER_FAMILIES)
        || is_login_shell(args)
        || supervises(args)
}

/// Returns the kind of a server that starts programs for others than its starter too. A process
/// manager does so only as a daemon, which has a session of its own. In the foreground, its
/// programs are those of its command.
#[cfg_attr(
    any(not(target_os = "linux"), monopoll_portable),
    expect(dead_code, reason = "without a subreaper, a daemon is never below a guard")
)]
pub(super) fn server(exe: Option<&Path>, args: &[String], has_own_session: bool) -> Option<Server> {
    if MULTIPLEXERS.contains(&program_name(exe, args)) {
        return Some(Server::Multiplexer);
    }
    let manager = supervisor(args, || None, SupervisorEnv::default).filter(|_| has_own_session)?;
    match manager {
        ManagedBy::Pm2(_) => Some(Server::Pm2),
        ManagedBy::Supervisord(_) => Some(Server::Supervisord),
        // runit, s6 and OpenRC start a supervisor for each program.
        ManagedBy::Runit(_)
        | ManagedBy::S6(_)
        | ManagedBy::OpenRc(_)
        | ManagedBy::Systemd(_)
        | ManagedBy::SystemdUser(_)
        | ManagedBy::Container(_)
        | ManagedBy::Watcher(_) => None,
    }
}

/// Returns whether a process is a tool that takes files as arguments: a program or an interpreter's
/// script.
pub(super) fn is_tool(exe: Option<&Path>, args: &[String]) -> bool {
    is_listed(program_name(exe, args), TOOLS, TOOL_FAMILIES)
        || script_name(args).is_some_and(|name| is_listed(&name, TOOLS, &[]))
}

fn is_listed(name: &str, names: &[&[&str]], families: &[&str]) -> bool {
    names.iter().any(|names| names.contains(&name))
        || families.iter().any(|family| name.starts_with(family))
}

/// Returns the base name of the executable. For a multi-call binary, returns the name of the
/// applet.
fn program_name<'a>(exe: Option<&'a Path>, args: &'a [String]) -> &'a str {
    match base_name(exe) {
        "busybox" | "toybox" => {
            let names = args.iter().take(2).map(|arg| base_name(Some(Path::new(arg))));
            names.into_iter().find(|name| !matches!(*name, "busybox" | "toybox")).unwrap_or("")
        }
        name => name,
    }
}

fn base_name(path: Option<&Path>) -> &str {
    path.and_then(Path::file_name).and_then(OsStr::to_str).unwrap_or_default()
}

/// Returns the name of an interpreter's module, or of its script in a folder of programs. In other
/// folders, a bot may have any name.
fn script_name(args: &[String]) -> Option<String> {
    let words: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    match Invocation::of(&words, None, CommandRole::Process).target {
        Target::Module(name) => name.into_string().ok(),
        Target::Script(path, Some(_)) => {
            let folder = base_name(path.parent());
            matches!(folder, "bin" | ".bin" | "Scripts").then(|| base_name(Some(&path)).to_owned())
        }
        Target::Script(_, None)
        | Target::Program(_)
        | Target::Code(..)
        | Target::Entry(..)
        | Target::Input => None,
    }
}

/// A login shell has a dash before its name.
fn is_login_shell(args: &[String]) -> bool {
    args.first().is_some_and(|name| name.len() > 1 && name.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_serves_people_is_known_by_its_executable() {
        let of = |exe: &str, args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            serves_others(Some(Path::new(exe)), &args, 7)
        };
        assert!(of("/usr/bin/tmux", &["tmux", "new", "-d", "python3 main.py"]));
        assert!(of("/usr/bin/bash", &["-bash"]));
        assert!(of("/bin/busybox", &["crond", "-f"]));
        assert!(of(
            "/usr/bin/python3.11",
            &["python3", "/usr/bin/supervisord", "-c", "main.py.conf"]
        ));
        assert!(of("/usr/bin/containerd-shim-runc-v2", &["x"]));
        assert!(!of("/usr/bin/python3.11", &["python3", "main.py"]));
        assert!(!of("/usr/bin/bash", &["bash", "start.sh"]));
        assert!(!of("/srv/bot/bot", &["bot"]));
    }

    #[test]
    fn a_tool_is_known_by_its_executable() {
        for (exe, line) in [
            ("/usr/bin/vim.nox", "vim main.py"),
            ("/usr/bin/vim.gtk3", "vi main.py"),
            ("/usr/bin/emacs-gtk", "emacs main.py"),
            ("/usr/bin/emacsclient", "emacsclient main.py"),
            ("/usr/bin/less", "less main.py"),
            ("/usr/bin/git", "git log -- main.py"),
            ("/usr/bin/perf_6.1", "perf record python3 main.py"),
            ("/bin/busybox", "tail -f main.py"),
            ("/bin/busybox", "/bin/busybox tail -f main.py"),
        ] {
            assert!(is_tool(Some(Path::new(exe)), &words(line)), "{line}");
        }
        for (exe, line) in [
            ("/usr/bin/python3.11", "python3 main.py"),
            ("/bin/busybox", "sh start.sh"),
            ("/bin/busybox", "busybox"),
            ("/usr/bin/vimbot", "vimbot"),
            ("/srv/bot/bot", "vim main.py"),
        ] {
            assert!(!is_tool(Some(Path::new(exe)), &words(line)), "{line}");
        }
        assert!(!is_tool(None, &[]));
    }

    #[test]
    fn a_tool_is_known_by_the_script_of_its_interpreter() {
        let python = Path::new("/usr/bin/python3.11");
        for line in [
            "python3 -m pytest tests/test_main.py",
            "/srv/bot/.venv/bin/python /srv/bot/.venv/bin/black main.py",
            "/usr/bin/python3 /usr/local/bin/mypy main.py",
        ] {
            assert!(is_tool(Some(python), &words(line)), "{line}");
        }
        let node = "node /srv/bot/node_modules/.bin/pyright-langserver --stdio";
        assert!(is_tool(Some(Path::new("/usr/bin/node")), &words(node)));
        for line in ["python3 -m bot", "python3 black", "python3 ./git/main.py", "python3 pytest"] {
            assert!(!is_tool(Some(python), &words(line)), "{line}");
        }
    }
}
