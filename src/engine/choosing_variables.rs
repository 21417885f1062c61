//! The variables by which one script is several bots.

/// A bot whose script is chosen by one of these is another bot where the value differs; an unset
/// variable is a value too. `NODE_ENV`, `ENV` and their like are not among them: a shell and a
/// service differ in them on most machines.
pub const CHOOSING_VARIABLES: [&str; 15] = [
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
    "DJANGO_SETTINGS_MODULE",
    "SPRING_PROFILES_ACTIVE",
];
