//! Environment variables that select which bot a script runs.

use std::ffi::OsString;

/// Two processes with different values of one of these variables are different bots; unset counts
/// as a value. `NODE_ENV`, `ENV` and the like are not listed because they usually differ between a
/// shell and a service.
pub const CHOOSING_VARIABLES: [&str; 18] = [
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

/// Returns the first variable whose value differs from `mine`. `set` has the variables that the
/// command line of the process sets, which override its environment.
pub fn first_difference(
    mine: &[Option<Vec<u8>>],
    set: &[(OsString, Option<OsString>)],
    environ: &[u8],
) -> Option<&'static str> {
    let theirs = |name: &str| {
        let set = set.iter().rev().find(|(set, _)| set == name);
        if let Some((_, value)) = set {
            return value.as_ref().map(|value| value.as_encoded_bytes());
        }
        environ.split(|byte| *byte == 0).find_map(|entry| {
            entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
        })
    };
    CHOOSING_VARIABLES
        .into_iter()
        .zip(mine)
        .find(|(name, mine)| theirs(name) != mine.as_deref())
        .map(|(name, _)| name)
}
