//! Options that a launcher passes on to a script in its environment: settings of npm and similar
//! tools as `npm_config_NAME`, and make variables in `MAKEFLAGS`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::scan::command_context::{CommandContext, CommandOption, assignment};
use crate::scan::interpreters::is_listed;

const SETTING: &str = "npm_config_";

/// Settings with a value in the next word that never select another bot. A trailing `*` matches any
/// rest of the name.
#[rustfmt::skip]
const VALUES: &[&str] = &[
    // npm.
    "access", "also", "audit-level", "auth-type", "before", "browser", "ca", "cache", "cache-*",
    "cafile", "call", "cert", "cidr", "color", "cpu", "depth", "diff", "diff-*", "editor",
    "expect-result-count", "fetch-*", "git", "globalconfig", "heading", "https-proxy", "include",
    "init*", "install-strategy", "libc", "local-address", "location", "lockfile-version",
    "loglevel", "logs-*", "maxsockets", "min-release-age*", "node-gyp", "noproxy", "omit", "only",
    "os", "otp", "pack-destination", "package", "preid", "provenance-file", "proxy", "registry",
    "replace-registry-host", "save-prefix", "sbom-*", "script-shell", "search*", "shell",
    "tag-version-prefix", "umask", "user-agent", "userconfig", "viewer", "which",
    // pnpm and yarn.
    "cache-folder", "child-concurrency", "global-folder", "link-folder", "lockfile-dir",
    "modules-dir", "modules-folder", "mutex", "network-*", "reporter", "store-dir",
    "use-node-version", "use-yarnrc", "virtual-store-dir", "workspace-concurrency",
];

/// Settings without a value that never select another bot.
#[rustfmt::skip]
const FLAGS: &[&str] = &[
    // npm, including some short names.
    "all", "allow-*", "audit", "bin-links", "bypass-2fa", "commit-hooks", "d", "dangerously-*",
    "dd", "ddd", "dev", "dry-run", "engine-strict", "expect-results", "f", "force",
    "foreground-scripts", "format-package-lock", "fund", "git-tag-version", "global",
    "global-style", "if-present", "ignore-*", "include-*", "install", "install-links", "json", "l",
    "legacy-*", "link", "long", "n", "offline", "omit-lockfile-registry-resolved", "optional",
    "package-lock", "package-lock-only", "parseable", "prefer-*", "production", "progress",
    "provenance", "q", "quiet", "read-only", "rebuild-bundle", "s", "save", "save-*",
    "scripts-prepend-node-path", "shrinkwrap", "sign-git-*", "silent", "strict-*", "timing",
    "unicode", "update-notifier", "usage", "verbose", "version", "versions", "y", "yes",
    // pnpm and yarn.
    "aggregate-output", "bail", "check-files", "default-rc", "disable-pnp", "emoji", "enable-*",
    "flat", "frozen-lockfile", "lockfile", "node-version-check", "non-interactive", "pnp", "prod",
    "pure-lockfile", "report-summary", "reporter-hide-prefix", "shell-emulator",
    "skip-integrity-check", "update-checksums", "use-stderr",
];

/// Settings found only in the environment: the version and folders of the package manager, and
/// settings for builds of packages.
#[rustfmt::skip]
const FROM_ENVIRONMENT: &[&str] = &[
    "argv", "build-from-source", "dir", "disturl", "global-prefix", "local-prefix",
    "metrics-registry", "msvs-version", "nodedir", "npm-version", "parallel", "prefix",
    "recursive", "sequential", "stream", "verify-deps-before-run", "version-*", "workspace",
    "workspace-root", "workspaces*",
];

const DEFAULTS: &[(&str, &str)] = &[("description", "true"), ("message", "%s"), ("tag", "latest")];

/// The syntax of a setting's option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SettingForm {
    /// The value is the next word.
    Value,
    Flag,
    /// Probably an option of the script. npm treats it as a flag.
    Unknown,
}

/// Returns the syntax of an option such as `--loglevel`.
pub(super) fn form_of(option: &str) -> SettingForm {
    let (name, _) = setting(option);
    if is_listed(FLAGS, &name) {
        SettingForm::Flag
    } else if is_listed(VALUES, &name) {
        SettingForm::Value
    } else {
        SettingForm::Unknown
    }
}

/// Returns an option without a value, in the form to compare.
pub(super) fn flag(option: &str) -> Option<CommandOption> {
    let (_, is_set) = setting(option);
    option_of(option, if is_set { "true" } else { "" })
}

/// Returns an option in the form to compare; `None` if it never selects another bot. An empty value
/// counts as none.
pub(super) fn option_of(option: &str, value: &str) -> Option<CommandOption> {
    let (name, _) = setting(option);
    let is_own = [VALUES, FLAGS, FROM_ENVIRONMENT].iter().any(|list| is_listed(list, &name))
        || DEFAULTS.contains(&(&name, value));
    let is_compared = !is_own && !value.is_empty();
    is_compared.then(|| CommandOption { name: format!("--{name}"), value: value.into() })
}

/// Returns the name of a setting, and whether the option enables it: `--no-bot` does not.
fn setting(option: &str) -> (String, bool) {
    let name = option.trim_start_matches('-').to_ascii_lowercase().replace('_', "-");
    // pnpm also accepts the prefix `config.`.
    let name = name.strip_prefix("config.").map_or(name.as_str(), |name| name);
    match name.strip_prefix("no-") {
        Some(name) => (name.to_owned(), false),
        None => (name.to_owned(), true),
    }
}

impl CommandContext {
    /// Adds the options that a command gets from its environment, unless its own words set them.
    pub(super) fn add_passed_options(
        &mut self,
        environ: impl IntoIterator<Item = (OsString, OsString)>,
    ) {
        let environ = environ.into_iter().map(|(name, value)| (name, Some(value)));
        let set = self.variables.iter().filter(|(name, _)| passes_options(name)).cloned();
        let variables: BTreeMap<OsString, Option<OsString>> = environ.chain(set).collect();
        for (name, value) in variables {
            let (Some(name), Some(value)) = (name.to_str(), value) else { continue };
            let value = value.to_string_lossy();
            let options = match name.strip_prefix(SETTING) {
                Some(setting) => option_of(setting, &value).into_iter().collect(),
                None if name == "MAKEFLAGS" => make_variables(&value),
                None => Vec::new(),
            };
            let is_new = |it: &CommandOption| !self.options.iter().any(|own| own.name == it.name);
            let options: Vec<CommandOption> = options.into_iter().filter(is_new).collect();
            self.options.extend(options);
        }
    }
}

/// Returns whether a command may get options from a variable of its environment.
pub(super) fn passes_options(name: &OsStr) -> bool {
    name == "MAKEFLAGS" || name.as_encoded_bytes().starts_with(SETTING.as_bytes())
}

/// Returns the variables set on make's command line: words after `--`, in which backslashes escape
/// special characters.
fn make_variables(flags: &str) -> Vec<CommandOption> {
    let Some((_, variables)) = flags.split_once("-- ") else { return Vec::new() };
    let mut words = vec![String::new()];
    let mut chars = variables.chars();
    while let Some(c) = chars.next() {
        match (c, words.last_mut()) {
            (' ', _) => words.push(String::new()),
            ('\\', Some(word)) => word.extend(chars.next()),
            (_, Some(word)) => word.push(c),
            (_, None) => {}
        }
    }
    let option = |word: &String| {
        let (name, value) = assignment(OsStr::new(word))?;
        Some(CommandOption { name: name.to_str()?.to_owned(), value: value.to_owned() })
    };
    words.iter().filter_map(option).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_a_launcher_are_read_from_the_environment() {
        for (environ, expected) in [
            (&["npm_config_bot=alice"][..], "--bot alice"),
            (&["npm_config_bot_name=alice", "npm_config_x="], "--bot-name alice"),
            (&["npm_config_user_agent=npm/11", "npm_config_init.author.name=x", "A=b"], ""),
            (&["npm_config_tag=latest"], ""),
            (&["npm_config_tag=alice"], "--tag alice"),
            (
                &["MAKEFLAGS= -j2 --jobserver-auth=3,4 -- BOT=alice A=b\\ c\\\\d"],
                "A b c\\d, BOT alice",
            ),
            (&["MAKEFLAGS=w"], ""),
        ] {
            let mut context = CommandContext::default();
            context.add_passed_options(environ.iter().map(|entry| {
                let (name, value) = entry.split_once('=').unwrap();
                (name.into(), value.into())
            }));
            context.options.sort();
            let shown = |it: &CommandOption| format!("{} {}", it.name, it.value.display());
            let options: Vec<String> = context.options.iter().map(shown).collect();
            assert_eq!(options.join(", "), expected, "{environ:?}");
        }
    }

    #[test]
    fn the_words_of_a_command_come_before_its_environment() {
        let mut context = CommandContext::default();
        context.options.extend(option_of("--bot", "alice"));
        context.set(OsStr::new("npm_config_x"), None);
        context.add_passed_options([
            ("npm_config_bot".into(), "bob".into()),
            ("npm_config_x".into(), "y".into()),
        ]);
        assert_eq!(context.options, Vec::from_iter(option_of("--bot", "alice")));
    }
}
