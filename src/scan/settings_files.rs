//! Files with settings, by their names: `.env`, `config.toml`.

/// Beginnings of the names of files with settings.
const SETTINGS: [&str; 8] =
    ["config", "settings", "conf", "secrets", "bot", "local", "application", "env"];

/// The extensions of such files.
#[rustfmt::skip]
const EXTENSIONS: [&str; 13] = [
    "toml", "json", "json5", "yaml", "yml", "ini", "cfg", "conf", "properties", "py", "js", "ts",
    "rb",
];

/// Parts of the names of examples, which name no bot that runs: `.env.example`, `sample.env`.
const EXAMPLES: [&str; 4] = ["example", "sample", "template", "dist"];

/// The extensions of files that no bot reads at its start.
const OUTPUTS: [&str; 6] = ["err", "lock", "log", "out", "pid", "sock"];

/// Parts of the names of such files without an extension, or of variables with them: `$PID_FILE`.
const OUTPUT_PARTS: [&str; 7] = ["log", "logs", "logfile", "pid", "pidfile", "lock", "lockfile"];

/// Returns the part of a path after its last `/`.
pub(super) fn base_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Returns whether a file has the name of an example, which is the same for all bots.
pub(crate) fn is_example(file: &str) -> bool {
    let mut parts = base_name(file).rsplit(['.', '-', '_']).peekable();
    // `config.example.toml`, but not `.env.example.bob`.
    parts.next_if(|part| *part == "env" || EXTENSIONS.contains(part));
    parts.next().is_some_and(|part| EXAMPLES.contains(&part))
}

/// Returns whether a file has the name of a log, a lock, a socket or a PID file.
pub(crate) fn is_log_or_pid_file(file: &str) -> bool {
    let name = base_name(file).to_ascii_lowercase();
    match name.rsplit_once('.') {
        Some((_, extension)) => OUTPUTS.contains(&extension),
        None => name.split(['_', '-', '$', '{', '}']).any(|part| OUTPUT_PARTS.contains(&part)),
    }
}

/// Returns whether a file has the name of one with settings.
pub(super) fn is_settings(file: &str) -> bool {
    let name = base_name(file);
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let stem = stem.trim_start_matches('.');
    name.starts_with(".env")
        || extension == "env"
        || EXTENSIONS.contains(&extension) && SETTINGS.iter().any(|start| stem.starts_with(start))
}
