//! What the name of an environment variable tells: whether its value may select the bot.

use std::ffi::OsStr;

use crate::engine::unrelated_variables::{differs_for_other_reasons, is_in_capitals};

/// The variables that are part of a guessed name. `NODE_ENV`, `ENV` and the like are not, because
/// they are often set in a service and not in a shell: they only put a process in doubt.
pub(crate) const CHOOSING_VARIABLES: [&str; 18] = [
    "BOT_PROFILE",
    "BOT_CONFIG",
    "BOT_NAME",
    "BOT_ENV",
    "BOT_INSTANCE",
    "APP_PROFILE",
    "APP_CONFIG",
    "APP_ENV",
    "ENV_FILE",
    "DOTENV_CONFIG_PATH",
    "CONFIG",
    "CONFIG_FILE",
    "CONFIG_PATH",
    "BOT_TOKEN_FILE",
    "TOKEN_FILE",
    "TELEGRAM_TOKEN_FILE",
    "DJANGO_SETTINGS_MODULE",
    "SPRING_PROFILES_ACTIVE",
];

/// Names that choose, although their words would not say so: the file of uv, the environment of
/// `CodeIgniter`, and the name of the variable or key with a token.
const OTHER_CHOOSING_NAMES: [&str; 6] =
    ["UV_ENV_FILE", "CI_ENVIRONMENT", "TOKEN_NAME", "TOKEN_VAR", "TOKEN_ENV", "TOKEN_KEY"];

/// What the name of a variable says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VariableKind {
    /// Names a bot, an environment or a configuration. Unset is a value too.
    Choosing,
    /// Differs between bots, but a service or a session often has it for other reasons. Only two
    /// different values are a difference.
    OftenChoosing,
    /// Not known, so a person may have set it to tell two bots apart. Without a command that sets
    /// it, only two different values that may be names are a difference.
    Unknown,
    /// Often another one in another session, service or release of one bot. Counts only if a
    /// command sets it or a script reads it.
    Other,
    /// Belongs to a shell, a desktop or a tool. Counts only if a command sets it.
    Session,
    /// Tunes a runtime, its output or its network.
    Harmless,
}

/// Words that select a bot or an environment: `ENV`, `RAILS_ENV`, `RUN_MODE`.
#[rustfmt::skip]
const CHOOSING_NOUNS: [&str; 20] = [
    "BOT", "INSTANCE", "TENANT", "STAGE", "ENV", "ENVIRONMENT", "ENVIRONMENTS", "DOTENV", "ENVFILE",
    "PROFILE", "PROFILES", "CONFIG", "CONFIGFILE", "CONFIGURATION", "CONF", "CFG", "SETTINGS",
    "MODE", "DEPLOYMENT", "FLAVOR",
];

/// Words after such a noun: `CONFIG_DIR`, `PROFILE_NAME`, `INSTANCE_ID`.
#[rustfmt::skip]
const QUALIFIERS: [&str; 13] = [
    "NAME", "ID", "FILE", "FILENAME", "PATH", "DIR", "FOLDER", "LOCATION", "MODULE", "TYPE",
    "USERNAME", "ACTIVE", "CLASS",
];

/// Words before such a noun. With another one, as in `NODE_CHANNEL_SERIALIZATION_MODE` of a forked
/// process or `PROXYCHAINS_CONF_FILE`, a name may belong to a tool that is not known here.
#[rustfmt::skip]
const OWNERS: [&str; 38] = [
    "APP", "ASPNETCORE", "BOT", "BUN", "CAKE", "DENO", "DEPLOY", "DJANGO", "DOTNET", "FASTAPI",
    "FLASK", "GO", "KTOR", "LARAVEL", "MICRONAUT", "MIX", "MOJO", "MY", "NEST", "NODE", "PATH",
    "PHP", "PLACK", "PY", "PYTHON", "QUARKUS", "RACK", "RAILS", "ROCKET", "RUN", "RUST", "SPRING",
    "SYMFONY", "TELEGRAM", "TG", "TO", "VAPOR", "YII",
];

/// Words that are the name of an environment on their own or in `IS_PROD`, `BOT_TEST`. With another
/// word, such as in `TEST_TIMEOUT` or `CARGO_TARGET_DIR`, they often belong to a tool.
#[rustfmt::skip]
const STAGES: [&str; 11] = [
    "PROD", "PRODUCTION", "STAGING", "DEV", "DEVELOPMENT", "TEST", "TESTING", "SANDBOX", "LIVE",
    "DEPLOY", "TARGET",
];

/// The words before a stage.
const BEFORE_STAGES: [&str; 6] = ["IS", "USE", "APP", "BOT", "DEPLOY", "RUN"];

/// Nouns of names that differ between bots, but that a session, a supervisor or a platform may
/// have for other reasons.
#[rustfmt::skip]
const OFTEN_CHOOSING_NOUNS: [&str; 23] = [
    "ACCOUNT", "APP", "BOTNAME", "BRAND", "CHANNEL", "CLIENT", "CREDENTIALS", "CUSTOMER",
    "DATABASE", "DB", "EDITION", "NAMESPACE", "PERSONA", "PHONE", "PROCESS", "PROJECT", "ROLE",
    "SERVICE", "SESSION", "SHARD", "SITE", "STORE", "VARIANT",
];

/// Names of that kind. `CREDENTIALS_DIRECTORY` and `CONFIGURATION_DIRECTORY` are systemd's,
/// `NODE_APP_INSTANCE` is pm2's, `STAGE_NAME` is that of a step of Jenkins. A `DOTENV_KEY` decrypts
/// a file, and a shell often has no `DATABASE_URL` although the bot reads one from a file.
/// The code and options that a runtime loads by a variable may be a bot's configuration. A user bot
/// has no token, but a session or a phone number. A variable for the token may refer to it.
#[rustfmt::skip]
const OFTEN_CHOOSING: [&str; 37] = [
    "API_HASH", "API_ID", "AWS_SECRET_NAME", "CLASSPATH", "CONFIGURATION_DIRECTORY",
    "CREDENTIALS_DIRECTORY", "DATABASE_URL", "DATA_DIR", "DB_URI", "DB_URL", "DOTENV_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS", "JAVA_TOOL_OPTIONS", "MONGODB_URI", "MONGODB_URL",
    "MONGO_URI", "MONGO_URL", "NODE_APP_INSTANCE", "NODE_OPTIONS", "NODE_PATH", "PERL5LIB",
    "PHONE_NUMBER", "POSTGRES_DSN", "POSTGRES_URL", "PYTHONPATH", "RUNTIME_DIRECTORY",
    "SESSION_STRING", "STAGE_NAME", "STATE_DIRECTORY", "STRINGSESSION", "TELEGRAM_API_TOKEN",
    "TELEGRAM_BOT_TOKEN", "TELEGRAM_TOKEN", "TELOXIDE_TOKEN", "TG_BOT_TOKEN", "TG_TOKEN", "TOKEN",
];

/// Beginnings of names of that kind.
const OFTEN_CHOOSING_STARTS: [&str; 2] = ["BOT_", "INSTANCE_"];

/// Endings of names of that kind.
const OFTEN_CHOOSING_ENDS: [&str; 3] = ["_DATA_DIR", "_DATABASE_URL", "_TOKEN_FILE"];

/// Beginnings of names that belong to a shell, a desktop, a terminal, a version manager, a tool or
/// a build, although their last word would choose: `AWS_PROFILE`, `GNOME_SHELL_SESSION_MODE`.
#[rustfmt::skip]
const TOOL_PREFIXES: [&str; 124] = [
    "ABDUCO_", "ALACRITTY_", "ALSA_", "ANSIBLE_", "ASDF_", "ATUIN_", "AWS_", "AZURE_", "BASH_",
    "BAT_CONFIG_", "BITBUCKET_", "BUILDKITE_", "CARGO_", "CHROME_", "CINNAMON_", "CIRCLE_", "CI_",
    "CLAUDE_CONFIG_", "CLOUDSDK_", "CODESPACE", "COMPOSE_", "CONDA_", "CONTOUR_", "DBUS_",
    "DESKTOP_", "DEVENV_", "DIRENV_", "DOCKER_", "DRONE_", "DVTM_", "ELECTRON_", "FIGTERM_",
    "FISH_CONFIG", "FZF_", "GDK_", "GH_CONFIG_", "GIO_", "GITHUB_", "GITLAB_", "GIT_", "GNOME_",
    "GOOGLE_", "GPG_", "GSETTINGS_", "GTK_", "GUAKE_", "GUIX_", "HATCH_", "HELM_", "HISHTORY_",
    "HOMEBREW_", "IM_CONFIG_", "ITERM_", "JENKINS_", "KDE_", "KITTY_", "KONSOLE_", "KRB5_",
    "KUBERNETES_", "LESS", "MACOSX_", "MAMBA_", "MCFLY_", "MISE_", "MYPY_", "NIXPKGS_", "NIX_",
    "NOX_", "NPM_", "NVIM_", "NVM_", "OPENSSL_", "PIPENV_", "PIP_", "PIXI_", "PKG_CONFIG",
    "PLASMA_", "PM2_", "PNPM_", "POETRY_", "POSH_", "POWERSHELL_", "PTYXIS_", "PYENV_", "PYTEST_",
    "QTERM_", "QT_", "RBENV_", "RESH_", "RIPGREP_CONFIG_", "RUNNER_", "RUSTUP_", "SESSION_ID",
    "SHELL_SESSION_", "SHPOOL_", "SLURM_", "SNAP_", "SSH_", "STARSHIP_", "SUDO_", "SUPERVISOR_",
    "TERMINAL_", "TERMUX_", "TMUX_", "TOX_", "TRAVIS_", "VAGRANT_", "VIFM_", "VIRTUAL_ENV",
    "VSCODE_", "WARP_", "WAVETERM_", "WAYLAND_", "WEZTERM_", "WSL", "WT_", "XDG_", "XRDP_", "YARN_",
    "YAZI_", "ZED_", "ZELLIJ_", "ZSH_", "_ZSH_",
];

/// The variables that PM2 sets for what it starts.
const PM2_VARIABLES: [&str; 3] = ["exec_mode", "filter_env", "instance_var"];

/// The values of other variables where only PM2 has set them.
const PM2_VALUES: [(&str, &str); 2] = [("env", "[object Object]"), ("namespace", "default")];

/// Names of variables that only tune a runtime, its output or its network.
#[rustfmt::skip]
const HARMLESS: [&str; 58] = [
    "ALL_PROXY", "CLICOLOR", "CLICOLOR_FORCE", "COLOR", "COLORFGBG", "COLORS", "COLORTERM", "DEBUG",
    "DEBUGINFOD_URLS", "DEBUG_COLORS", "DEBUG_DEPTH", "DEBUG_FD", "DEBUG_HIDE_DATE", "DEBUG_LEVEL",
    "DEBUG_SHOW_HIDDEN", "FORCE_COLOR", "FTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "LANG",
    "LANGUAGE", "LD_BIND_NOW", "LD_DEBUG", "LD_LIBRARY_PATH", "LD_PRELOAD", "LOG", "LOGFILE",
    "LOGGING_LEVEL", "LOGLEVEL", "LOGNAME", "LOG_COLOR", "LOG_COLORS", "LOG_CONFIG", "LOG_DIR",
    "LOG_FILE", "LOG_FORMAT", "LOG_LEVEL", "LOG_PATH", "LOG_STYLE", "NODE_EXTRA_CA_CERTS",
    "NO_COLOR", "NO_PROXY", "PATH", "PATHEXT", "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE", "RUST_LOG", "RUST_LOG_SPAN_EVENTS", "RUST_LOG_STYLE", "RUST_MIN_STACK",
    "TERM", "TERMCAP", "TERMINFO", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TERM_SESSION_ID", "TZ",
    "TZDIR",
];

/// Those of them that say where or how a program writes its log. Its level never chooses.
#[rustfmt::skip]
const LOG_VARIABLES: [&str; 9] = [
    "LOG", "LOGFILE", "LOG_COLOR", "LOG_COLORS", "LOG_DIR", "LOG_FILE", "LOG_FORMAT", "LOG_PATH",
    "LOG_STYLE",
];

/// Beginnings of harmless names.
const HARMLESS_STARTS: [&str; 8] =
    ["LC_", "MALLOC_", "MONOPOLL_", "NODE_NO_", "OMP_", "PIP_", "UV_", "npm_"];

/// Variables that hardly choose a bot, even if a start script sets them: those of the interpreter,
/// the output, the log, the locale and the time zone. `DEBUG`, `LOG_CONFIG` and `LANGUAGE` may be a
/// bot's own.
#[rustfmt::skip]
const NEVER_CHOOSING: [&str; 21] = [
    "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM", "FORCE_COLOR", "LANG", "LOGGING_LEVEL", "LOGLEVEL",
    "LOG_LEVEL", "NO_COLOR", "PYTHONASYNCIODEBUG", "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER",
    "PYTHONHASHSEED", "PYTHONIOENCODING", "PYTHONUNBUFFERED", "PYTHONUTF8", "PYTHONWARNINGS",
    "RUST_BACKTRACE", "RUST_LOG", "TERM", "TZ",
];

/// Words of names that say which copy of a program runs: `DEBUG`, `IS_LOCAL`, `DRY_RUN`. One bot
/// has them too.
#[rustfmt::skip]
const MODES: [&str; 15] = [
    "BETA", "CANARY", "DEBUG", "DEMO", "DEV", "DRY", "LIVE", "LOCAL", "PROD", "QA", "SANDBOX",
    "STAGING", "TEST", "TESTING", "UAT",
];

/// Returns whether a variable may choose one of several bots whose tokens a program has, with the
/// other one unset.
pub(crate) fn may_choose_token(name: &OsStr) -> bool {
    match VariableKind::of(name) {
        VariableKind::Choosing | VariableKind::OftenChoosing | VariableKind::Unknown => true,
        VariableKind::Other | VariableKind::Harmless => {
            let words = words(name.to_str().unwrap_or_default());
            words.len() <= 2 && words.iter().any(|word| MODES.contains(word))
        }
        VariableKind::Session => false,
    }
}

/// Returns whether the value of a variable may be the name of a bot's file: that of any variable
/// but those of a session, a tool or a release, which name other things (`SHLVL=2`, `USER=bob`).
pub(crate) fn may_name_a_file(name: &OsStr) -> bool {
    match VariableKind::of(name) {
        VariableKind::Choosing | VariableKind::OftenChoosing | VariableKind::Unknown => true,
        VariableKind::Other => {
            let name = name.to_string_lossy().to_ascii_uppercase();
            !differs_for_other_reasons(&name) || may_choose_token(OsStr::new(&name))
        }
        VariableKind::Harmless => is_log_variable(name) || may_choose_token(name),
        VariableKind::Session => false,
    }
}

/// The ends of the names of variables of a session with which a start script gives a program other
/// settings or data.
const SETTINGS_SUFFIXES: [&str; 7] = [
    "_CONFIG",
    "_CONFIG_DIR",
    "_CONFIG_FILE",
    "_CONFIG_HOME",
    "_DATA_HOME",
    "_PROFILE",
    "_STATE_HOME",
];

/// Returns whether a variable counts if a start script sets it.
pub(crate) fn counts_in_script(name: &OsStr) -> bool {
    let is_for_settings = || {
        name.to_str().is_some_and(|name| SETTINGS_SUFFIXES.iter().any(|end| name.ends_with(end)))
    };
    !never_chooses(name) && (VariableKind::of(name) != VariableKind::Session || is_for_settings())
}

/// Returns whether a variable has the value that PM2 gives it where no person did.
pub(crate) fn is_set_by_pm2(name: &[u8], value: &[u8]) -> bool {
    let is_it = |(its_name, its_value): &(&str, &str)| {
        name == its_name.as_bytes() && value == its_value.as_bytes()
    };
    PM2_VALUES.iter().any(is_it)
}

/// Returns whether a variable says where or how a program writes its log. Two values may be those
/// of two bots.
pub(crate) fn is_log_variable(name: &OsStr) -> bool {
    LOG_VARIABLES.iter().any(|it| name == *it)
}

/// Returns whether a variable chooses no bot even if a start script sets it.
pub(crate) fn never_chooses(name: &OsStr) -> bool {
    let is_locale = name.to_str().is_some_and(|name| name.starts_with("LC_"));
    is_locale || NEVER_CHOOSING.iter().any(|it| name == *it)
}

impl VariableKind {
    /// Returns whether two different values mean two bots, whoever set them.
    pub(crate) fn may_choose(self) -> bool {
        match self {
            VariableKind::Choosing | VariableKind::OftenChoosing => true,
            VariableKind::Unknown
            | VariableKind::Other
            | VariableKind::Session
            | VariableKind::Harmless => false,
        }
    }

    /// Returns the kind of a name with lowercase letters, such as `bot`: that of its uppercase
    /// form, if a person may have chosen it. Most other such names belong to tools.
    fn of_lowercase(name: &str) -> VariableKind {
        let kind = VariableKind::of(OsStr::new(&name.to_ascii_uppercase()));
        match kind {
            VariableKind::Choosing | VariableKind::OftenChoosing
                if PM2_VARIABLES.contains(&name) =>
            {
                VariableKind::Session
            }
            VariableKind::Choosing | VariableKind::OftenChoosing => kind,
            VariableKind::Unknown
            | VariableKind::Other
            | VariableKind::Session
            | VariableKind::Harmless => VariableKind::Other,
        }
    }

    pub(crate) fn of(name: &OsStr) -> VariableKind {
        let Some(name) = name.to_str() else { return VariableKind::Other };
        if CHOOSING_VARIABLES.contains(&name) || OTHER_CHOOSING_NAMES.contains(&name) {
            return VariableKind::Choosing;
        }
        if OFTEN_CHOOSING.contains(&name) {
            return VariableKind::OftenChoosing;
        }
        if is_harmless(name) {
            return VariableKind::Harmless;
        }
        if name.contains(|c: char| c.is_ascii_lowercase()) {
            return VariableKind::of_lowercase(name);
        }
        let words = words(name);
        let is_of_a_tool = TOOL_PREFIXES.iter().any(|start| name.starts_with(start))
            || name.ends_with("_SESSION_ID")
                && !words.iter().any(|it| ["TELEGRAM", "TG"].contains(it));
        if is_of_a_tool && !words.contains(&"BOT") {
            return VariableKind::Session;
        }
        let is_often_choosing = OFTEN_CHOOSING_ENDS.iter().any(|end| name.ends_with(end));
        let is_noun = |word: &&str| !QUALIFIERS.contains(word);
        let last = words.iter().copied().rfind(is_noun).unwrap_or_default();
        let has_noun = CHOOSING_NOUNS.contains(&last);
        let is_known = |word: &&str| {
            [&CHOOSING_NOUNS[..], &QUALIFIERS, &OWNERS, &STAGES, &BEFORE_STAGES]
                .iter()
                .any(|it| it.contains(word))
        };
        if !is_often_choosing && (has_noun && words.iter().all(is_known) || is_stage(&words)) {
            return VariableKind::Choosing;
        }
        let may_choose = is_often_choosing
            || has_noun
            || OFTEN_CHOOSING_NOUNS.contains(&last)
            || OFTEN_CHOOSING_STARTS.iter().any(|start| name.starts_with(start))
            || name.contains("SECRETS");
        if may_choose {
            VariableKind::OftenChoosing
        } else if is_in_capitals(name) && !differs_for_other_reasons(name) {
            VariableKind::Unknown
        } else {
            VariableKind::Other
        }
    }
}

fn words(name: &str) -> Vec<&str> {
    name.strip_suffix("_FOR_DYNACONF").unwrap_or(name).split('_').collect()
}

fn is_stage(words: &[&str]) -> bool {
    match words {
        [stage] => STAGES.contains(stage),
        [before, stage] => BEFORE_STAGES.contains(before) && STAGES.contains(stage),
        _ => false,
    }
}

fn is_harmless(name: &str) -> bool {
    // CPython's own variables have no `_` there: `PYTHONPATH`, but `PYTHON_ENV`.
    let of_python = name.strip_prefix("PYTHON");
    let is_of_python =
        of_python.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
    is_of_python
        || HARMLESS.contains(&name)
        || HARMLESS_STARTS.iter().any(|start| name.starts_with(start))
        || ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_are(kind: VariableKind, names: &str) {
        for name in names.split_whitespace() {
            assert_eq!(VariableKind::of(OsStr::new(name)), kind, "{name}");
        }
    }

    #[test]
    fn the_kind_of_a_variable_follows_from_its_last_word() {
        all_are(
            VariableKind::Choosing,
            "BOT BOT_NAME BOT_ID BOT_USERNAME BOT_MODE BOT_ENV TELEGRAM_BOT ENV ENVIRONMENT \
             NODE_ENV PYTHON_ENV RUST_ENV RAILS_ENV FLASK_ENV APP_ENV \
             MY_ENV_FILE ENVFILE ENV_NAME ENV_FOR_DYNACONF SETTINGS_FILE_FOR_DYNACONF DOTENV \
             DOTENV_FILE DOTENV_PATH DOTENV_CONFIG_PATH UV_ENV_FILE ASPNETCORE_ENVIRONMENT STAGE \
             TENANT TENANT_ID INSTANCE INSTANCE_ID PROFILE PROFILE_NAME PYTHON_PROFILE MODE \
             RUN_MODE APP_MODE TEST_MODE PROD IS_PROD IS_TEST DEPLOY TARGET DEPLOY_TARGET CONF \
             CFG CONFIG_DIR CONFIG_NAME PATH_TO_CONFIG DJANGO_CONFIGURATION \
             APP_SETTINGS DJANGO_SETTINGS_MODULE SPRING_PROFILES_ACTIVE BOT_TOKEN_FILE \
             QUARKUS_PROFILE MICRONAUT_ENVIRONMENTS CI_ENVIRONMENT SPRING_CONFIG_LOCATION \
             MOJO_MODE USE_TEST_BOT TEST_BOT TOKEN_NAME TOKEN_KEY",
        );
        all_are(
            VariableKind::OftenChoosing,
            "ALICE_BOT HTTP_BOT LANGUAGE_BOT GITHUB_BOT ALICE_CONFIG PROXYCHAINS_CONF_FILE \
             NODE_CHANNEL_SERIALIZATION_MODE BOT_VERSION BOT_TOKEN INSTANCE_COLOR \
             DATA_DIR MY_DATA_DIR DATABASE_URL DB_NAME \
             CREDENTIALS_DIRECTORY CONFIGURATION_DIRECTORY DOTENV_KEY MY_SECRETS SECRETS_FILE \
             PYTHONPATH NODE_OPTIONS NODE_PATH PERL5LIB ROLE PROCESS_TYPE BOTNAME \
             TELEGRAM_CHANNEL SHOP_SITE NODE_APP_INSTANCE STAGE_NAME SESSION_NAME APP_NAME \
             ALICE_TOKEN_FILE GOOGLE_APPLICATION_CREDENTIALS AWS_SECRET_NAME SESSION_STRING \
             STRING_SESSION TG_SESSION_ID TELEGRAM_TOKEN PHONE_NUMBER API_HASH MONGO_URI \
             POSTGRES_DSN",
        );
        all_are(VariableKind::Choosing, "bot Bot bot_name profile config app_env env");
        all_are(VariableKind::OftenChoosing, "alice_bot database_url bot_version namespace");
        all_are(VariableKind::Session, "exec_mode filter_env instance_var");
    }

    #[test]
    fn a_mode_may_choose_one_of_several_tokens() {
        for (name, expected) in [
            ("DEBUG", true),
            ("IS_LOCAL", true),
            ("DRY_RUN", true),
            ("SHOP", true),
            ("DATABASE_URL", true),
            ("DEBUG_HIDE_DATE", false),
            ("LOG_LEVEL", false),
            ("SSH_TTY", false),
            ("HOME", false),
        ] {
            assert_eq!(may_choose_token(OsStr::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn what_a_session_has_does_not_choose() {
        // Shells, cron, systemd, tmux, terminals, desktops, VS Code, direnv, version managers,
        // package managers, CI and supervisors.
        let names = "\
             HOME USER SHELL PWD OLDPWD SHLVL HOSTNAME MAIL EDITOR DISPLAY TMUX TMUX_PANE STY \
             INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID NOTIFY_SOCKET LISTEN_FDS MAINPID \
             SSH_CONNECTION SSH_TTY XDG_SESSION_ID XDG_CONFIG_HOME XDG_DATA_DIRS DESKTOP_SESSION \
             GNOME_SHELL_SESSION_MODE IM_CONFIG_CHECK_ENV GTK_MODULES QT_ACCESSIBILITY \
             KONSOLE_PROFILE_NAME ITERM_PROFILE WEZTERM_CONFIG_FILE WSL_DISTRO_NAME WSLENV \
             VSCODE_PROFILE VSCODE_IPC_HOOK CHROME_DESKTOP DIRENV_DIR DIRENV_FILE DIRENV_DIFF \
             NVM_DIR NVM_BIN PYENV_ROOT PYENV_VERSION CONDA_DEFAULT_ENV VIRTUAL_ENV \
             VIRTUAL_ENV_PROMPT POETRY_ACTIVE PIPENV_ACTIVE CARGO_BUILD_TARGET \
             CARGO_TARGET_DIR NODE INIT_CWD PROJECT_CWD AWS_PROFILE AWS_CONFIG_FILE KUBECONFIG \
             AZURE_CONFIG_DIR DOCKER_CONFIG GIT_CONFIG_GLOBAL GITHUB_ENV GITHUB_RUN_ID CI \
             CI_ENVIRONMENT_NAME RUNNER_ENVIRONMENT BUILD_ID JOB_NAME NODE_NAME BRANCH_NAME \
             SUPERVISOR_PROCESS_NAME SUPERVISOR_ENABLED PM2_HOME pm_id exec_mode SUDO_USER \
             SHELL_SESSION_ID WT_SESSION WT_PROFILE_ID ZELLIJ_SESSION_NAME PTYXIS_PROFILE \
             TMUX_CONF _ZSH_TMUX_FIXED_CONFIG NIXPKGS_CONFIG ALSA_CONFIG_PATH KRB5_CONFIG \
             DEVENV_PROFILE PIXI_ENVIRONMENT_NAME HATCH_ENV_ACTIVE \
             STARSHIP_CONFIG OPENSSL_CONF RIPGREP_CONFIG_PATH BASH_ENV PKG_CONFIG_PATH \
             MACOSX_DEPLOYMENT_TARGET GOPATH JAVA_HOME PORT WORKERS LOGIN LD_SDK_KEY \
             HTTP_PORT TEST_TIMEOUT \
             WINDOWID SESSION_MANAGER GPG_TTY GPG_AGENT_INFO LS_COLORS LESSOPEN LSCOLORS \
             SSH_AUTH_SOCK SSH_AGENT_PID SSH_CLIENT DBUS_SESSION_BUS_ADDRESS XAUTHORITY \
             KONSOLE_DBUS_SESSION GNOME_TERMINAL_SCREEN VTE_VERSION TILIX_ID TERM_SESSION_ID \
             ITERM_SESSION_ID KITTY_WINDOW_ID ALACRITTY_LOG WEZTERM_PANE GHOSTTY_RESOURCES_DIR \
             HYPRLAND_INSTANCE_SIGNATURE SWAYSOCK I3SOCK FNM_MULTISHELL_PATH ATUIN_SESSION \
             STARSHIP_SESSION_KEY P9K_TTY _P9K_SSH_TTY VOLTA_HOME SDKMAN_DIR COLUMNS \
             LINES HISTFILE \
             MEMORY_PRESSURE_WATCH WATCHDOG_USEC MANAGERPID LISTEN_PID SYSTEMD_NSS_DYNAMIC_BYPASS \
             SUDO_COMMAND SUDO_UID UV_RUN_RECURSION_DEPTH MAKEFLAGS MAKELEVEL DYNO \
             RAILWAY_REPLICA_ID \
             GIT_SHA RELEASE VERSION IMAGE_TAG BUILD_NUMBER STARTED_TIME \
             OPENAI_API_KEY DB_PASSWORD \
             MAX_RETRIES POLL_INTERVAL HTTP_POOL_SIZE INSIDE_EMACS NVIM TERMINAL_EMULATOR \
             PYCHARM_HOSTED MC_SID BYOBU_TTY SECURITYSESSIONID __CFBundleIdentifier \
             POSH_SESSION_ID BLE_SESSION_ID NX_SESSION_ID GUAKE_TAB_UUID WAVETERM_BLOCKID \
             APPDIR APPIMAGE ARGV0 OWD SNAP LOCPATH GSETTINGS_SCHEMA_DIR KRB5CCNAME YAZI_ID LF_ID \
             VIM_SERVERNAME VIFM_SERVER_NAME VNCDESKTOP XRDP_SESSION ZED_ENVIRONMENT \
             NODE_CHANNEL_FD SHPOOL_SESSION_NAME";
        for name in names.split_whitespace() {
            let kind = VariableKind::of(OsStr::new(name));
            let is_right = !kind.may_choose() && kind != VariableKind::Unknown;
            assert!(is_right, "{name}: {kind:?}");
        }
    }

    #[test]
    fn a_name_that_is_not_known_may_choose() {
        all_are(VariableKind::Unknown, "SHOP TG_USER WHO ROOM PATH_TO_DATA WEBHOOK_URL CITY_2");
        all_are(VariableKind::Other, "shop Shop _SHOP");
    }

    #[test]
    fn only_what_tunes_a_runtime_is_harmless() {
        all_are(
            VariableKind::Harmless,
            "PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE PATH TERM LANG LANGUAGE LC_ALL \
             TZ COLORTERM NO_COLOR FORCE_COLOR LOG LOG_LEVEL LOGNAME DEBUG RUST_LOG \
             RUST_BACKTRACE HTTP_PROXY https_proxy MALLOC_ARENA_MAX \
             OMP_NUM_THREADS LD_PRELOAD UV_LINK_MODE PIP_CONFIG_FILE npm_lifecycle_event \
             MONOPOLL_PROFILE",
        );
    }
}
