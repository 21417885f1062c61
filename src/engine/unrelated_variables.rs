//! The variables of sessions, services, terminals, desktops, tools and deployments: those that have
//! another value in each, although they run the same bot. A new one is added here.

/// Their names.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    // Shells and logins.
    "BASH", "CDPATH", "COLUMNS", "ENV", "EUID", "FPATH",
    "HOST", "HOSTNAME", "HOSTTYPE", "IFS", "INFOPATH", "LINES", "LOGIN", "LSCOLORS",
    "MACHTYPE", "MAIL", "MAILCHECK", "MAILTO", "MANPATH", "MOTD_SHOWN", "OLDPWD", "OSTYPE",
    "PROMPT", "PROMPT_COMMAND", "PS1", "PS2", "SHELLOPTS", "SHLVL",
    "TEMP", "TMP", "TMPDIR", "UID", "USER", "USERNAME", "VISUAL", "ZDOTDIR",
    // Terminals, desktops and editors.
    "APPDIR", "APPIMAGE", "ARGV0", "AT_SPI_BUS_ADDRESS", "BROWSER", "EMACS",
    "HYPRLAND_INSTANCE_SIGNATURE", "I3SOCK", "INSIDE_EMACS", "KRB5CCNAME", "LF_ID", "LOCPATH",
    "MANAGERPID", "NVIM", "OWD", "PAM_KWALLET5_LOGIN", "SECURITYSESSIONID", "SESSIONTYPE",
    "SESSION_MANAGER", "SNAP", "STY", "SWAYSOCK", "TILIX_ID", "TMUX", "VIM", "VIMRUNTIME",
    "VIM_SERVERNAME", "VNCDESKTOP", "XAUTHORITY", "XMODIFIERS",
    // Supervisors and platforms.
    "CI", "DYNO", "FUNCTION_TARGET", "INVOCATION_ID", "INVOKED_BY", "JOURNAL_STREAM",
    "LISTEN_FDNAMES", "MAINPID", "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE", "MFLAGS", "REMOTE_DEBUGGING",
    "WATCHDOG_USEC",
    // Languages and tools.
    "GOPATH", "NODE", "NODE_NAME",
];

/// Their beginnings.
#[rustfmt::skip]
const STARTS: &[&str] = &[
    "BACKUP_", "BASHOPTS", "BRANCH_", "BUILD_", "BYOBU_", "CHEZMOI_", "CODEX_", "COMMIT_",
    "CONTAINER_", "COREPACK_", "CRON_", "CURL_", "CURSOR_", "DEBIAN_", "DEBUGINFOD_", "DEPLOY_ID",
    "DYLD_", "FNM_", "GHOSTTY_", "GJS_", "GOROOT", "GRPC_", "HIST", "IBUS_", "IDEA_", "INTELLIJ_",
    "JAVA_HOME", "JEDITERM_", "JOB_", "JENV_", "JETBRAINS_", "KUBE", "LD_", "LS_", "MAKE",
    "MC_", "MOSH_", "NNN", "NODENV_", "OSH", "P9K_", "POSH_", "POWERLEVEL", "PYCHARM_", "RAILWAY_",
    "RELEASE_", "RENDER_", "REQUESTS_CA_", "RUN_ID", "RVM_", "SDKMAN_", "SPACESHIP_",
    "SSL_", "SYSTEMD_", "TERM", "TF_", "VERSION_", "VOLTA_", "VTE_", "WARP_", "WINDOW",
    "XKB_", "YAKUAKE_", "ZED_", "ZSH",
];

/// The last words of names of that kind, and of those that tune a bot, count its releases or are
/// exchanged from time to time.
#[rustfmt::skip]
const LAST_WORDS: &[&str] = &[
    // Of a session.
    "BIN", "BUNDLE", "CACHE", "CAINFO", "CERT", "CERTS", "COLOR", "COLORS", "CWD", "DISPLAY",
    "EDITOR", "FD", "FDS", "FLAGS", "HOME", "OPTS", "PAGER", "PID", "PPID", "PWD", "ROOT",
    "SHELL", "SOCK", "SOCKET", "TERMINAL", "TTY",
    // Of a release.
    "ARTIFACT", "AT", "BRANCH", "BUILD", "CHECKSUM", "COMMIT", "DATE", "DIGEST", "NOW", "NUMBER",
    "PREVIOUS", "RELEASE", "REV", "REVISION", "SHA", "TAG",
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
const LONGEST_NAME: usize = 256;

/// Returns whether a variable of this name often has two values for one bot.
pub(super) fn differs_for_other_reasons(name: &str) -> bool {
    let last = name.rsplit('_').next().unwrap_or_default();
    NAMES.contains(&name)
        || STARTS.iter().any(|start| name.starts_with(start))
        || LAST_WORDS.contains(&last)
}

/// Returns whether a name is written like those of variables that people set: `SHOP`, `TG_USER`.
pub(super) fn is_in_capitals(name: &str) -> bool {
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
    fn no_entry_is_needless() {
        for table in [NAMES, STARTS, LAST_WORDS] {
            let mut sorted = table.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), table.len());
        }
        for name in NAMES {
            let last = name.rsplit('_').next().unwrap();
            let is_covered = STARTS.iter().any(|it| name.starts_with(it));
            assert!(!is_covered && !LAST_WORDS.contains(&last), "{name}");
        }
    }

    #[test]
    fn a_long_text_is_no_name() {
        assert!(may_be_a_name(b"bots/alice.toml"));
        assert!(!may_be_a_name(b"two\nlines"));
        assert!(!may_be_a_name(&[b'x'; 257]));
    }
}
