//! The variables by which one script is several bots.

use std::ffi::OsString;

/// A bot whose script is chosen by one of these is another bot where the value differs; an unset
/// variable is a value too. `NODE_ENV`, `ENV` and their like are not among them: a shell and a
/// service differ in them on most machines.
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

/// Returns the first of them whose value is not mine: in `set`, by which the command line of a
/// process sets variables, else in its environment. Unset is a value.
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
