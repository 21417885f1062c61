//! Programs that set the variables of the command after them from a store of secrets, such as
//! `doppler run -- ./bot`.

use crate::scan::settings_files::base_name;

/// Such programs, with the subcommand that starts a command.
const STORES: [(&str, Option<&str>); 17] = [
    ("aws-vault", Some("exec")),
    ("berglas", Some("exec")),
    ("bws", Some("run")),
    ("chamber", Some("exec")),
    ("doppler", Some("run")),
    ("envchain", None),
    ("envconsul", None),
    ("fnox", Some("exec")),
    ("infisical", Some("run")),
    ("op", Some("run")),
    ("phase", Some("run")),
    ("railway", Some("run")),
    ("sops", Some("exec-env")),
    ("summon", None),
    ("teller", Some("run")),
    ("vals", Some("exec")),
    ("varlock", Some("run")),
];

/// Programs that start the one after them.
#[rustfmt::skip]
pub(super) const STARTERS: [&str; 20] = [
    "caffeinate", "chronic", "chrt", "doas", "dumb-init", "env", "exec", "flock", "gosu", "ionice",
    "nice", "nohup", "npx", "setsid", "stdbuf", "su-exec", "sudo", "time", "timeout", "tini",
];

/// Returns the name of the store from which a command sets variables.
pub(super) fn store<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<&'static str> {
    let is_store = |it: &str| {
        let name = base_name(it.trim_start_matches('@'));
        STORES.iter().any(|(store, _)| *store == name)
    };
    // Their options may have values: `timeout -s INT 1h`, `sudo -u bot`.
    let mut has_starter = false;
    let mut words = words.into_iter().skip_while(|it| {
        let starts_another = STARTERS.contains(&base_name(it));
        let is_before = starts_another || has_starter || it.starts_with('-') || it.contains('=');
        has_starter |= starts_another;
        is_before && !is_store(it)
    });
    let name = base_name(words.next()?.trim_start_matches('@'));
    let (name, subcommand) = STORES.iter().find(|(store, _)| *store == name)?;
    let mut own = words.take_while(|it| *it != "--").peekable();
    let is_started = match subcommand {
        Some(subcommand) => own.any(|it| it == *subcommand),
        // `envchain --set`, `summon --version`.
        None => own.peek().is_none_or(|it| !["--help", "--set", "--version"].contains(it)),
    };
    is_started.then_some(name)
}

/// Returns the name of the store whose secrets a command prints: `op read …`.
pub(super) fn printing_store(code: &str) -> Option<&'static str> {
    let name = base_name(code.split_whitespace().next()?);
    STORES.iter().map(|(store, _)| *store).find(|store| *store == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_sets_the_variables_of_the_command_that_it_starts() {
        for (line, expected) in [
            ("doppler run -- python3 main.py", Some("doppler")),
            ("exec doppler -p bots run -- python3 main.py", Some("doppler")),
            ("@infisical run --env=prod -- ./bot", Some("infisical")),
            ("/usr/bin/sops exec-env a.yaml ./bot", Some("sops")),
            ("A=b nohup op run --env-file=a.env -- ./bot", Some("op")),
            ("aws-vault exec prod -- ./bot", Some("aws-vault")),
            ("summon ./bot", Some("summon")),
            ("envchain bots ./bot", Some("envchain")),
            ("timeout 1h doppler run -- ./bot", Some("doppler")),
            ("nice -n 10 doppler run -- ./bot", Some("doppler")),
            ("sudo -u bot /usr/bin/doppler run -- ./bot", Some("doppler")),
            ("flock a.lock npx -y phase run ./bot", Some("phase")),
            ("sudo -u bot ./bot", None),
            ("op --version", None),
            ("sops -d a.enc > a.yaml", None),
            ("doppler secrets -- run", None),
            ("envchain --set bots BOT_TOKEN", None),
            ("dotenvx run -- ./bot", None),
            ("./bot doppler run", None),
        ] {
            assert_eq!(store(line.split_whitespace()), expected, "{line}");
        }
        assert_eq!(printing_store("op read op://bots/alice/token"), Some("op"));
        assert_eq!(printing_store("cat op"), None);
    }
}
