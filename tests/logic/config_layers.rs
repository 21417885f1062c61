//! The layers of the configuration: which wins, which file is found, how profiles apply, and the
//! origins of values.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use monopoll::internals::cli::config_command::{EXAMPLE, Format, check, init, show};
use monopoll::internals::config::settings::{LogFormat, Settings};
use monopoll::internals::config::{Config, Parsed, Placeholders, Problems, Sources};
use monopoll::internals::engine::action::{Action, OnConflict};
use monopoll::internals::error::ExitStatus;
use monopoll::internals::report::effective_config::{Applied, ShownKeys};

/// A working directory with files, and the sources found there.
struct Start {
    folder: TempDir,
    sources: Sources,
}

impl Start {
    fn new() -> Start {
        let folder = TempDir::new().unwrap();
        let sources = Sources { cwd: folder.path().to_owned(), ..Sources::default() };
        Start { folder, sources }
    }

    fn file(self, name: &str, text: &str) -> Start {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn env(mut self, name: &str, value: impl Into<OsString>) -> Start {
        self.sources.env.push((name.into(), value.into()));
        self
    }

    fn set(mut self, set: &str) -> Start {
        self.sources.set.push(set.to_owned());
        self
    }

    fn profile(mut self, name: &str) -> Start {
        self.sources.profile = Some(name.to_owned());
        self
    }

    fn config(mut self, path: &str) -> Start {
        self.sources.config = Some(path.into());
        self
    }

    fn load(&self) -> Config {
        Config::load(&self.sources).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn problems(&self) -> Problems {
        Config::load(&self.sources).unwrap_err()
    }
}

const LAYERED: &str = "on_conflict = 'refuse'\n[profile.ci]\non_conflict = 'graceful'\n";

#[test]
fn without_configuration_every_key_has_a_safe_default() {
    let config = Start::new().load();
    assert_eq!(config.file, None);
    assert_eq!(config.policy.on_conflict, OnConflict::Refuse);
    assert_eq!(config.check(), None);
    assert_eq!(config.origin("on_conflict").to_string(), "default");
    assert!(config.notes.is_empty());
    assert_eq!(
        config.token_variables().collect::<Vec<_>>(),
        [
            "TELOXIDE_TOKEN",
            "BOT_TOKEN",
            "TELEGRAM_BOT_TOKEN",
            "TELEGRAM_TOKEN",
            "TG_BOT_TOKEN",
            "TG_TOKEN",
            "TELEGRAM_API_TOKEN",
            "BOT_API_TOKEN",
            "API_TOKEN",
            "TOKEN",
        ]
    );
}

#[test]
fn a_later_layer_wins_and_is_named_as_the_origin() {
    let mut start = Start::new().file("monopoll.toml", LAYERED);
    let of = |start: &Start| {
        let config = start.load();
        (config.policy.on_conflict, config.origin("on_conflict").to_string())
    };
    assert_eq!(of(&start), (OnConflict::Refuse, "./monopoll.toml:1".to_owned()));
    start = start.profile("ci");
    assert_eq!(of(&start), (OnConflict::Graceful, "./monopoll.toml:3 [profile.ci]".to_owned()));
    start = start.env("MONOPOLL_ON_CONFLICT", "wait");
    assert_eq!(of(&start), (OnConflict::Wait, "$MONOPOLL_ON_CONFLICT".to_owned()));
    start = start.set("on_conflict=force");
    assert_eq!(of(&start), (OnConflict::Force, "--set".to_owned()));
    start.sources.on_conflict = Some(OnConflict::Refuse);
    assert_eq!(of(&start), (OnConflict::Refuse, "--on-conflict".to_owned()));
}

#[test]
fn the_log_variable_wins_over_every_layer() {
    let mut start = Start::new()
        .file("monopoll.toml", "[log]\nlevel = 'warn'\nformat = 'json'")
        .env("MONOPOLL_LOG__LEVEL", "error");
    start = start.set("log.level=debug");
    let of = |start: &Start| {
        let config = start.load();
        assert_eq!(config.settings.log.format, LogFormat::Json);
        (
            (*config.settings.log.level).to_string(),
            config.settings.log.level.as_str().to_owned(),
            config.origin("log.level").to_string(),
        )
    };
    assert_eq!(of(&start), ("debug".to_owned(), "debug".to_owned(), "--set".to_owned()));
    start = start.env("MONOPOLL_LOG", "");
    assert_eq!(
        of(&start).2,
        "--set",
        "an empty variable is how many a launcher says that it is not set"
    );
    start = start.env("MONOPOLL_LOG", "info,monopoll::sys=trace");
    let filter = "info,monopoll::sys=trace".to_owned();
    assert_eq!(
        of(&start),
        ("monopoll::sys=trace,info".to_owned(), filter, "$MONOPOLL_LOG".to_owned())
    );
}

#[test]
fn tables_are_merged_key_by_key_and_lists_are_replaced() {
    let config = Start::new()
        .file(
            "monopoll.toml",
            "token_env = ['A', 'B']\n[timeouts]\nwait = '1s'\ngraceful = '2s'\n\
             [profile.ci]\ntoken_env = ['C']\ntimeouts.graceful = '3s'",
        )
        .profile("ci")
        .env("MONOPOLL_TIMEOUTS", "{ force = '4s' }")
        .load();
    assert_eq!(config.settings.timeouts.wait.as_str(), "1s");
    assert_eq!(config.policy.timeouts.graceful.as_secs(), 3);
    assert_eq!(config.policy.timeouts.force.as_secs(), 4);
    assert_eq!(config.token_variables().collect::<Vec<_>>(), ["C"]);
    let origins = ["timeouts.wait", "timeouts.graceful", "timeouts.force"]
        .map(|key| config.origin(key).to_string());
    assert_eq!(
        origins,
        ["./monopoll.toml:3", "./monopoll.toml:7 [profile.ci]", "$MONOPOLL_TIMEOUTS"]
    );
}

#[test]
fn the_rules_of_a_profile_come_first_and_its_match_entries_are_added() {
    let file = "[[match]]\nname = 'own'\n\
                [[rules]]\nname = 'own'\nwhen.orphaned = true\naction = 'wait'\n\
                [[profile.ci.match]]\nname = 'theirs'\n\
                [[profile.ci.rules]]\nwhen.local = false\naction = 'refuse'\n";
    let start = Start::new().file("monopoll.toml", file);
    assert_eq!(start.load().policy.rules.len(), 1);
    let config = start.profile("ci").load();
    let rules: Vec<(&str, Action)> =
        config.policy.rules.iter().map(|rule| (rule.name.as_str(), rule.action)).collect();
    assert_eq!(rules, [("rules[0]", Action::Refuse), ("own", Action::Wait)]);
    let names: Vec<_> =
        config.settings.matches.iter().map(|entry| entry.name.as_ref().unwrap().as_str()).collect();
    assert_eq!(names, ["own", "theirs"]);
    let origins =
        ["rules[0]", "rules[1]", "match[0]", "match[1]"].map(|key| config.origin(key).to_string());
    assert_eq!(
        origins,
        [
            "./monopoll.toml:9 [profile.ci]",
            "./monopoll.toml:3",
            "./monopoll.toml:1",
            "./monopoll.toml:7 [profile.ci]"
        ]
    );
}

#[test]
fn a_profile_adds_to_a_file_that_has_neither_rules_nor_match() {
    let file = "[[profile.ci.match]]\nname = 'theirs'\n[[profile.ci.rules]]\naction = 'refuse'\n";
    let config = Start::new().file("monopoll.toml", file).profile("ci").load();
    assert_eq!((config.policy.matches.len(), config.policy.rules.len()), (1, 1));
}

#[test]
fn variables_and_flags_replace_match_and_rules_like_every_list() {
    let file = "[[match]]\nname = 'own'\n[[rules]]\naction = 'refuse'\n";
    let config = Start::new()
        .file("monopoll.toml", file)
        .env("MONOPOLL_MATCH", "[{name='x'},{name='y'}]")
        .set("rules=[]")
        .load();
    assert_eq!((config.policy.matches.len(), config.policy.rules.len()), (2, 0));
    assert_eq!(config.origin("match[1]").to_string(), "$MONOPOLL_MATCH");
}

#[test]
fn the_first_configuration_file_that_exists_is_read() {
    let mut start = Start::new();
    let home = start.folder.path().join("home");
    let xdg = start.folder.path().join("xdg");
    start = start
        .env("HOME", home.as_os_str())
        .file("home/.config/monopoll/config.toml", "instance = 'home'");
    assert_eq!(start.load().settings.instance.unwrap().as_str(), "home");
    start = start.env("XDG_CONFIG_HOME", "relative");
    assert_eq!(
        start.load().settings.instance.unwrap().as_str(),
        "home",
        "the standard has a relative one ignored"
    );
    start = start.env("XDG_CONFIG_HOME", xdg.as_os_str());
    assert_eq!(start.load().file, None, "a user who moved the folder does not want the other one");
    start = start.file("xdg/monopoll/config.toml", "instance = 'xdg'");
    assert_eq!(start.load().settings.instance.unwrap().as_str(), "xdg");
    start = start.file("config.toml", "instance = 'config'");
    assert_eq!(start.load().settings.instance.unwrap().as_str(), "config");
    start = start.file("monopoll.toml", "instance = 'monopoll'");
    assert_eq!(start.load().settings.instance.unwrap().as_str(), "monopoll");
    start =
        start.file("named/a.toml", "instance = 'variable'").env("MONOPOLL_CONFIG", "named/a.toml");
    assert_eq!(start.load().settings.instance.unwrap().as_str(), "variable");
    start = start.file("named/b.toml", "instance = 'flag'").config("named/b.toml");
    let config = start.load();
    assert_eq!(config.settings.instance.unwrap().as_str(), "flag");
    assert_eq!(config.file.as_deref(), Some(Path::new("named/b.toml")));
}

#[test]
fn a_config_toml_of_another_program_is_ignored_with_one_message() {
    for text in ["", "[database]\nurl = 'x'", "[app]\nx = 1", "[telegram]\ntoken = 'x'"] {
        let config = Start::new().file("config.toml", text).load();
        assert_eq!(config.file, None, "{text}");
        assert_eq!(config.notes.len(), 1, "{text}");
        assert!(config.notes[0].starts_with("./config.toml is not read: "), "{}", config.notes[0]);
    }
}

#[test]
fn a_table_that_many_programs_have_and_a_table_for_monopoll_are_named() {
    let note = |text: &str| Start::new().file("config.toml", text).load().notes.concat();
    let ways = "`monopoll.toml`, or name the file with `--config`";
    for (text, why) in [
        ("[database]\nurl = 'x'", "it has none of monopoll's keys; write monopoll's keys to"),
        (
            "[telegram]\ntoken = 'x'",
            "its tables may be another program's, as many have `[app]` or `[telegram]`; write \
             monopoll's keys to",
        ),
        (
            "[monopoll]\non_conflict = 'force'",
            "monopoll's keys are not in a table `[monopoll]`; move them to the top level of",
        ),
        (
            "[tool.monopoll]\non_conflict = 'force'",
            "monopoll's keys are not in a table `[tool.monopoll]`; move them to the top level of",
        ),
    ] {
        assert_eq!(note(text), format!("./config.toml is not read: {why} {ways}"));
    }
}

#[test]
fn config_check_names_the_ignored_file() {
    let ignored = |start: &Start| check(&Ok(start.load()), Format::Text);
    let printed = ignored(&Start::new().file("config.toml", "[database]\nurl = 'x'"));
    assert!(
        printed.starts_with("./config.toml is not read: it has none of monopoll's keys; "),
        "{printed}"
    );
    let end = "\nno configuration file, so every key has its default, with 1 warning\n";
    assert!(printed.ends_with(end), "{printed}");
    let start = Start::new();
    fs::create_dir(start.folder.path().join("config.toml")).unwrap();
    assert!(
        ignored(&start).starts_with("./config.toml is not read: it is a folder\n"),
        "{}",
        ignored(&start)
    );
}

#[test]
fn a_config_toml_with_a_known_or_misspelled_key_is_read() {
    for text in [
        "[database]\nurl = 'x'\n[timeouts]\nwait = '1s'",
        "on_conflit = 'force'",
        "[profile.ci]",
        "[profiles.ci]",
        "[log]\nfile = 'x'",
    ] {
        let start = Start::new().file("config.toml", text);
        let printed = Config::load(&start.sources).map(|config| config.file);
        assert!(!matches!(printed, Ok(None)), "{text}");
    }
    assert!(
        Start::new()
            .file("config.toml", "on_conflit = 'force'")
            .problems()
            .to_string()
            .contains("did you mean `on_conflict`?")
    );
    assert!(
        Start::new()
            .file("config.toml", "[database\n")
            .problems()
            .to_string()
            .contains("config.toml:1")
    );
}

#[test]
fn the_config_toml_of_another_program_does_not_hide_the_users_own() {
    let mut start = Start::new()
        .file("config.toml", "[database]")
        .file("x/monopoll/config.toml", "instance = 'mine'");
    let xdg = start.folder.path().join("x");
    start = start.env("XDG_CONFIG_HOME", xdg.as_os_str());
    assert_eq!(start.load().settings.instance.unwrap().as_str(), "mine");
}

#[test]
fn a_file_named_monopoll_toml_or_given_by_a_flag_is_always_read() {
    assert!(
        Start::new()
            .file("monopoll.toml", "[database]")
            .problems()
            .to_string()
            .contains("database: unknown key")
    );
    let named = Start::new().file("config.toml", "[database]").config("config.toml");
    assert!(named.problems().to_string().contains("database: unknown key"));
}

#[test]
fn a_configuration_file_given_by_name_must_exist() {
    let missing = Start::new().config("x.toml").problems().to_string();
    assert!(missing.starts_with("--config: `x.toml` does not exist"), "{missing}");
    let missing = Start::new().env("MONOPOLL_CONFIG", "x.toml").profile("ci").problems();
    assert_eq!(missing.list().len(), 1, "that the profile is missing too is no news: {missing}");
    assert!(missing.to_string().starts_with("$MONOPOLL_CONFIG: "), "{missing}");
    let folder = Start::new().file("x/y", "").config("x").problems().to_string();
    assert!(folder.contains("is a folder"), "{folder}");
    let profile = Start::new().profile("ci").problems().to_string();
    assert!(profile.contains("no configuration file was found"), "{profile}");
    assert_eq!(
        Start::new().env("MONOPOLL_CONFIG", "").env("MONOPOLL_PROFILE", "").load().file,
        None
    );
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let mut start = Start::new();
    for name in ["ON_CONFLICT", "TIMEOUTS__WAIT", "LOCK__PATHS", "INSTANCE", "ON_CONFLIKT"] {
        start = start.env(&format!("MONOPOLL_{name}"), "");
    }
    let config = start.load();
    assert_eq!((config.settings, config.notes), (Settings::default(), Vec::new()));
}

#[test]
fn a_config_toml_with_foreign_keys_in_a_table_of_ours_may_be_another_programs() {
    let advice = "if this file is another program's, write monopoll's keys to `monopoll.toml`, or \
                  name a file with `--config`";
    for text in [
        "[log]\nfile = 'bot.log'\n",
        "[log]\nlevel = 'verbose'\n[database]\nurl = 'sqlite:bot.db'\n",
        "[telegram]\ntoken = 'x'\n[lock]\nfile = 'y'\n",
    ] {
        let found = Start::new().file("config.toml", text).problems().to_string();
        assert_eq!(found.matches(advice).count(), 1, "{found}");
        let named = Start::new().file("config.toml", text).config("config.toml").problems();
        assert!(!named.to_string().contains(advice), "{named}");
    }
}

#[test]
fn a_binary_or_oversized_file_is_refused() {
    let start = Start::new();
    fs::write(start.folder.path().join("monopoll.toml"), b"instance = 'a'\nx = \xff").unwrap();
    assert!(start.problems().to_string().starts_with("./monopoll.toml:2:5: this is not TOML"));
    let large = Start::new().file("monopoll.toml", &"#\n".repeat(600_000)).problems().to_string();
    assert!(large.contains("larger than 1024 KiB"), "{large}");
}

#[cfg(unix)]
#[test]
fn an_inaccessible_home_is_skipped_with_a_message_and_an_unreadable_file_is_a_problem() {
    use std::os::unix::fs::PermissionsExt;
    let chmod =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let mut start = Start::new().file("home/.config/monopoll/config.toml", "instance = 'other'");
    let home = start.folder.path().join("home");
    start = start.env("HOME", home.as_os_str());
    chmod(&home, 0o000);
    if fs::read_dir(&home).is_ok() {
        return; // whoever may do everything may look into everything
    }
    let config = start.load();
    chmod(&home, 0o700);
    assert_eq!((config.file, config.notes.len()), (None, 1));
    chmod(&home.join(".config/monopoll/config.toml"), 0o000);
    assert!(start.problems().to_string().contains("is not readable by this user"));
}

#[test]
fn a_value_of_a_variable_or_flag_is_toml_and_a_bare_word_is_a_string() {
    let config = Start::new()
        .env("MONOPOLL_INSTANCE", "123456")
        .env("MONOPOLL_ON_CONFLICT", " force\r")
        .env("MONOPOLL_KILL__SIGNAL", "\"SIGINT\"")
        .env("MONOPOLL_KILL__ESCALATE", "false")
        .env("MONOPOLL_LIMITS__MAX_TARGETS", "7")
        .env("MONOPOLL_LOCK__PATHS", r#"["/run/a.lock"]"#)
        .env("MONOPOLL_ENV_FILE", "true")
        .set("timeouts.graceful=3s")
        .set("check.command=['python', '-m', 'x=y']")
        .load();
    assert_eq!(config.settings.instance.as_ref().unwrap().as_str(), "123456");
    assert_eq!(config.policy.on_conflict, OnConflict::Force);
    assert_eq!(config.policy.signal.name(), "SIGINT");
    assert!(!config.settings.kill.escalate);
    assert_eq!(config.policy.max_targets, 7);
    assert_eq!(
        config.settings.lock.paths.iter().map(Parsed::as_str).collect::<Vec<_>>(),
        ["/run/a.lock"]
    );
    assert!(config.env_file.ends_with("true"));
    assert_eq!(config.policy.timeouts.graceful.as_secs(), 3);
    assert_eq!(config.check().unwrap().command, ["python", "-m", "x=y"]);
}

#[test]
fn the_variable_with_the_longer_path_wins_in_any_order() {
    let config = Start::new()
        .env("MONOPOLL_LOCK__PATHS", "['/b']")
        .env("MONOPOLL_LOCK", "{paths = ['/a'], on_lost = 'warn'}")
        .load();
    assert_eq!(config.settings.lock.paths[0].as_str(), "/b");
    assert_eq!(config.origin("lock.on_lost").to_string(), "$MONOPOLL_LOCK");
}

#[test]
fn an_orchestrators_service_variable_is_a_warning() {
    let config = Start::new()
        .env("MONOPOLL_SERVICE_HOST", "10.0.0.1")
        .env("MONOPOLL_PORT_8080_TCP", "tcp://10.0.0.1:8080")
        .env("MONOPOLL_PROFIL", "ci")
        .load();
    assert_eq!(config.notes.len(), 3, "{:?}", config.notes);
    assert!(
        config.notes.iter().any(|note| note.contains("did you mean $MONOPOLL_PROFILE?")),
        "{:?}",
        config.notes
    );
}

#[test]
fn variables_that_are_not_keys_are_skipped() {
    let mut start = Start::new();
    for name in ["HELD", "FENCE"] {
        start = start.env(&format!("MONOPOLL_{name}"), "whatever");
    }
    assert!(start.env("PATH", "/bin").env("monopoll_on_conflict", "x").load().notes.is_empty());
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_an_error_only_if_it_is_a_key() {
    use std::os::unix::ffi::OsStringExt;
    let broken = || OsString::from_vec(vec![b'a', 0xff]);
    assert!(
        Start::new()
            .env("MONOPOLL_ON_CONFLICT", broken())
            .problems()
            .to_string()
            .contains("not UTF-8")
    );
    assert!(
        Start::new().env("MONOPOLL_LOG", broken()).problems().to_string().contains("not UTF-8")
    );
    assert!(Start::new().env("OTHER", broken()).load().notes.is_empty());
    let mut start = Start::new();
    start.sources.env.push((OsString::from_vec(b"MONOPOLL_\xff".to_vec()), "x".into()));
    assert_eq!(start.load().notes.len(), 1);
}

#[test]
fn app_belongs_to_the_host_program_in_every_layer_and_keeps_its_types() {
    let config = Start::new()
        .file(
            "monopoll.toml",
            "on_conflict = 'wait'\n[app]\nday = 2026-01-01\nx.a = 1\n[profile.ci.app]\nx.b = [1]\n",
        )
        .profile("ci")
        .env("MONOPOLL_APP__X__C", "true")
        .set("app.x.a=2")
        .load();
    let expected: toml::Table =
        toml::from_str("day = 2026-01-01\nx = { a = 2, b = [1], c = true }").unwrap();
    assert_eq!(config.settings.app.into_iter().collect::<toml::Table>(), expected);
}

#[test]
fn app_is_never_validated() {
    let apps = [
        Start::new().file("monopoll.toml", "on_conflict = 'wait'\napp = 'mybot'\n"),
        Start::new().env("MONOPOLL_APP", "1"),
        Start::new().set("app=1"),
    ];
    for start in apps {
        assert!(start.load().settings.app.is_empty());
    }
    let replaced = Start::new()
        .file("monopoll.toml", "on_conflict = 'wait'\n[app]\nday = 2026-01-01\n")
        .set("app.day.x=1")
        .load();
    assert_eq!(replaced.settings.app["day"]["x"].as_integer(), Some(1));
}

#[test]
fn an_oversized_number_in_app_is_accepted() {
    let config = Start::new()
        .file("monopoll.toml", "on_conflict = 'wait'\n[app]\nhuge = 99999999999999999999\n")
        .load();
    assert_eq!(config.settings.app["huge"].as_str(), Some("99999999999999999999"));
}

#[test]
fn a_rule_that_can_never_apply_is_reported() {
    let file = "[[rules]]\naction = 'wait'\n\
                [[rules]]\nname = 'late'\nwhen.orphaned = true\naction = 'force'\n";
    let notes = Start::new().file("monopoll.toml", file).load().notes;
    assert_eq!(
        notes,
        ["./monopoll.toml:3: rule `late` never applies: rule `rules[0]` before it has no \
             conditions"]
    );
}

#[test]
fn an_entry_with_a_command_line_alone_is_reported() {
    let file = "[[match]]\ncmdline = 'main\\.py'\nuser = 'any'\n\
                [[match]]\ncmdline = 'main\\.py'\nname = 'python3'\n\
                [[match]]\ncmdline = '^python3 main\\.py'\n\
                [profile.ci]\nmatch = [{ cmdline = 'bot' }]\n";
    let start = Start::new().file("monopoll.toml", file);
    let note = |key: &str| {
        format!(
            "{key} has only `cmdline`, so it also finds an editor or a `tail -f` with the same \
             words; add what identifies the bot, such as `name = \"python3.*\"` or `cwd = \
             \"/srv/bot\"`"
        )
    };
    let first = note("./monopoll.toml:1: match[0]");
    assert_eq!(start.load().notes, std::slice::from_ref(&first));
    let printed = check(&Ok(start.load()), Format::Text);
    assert_eq!(printed, format!("{first}\n./monopoll.toml is valid, with 1 warning\n"));
    let of_profile = note("./monopoll.toml:10 [profile.ci]: match[3]");
    assert_eq!(start.profile("ci").load().notes, [first, of_profile]);
}

#[test]
fn an_entry_named_after_a_script_is_reported() {
    let file = "[[match]]\nname = 'bot_old.py'\n\
                [[match]]\nname = 'bot\\.js'\ncwd = '/srv/bot'\n\
                [[match]]\nname = 'python3.*'\ncmdline = 'bot_old\\.py'\n\
                [[match]]\nname = 'bot'\n";
    let note = |at: &str, name: &str| {
        format!(
            "{at}.name is `{name}`, a script, and `name` is compared with its interpreter: write \
             \"python3.*\" or the like, and the script into `cmdline`"
        )
    };
    let expected = [
        note("./monopoll.toml:1: match[0]", "bot_old.py"),
        note("./monopoll.toml:3: match[1]", "bot\\.js"),
    ];
    assert_eq!(Start::new().file("monopoll.toml", file).load().notes, expected);
}

#[test]
fn an_entry_with_a_folder_alone_is_reported() {
    let file = "[[match]]\ncwd = '/srv/bot'\n\
                [[match]]\ncwd = '/srv/bot'\ncmdline = 'main\\.py'\n\
                [[match]]\nexe = '/srv/bot/bot'\n";
    let start = Start::new().file("monopoll.toml", file);
    assert_eq!(
        start.load().notes,
        ["./monopoll.toml:1: match[0] has only `cwd`, so it finds every process in this folder; \
          add `name` or `cmdline`"]
    );
}

#[cfg(unix)]
#[test]
fn a_path_below_a_home_is_refused_with_the_home_of_the_user_database() {
    let file = "[[match]]\ncwd = '~root/t8'\n[[rules]]\nwhen.exe = '~/t8/bot'\naction = 'wait'\n";
    let start = Start::new().file("monopoll.toml", file).env("HOME", "/nowhere");
    let problems = start.problems().list().to_vec();
    let root = if cfg!(target_os = "macos") { "/var/root" } else { "/root" };
    assert_eq!(problems[0].message, "`~root/t8` begins with `~`, which only a shell expands");
    assert_eq!(problems[0].help, Some(format!("write \"{root}/t8\"")));
    let of_mine = problems[1].help.as_ref().unwrap();
    assert!(of_mine.starts_with("write \"/") && of_mine.ends_with("/t8/bot\""), "{of_mine}");
    assert!(!of_mine.contains("nowhere"), "{of_mine}");
}

#[test]
fn the_placeholders_of_a_lock_path_are_filled_for_each_start() {
    let config = Start::new().set("lock.paths=['{lock_dir}/{instance}-{profile}.lock']").load();
    let with = Placeholders {
        instance: "bot1",
        profile: config.profile.as_deref(),
        user: "me",
        lock_dir: Path::new("/run/monopoll"),
    };
    assert_eq!(config.lock_paths(&with)[0], Path::new("/run/monopoll/bot1-default.lock"));
}

#[test]
fn config_show_prints_each_value_with_its_origin_and_no_secret() {
    let secret = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
    let config = Start::new()
        .file(
            "monopoll.toml",
            &format!(
                "after_wait = 'refuse'\n\
                 [check]\ncommand = ['curl', 'https://x/bot12:{secret}/getMe']\n\
                 [lock]\non_lost = 'stop'\n\
                 [app]\nkey = '{secret}'\n"
            ),
        )
        .env("MONOPOLL_ON_CONFLICT", "wait")
        .load();
    let locks = vec!["/run/monopoll/bot12.lock".into()];
    let applied = Applied { instance: Some("bot12".to_owned()), locks };
    let text = show(&config, &applied, ShownKeys::All, Format::Text);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("config_show", text);
    });
    let changed = show(&config, &applied, ShownKeys::Changed, Format::Text);
    let keys: Vec<&str> = changed.lines().filter_map(|line| line.split(" =").next()).collect();
    assert!(keys.ends_with(&["", "on_conflict", "check.command"]), "{changed}");
    let json = show(&config, &applied, ShownKeys::All, Format::Json);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(
        (&json["file"], &json["profile"], &json["instance"], &json["locks"][0]),
        (
            &"./monopoll.toml".into(),
            &serde_json::Value::Null,
            &"bot12".into(),
            &"/run/monopoll/bot12.lock".into()
        )
    );
    let wait = json["values"]
        .as_array()
        .unwrap()
        .iter()
        .find(|value| value["key"] == "on_conflict")
        .unwrap();
    assert_eq!(
        (&wait["value"], &wait["origin"]),
        (&"wait".into(), &"$MONOPOLL_ON_CONFLICT".into())
    );
    assert_eq!(json["builtin_rules"][0]["name"], "supervised");
    assert!(!json.to_string().contains(secret));
}

#[test]
fn config_show_lists_the_built_in_rules_below_those_of_the_user() {
    let applied = Applied { instance: None, locks: Vec::new() };
    let file = "[[rules]]\nwhen.state = 'stopped'\naction = 'wait'\n[[rules]]\naction = 'wait'\n";
    let config = Start::new().file("monopoll.toml", file).load();
    let text = show(&config, &applied, ShownKeys::All, Format::Text);
    let below = text.split_once("\nrules[1] = ").unwrap().1.lines().nth(1).unwrap();
    assert!(below.starts_with("# built in, after these rules: supervised – "), "{text}");
}

#[test]
fn config_check_prints_every_problem_as_json_too() {
    let start = Start::new()
        .file("monopoll.toml", "\non_conflict = 'kill'\n")
        .env("MONOPOLL_INSTANCE", "a/b");
    let json: serde_json::Value =
        serde_json::from_str(&check(&Config::load(&start.sources), Format::Json)).unwrap();
    let json = &json["problems"];
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert_eq!(
        (&json[0]["file"], &json[0]["line"], &json[0]["column"]),
        (&"./monopoll.toml".into(), &2.into(), &15.into())
    );
    assert_eq!(json[0]["key"], "on_conflict");
    assert!(json[1]["file"].is_null() && json[1]["line"].is_null());
    assert_eq!(json[1]["place"], "$MONOPOLL_INSTANCE");
    let none: serde_json::Value =
        serde_json::from_str(&check(&Config::load(&Start::new().sources), Format::Json)).unwrap();
    assert_eq!(none, serde_json::json!({"version": 1, "problems": []}));
}

#[test]
fn config_init_writes_a_valid_file_and_never_overwrites_one() {
    let start = Start::new();
    let path = init(start.folder.path().join("config.toml")).unwrap();
    let config = start.load();
    assert_eq!(config.file.as_deref(), Some(Path::new("./config.toml")));
    assert_eq!((config.settings, config.notes), (Settings::default(), Vec::new()));
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        !text.contains("./schemas/") && !text.starts_with("#:schema"),
        "a schema that is not there: {text}"
    );
    assert_eq!(
        text.split_once("\n#\n").unwrap().1,
        EXAMPLE.split_once("\n#\n").unwrap().1,
        "all else is the example"
    );
    fs::write(&path, "mine").unwrap();
    let error = init(path.clone()).unwrap_err();
    assert_eq!(error.status(), ExitStatus::Config);
    assert!(
        error.to_string().contains("exists already; not changed; write another file"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn a_very_deeply_nested_key_is_a_problem_and_no_crash() {
    let deep = "a.".repeat(50_000);
    let start = Start::new()
        .set(&format!("app.{deep}b=1"))
        .env(&format!("MONOPOLL_APP{}", "__A".repeat(40_000)), "1");
    let problems = start.problems().to_string();
    assert!(
        problems.contains("the key has 50002 steps")
            && problems.contains("the key has 40001 steps"),
        "{problems}"
    );
}

#[test]
fn long_keys_names_and_values_are_truncated() {
    let long = "x".repeat(5000);
    let file = format!(
        "{long} = 1\ntimeouts.{long} = 1\ntoken_env = '{long}'\ninstance = {}\n\
         [profile.{long}]\n{long} = 1\n[profile.'{long} ']\n",
        "1".repeat(5000)
    );
    let start = Start::new()
        .file("monopoll.toml", &file)
        .set(&format!("{long}=1"))
        .env(&format!("MONOPOLL_TIMEOUTS__GRACEFULL{long}"), "1");
    let problems = start.problems().to_string();
    let longest = problems.lines().map(|line| line.chars().count()).max();
    assert!(longest < Some(300), "{longest:?}: {problems}");
    let config = Start::new().set(&format!("check.command=['{long}']")).load();
    let applied = Applied { instance: None, locks: vec![format!("/{long}").into()] };
    let text = show(&config, &applied, ShownKeys::All, Format::Text);
    assert!(text.lines().all(|line| line.chars().count() < 500), "{text}");
}

#[cfg(unix)]
#[test]
fn config_show_prints_paths_that_are_not_utf_8() {
    use std::os::unix::ffi::OsStringExt;
    let name = OsString::from_vec(b"odd\xff.toml".to_vec());
    let mut start = Start::new();
    fs::write(start.folder.path().join(&name), "on_conflict = 'wait'").unwrap();
    start.sources.config = Some(name.into());
    let applied = Applied { instance: None, locks: vec![OsString::from_vec(vec![0xff]).into()] };
    let json = show(&start.load(), &applied, ShownKeys::All, Format::Json);
    assert!(json.contains("odd\u{fffd}.toml"), "{json}");
}
