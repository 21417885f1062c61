//! The variables of sessions, services, terminals, desktops, tools and deployments: those that have
//! another value in each, although they run the same bot. A new one is added here.

/// Their names.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    // Shells and logins.
    "BASH", "CDPATH", "COLUMNS", "EDITOR", "ENV", "EUID", "FPATH", "HISTFILE", "HISTSIZE", "HOME",
    "HOST", "HOSTNAME", "HOSTTYPE", "IFS", "INFOPATH", "LINES", "LOGIN", "LS_COLORS", "LSCOLORS",
    "MACHTYPE", "MAIL", "MAILCHECK", "MAILTO", "MANPATH", "MOTD_SHOWN", "NAME", "OLDPWD", "OSTYPE",
    "PAGER", "PPID", "PROMPT", "PROMPT_COMMAND", "PS1", "PS2", "PWD", "SHELL", "SHELLOPTS", "SHLVL",
    "TEMP", "TMP", "TMPDIR", "UID", "USER", "USERNAME", "VISUAL", "ZDOTDIR", "ZSH",
    // Terminals, desktops and editors.
    "AT_SPI_BUS_ADDRESS", "BROWSER", "DISPLAY", "EMACS", "HYPRLAND_INSTANCE_SIGNATURE", "I3SOCK",
    "INSIDE_EMACS", "MANAGERPID", "NIRI_SOCKET", "NVIM", "PAM_KWALLET5_LOGIN", "SECURITYSESSIONID",
    "SESSION_MANAGER", "SESSIONTYPE", "STY", "SWAYSOCK", "TILIX_ID", "TMUX", "TTY", "VIM",
    "VIMRUNTIME", "WINDOW", "WINDOWID", "XAUTHORITY", "XMODIFIERS",
    // Supervisors and platforms.
    "CI", "DYNO", "FUNCTION_TARGET", "INIT_CWD", "INVOCATION_ID", "JOURNAL_STREAM", "K_REVISION",
    "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "MAINPID", "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE", "MFLAGS", "NOTIFY_SOCKET", "PROJECT_CWD", "REMOTE_DEBUGGING",
    "SYSTEMD_EXEC_PID", "WATCHDOG_PID", "WATCHDOG_USEC", "WEB_CONCURRENCY",
    // Languages and tools.
    "ATUIN_SESSION", "GOPATH", "KUBECONFIG", "NODE", "NODE_NAME", "VIRTUAL_ENV_PROMPT",
    // Releases of one bot.
    "BRANCH", "BUILD", "COMMIT", "GIT_SHA", "RELEASE", "REVISION", "SHA", "TAG", "VERSION",
];

/// Their beginnings.
#[rustfmt::skip]
const STARTS: &[&str] = &[
    "BASHOPTS", "BASH_", "BRANCH_", "BUILD_", "BYOBU_", "CHEZMOI_", "CODEX_", "COMMIT_",
    "CONTAINER_", "COREPACK_", "CRON_", "CURL_", "CURSOR_", "DEBIAN_", "DEBUGINFOD_", "DOCKER_",
    "DYLD_", "FNM_", "GHOSTTY_", "GJS_", "GOROOT", "GRPC_", "HIST", "IBUS_", "IDEA_", "INTELLIJ_",
    "JAVA_HOME", "JEDITERM_", "JOB_", "JENV_", "JETBRAINS_", "KUBE", "LC_", "LD_", "LS_", "MAKE",
    "MC_", "MOSH_", "NNN", "NODENV_", "OSH", "P9K_", "POSH_", "POWERLEVEL", "PYCHARM_", "RAILWAY_",
    "RBENV_", "RELEASE_", "RENDER_", "REQUESTS_CA_", "RVM_", "SDKMAN_", "SPACESHIP_",
    "SSL_", "STY", "SYSTEMD_", "TERM", "TF_", "VERSION_", "VOLTA_", "VTE_", "WARP_", "WINDOW",
    "XKB_", "YAKUAKE_", "ZED_", "ZSH",
];

/// The last words of names of that kind, and of those that tune a bot, count its releases or are
/// exchanged from time to time.
#[rustfmt::skip]
const LAST_WORDS: &[&str] = &[
    // Of a session.
    "BIN", "BUNDLE", "CACHE", "CAINFO", "CERT", "CERTS", "COLOR", "COLORS", "CWD", "DISPLAY",
    "EDITOR", "FLAGS", "HOME", "OPTS", "PAGER", "PID", "PPID", "PWD", "ROOT", "SHELL", "SOCK",
    "SOCKET", "TERMINAL", "TTY",
    // Of a release.
    "BRANCH", "BUILD", "COMMIT", "DATE", "NUMBER", "RELEASE", "REV", "REVISION", "SHA", "TAG",
    "TIME", "TIMESTAMP", "VERSION",
    // Of a setting that changes how a bot does its work, not whose.
    "ATTEMPTS", "BUFFER", "CONCURRENCY", "COUNT", "CPUS", "DEBUG", "DELAY", "FORMAT", "INTERVAL",
    "LEVEL", "LIMIT", "LOG", "LOGS", "MAX", "MEMORY", "MIN", "PERIOD", "POOL", "PORT", "QUIET",
    "RATE", "RETRIES", "SECONDS", "SIZE", "THREADS", "TIMEOUT", "TRACE", "TTL", "VERBOSE",
    "VERBOSITY", "WORKERS",
    // A secret that is exchanged.
    "HASH", "KEY", "KEYS", "PASS", "PASSPHRASE", "PASSWORD", "PASSWD", "SALT", "SECRET", "TOKEN",
];

/// A longer value is rather a secret, a list or a text than the name of a bot.
const LONGEST_NAME: usize = 64;

/// Returns whether two values of a variable with this name are usual for one bot.
pub(super) fn is_usual(name: &str) -> bool {
    let last = name.rsplit('_').next().unwrap_or_default();
    NAMES.contains(&name)
        || STARTS.iter().any(|start| name.starts_with(start))
        || LAST_WORDS.contains(&last)
}

/// Returns whether a name is written like those of variables that people set: `SHOP`, `TG_USER`.
pub(super) fn is_written_by_people(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Returns whether a value may be the name of a bot, or that of its file.
pub(super) fn may_be_a_name(value: &[u8]) -> bool {
    value.len() <= LONGEST_NAME && !value.contains(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_no_entry_twice() {
        for table in [NAMES, STARTS, LAST_WORDS] {
            let mut sorted = table.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), table.len());
        }
    }

    #[test]
    fn a_long_text_is_no_name() {
        assert!(may_be_a_name(b"bots/alice.toml"));
        assert!(!may_be_a_name(b"two\nlines"));
        assert!(!may_be_a_name(&[b'x'; 65]));
    }
}
