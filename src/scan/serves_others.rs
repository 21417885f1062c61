//! Recognizes programs that serve people or other programs: their command line may name the bot, or
//! they may have its token, but the bot is below them.

use std::path::Path;

use crate::scan::supervisors::supervises;

/// Terminal multiplexers, logins, desktops, editors, pagers, agents and container runtimes, by the
/// base name of the executable.
const PROGRAMS: &[&str] = &[
    // Terminal multiplexers.
    "tmux",
    "screen",
    "zellij",
    "byobu",
    "dtach",
    "abduco",
    "dvtm",
    "mosh-server",
    "ttyd",
    "gotty",
    // Logins.
    "sshd",
    "sshd-session",
    "dropbear",
    "login",
    "getty",
    "agetty",
    "su",
    "sudo",
    "doas",
    "systemd",
    "init",
    "dbus-daemon",
    "dbus-broker",
    "ssh-agent",
    "gpg-agent",
    "ssh",
    "script",
    // Schedulers.
    "cron",
    "crond",
    "atd",
    "anacron",
    // Desktops.
    "Xorg",
    "Xwayland",
    "gnome-shell",
    "gnome-session-binary",
    "gnome-terminal-server",
    "plasmashell",
    "ksmserver",
    "konsole",
    "xterm",
    "alacritty",
    "kitty",
    "wezterm-gui",
    "foot",
    "xfce4-session",
    "sway",
    "Hyprland",
    // Editors and pagers.
    "vi",
    "vim",
    "vim.basic",
    "vim.tiny",
    "nvim",
    "emacs",
    "nano",
    "pico",
    "micro",
    "hx",
    "helix",
    "code",
    "code-server",
    "codium",
    "subl",
    "sublime_text",
    "gedit",
    "kate",
    "idea",
    "pycharm",
    "less",
    "more",
    "tail",
    "cat",
    "grep",
    "rg",
    "watch",
    // Container runtimes.
    "dockerd",
    "containerd",
    "docker",
    "podman",
    "conmon",
    "runc",
    "crun",
    "lxc-start",
    "buildkitd",
    "tini",
    "dumb-init",
    "docker-init",
    "catatonit",
];

/// Returns whether a process serves others, by its executable, its arguments and its pid.
pub(super) fn serves_others(exe: Option<&Path>, args: &[String], pid: u32) -> bool {
    let name = exe.and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    (pid == 1 && !cfg!(windows))
        || PROGRAMS.contains(&name)
        || name.starts_with("containerd-shim")
        || name.starts_with("emacs-")
        || is_login_shell(args)
        || supervises(args)
}

/// A login marks its shell by a dash before its name.
fn is_login_shell(args: &[String]) -> bool {
    args.first().is_some_and(|name| name.len() > 1 && name.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serves_people_is_known_by_its_executable() {
        let of = |exe: &str, args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            serves_others(Some(Path::new(exe)), &args, 7)
        };
        assert!(of("/usr/bin/tmux", &["tmux", "new", "-d", "python3 main.py"]));
        assert!(of("/usr/bin/vim.basic", &["vim", "main.py"]));
        assert!(of("/usr/bin/bash", &["-bash"]));
        assert!(of(
            "/usr/bin/python3.11",
            &["python3", "/usr/bin/supervisord", "-c", "main.py.conf"]
        ));
        assert!(of("/usr/bin/containerd-shim-runc-v2", &["x"]));
        assert!(!of("/usr/bin/python3.11", &["python3", "main.py"]));
        assert!(!of("/usr/bin/bash", &["bash", "start.sh"]));
        assert!(!of("/srv/bot/bot", &["bot"]));
    }
}
