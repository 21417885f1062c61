//! What a tired operator reads: one sample for each way to get a configuration wrong, and everything that is said about it.
//!
//! A sample's name is what is wrong with it. Its leading comments give the other layers: `# env: NAME=value`, `# set: key=value`,
//! `# profile: NAME`, `# instance: ID`.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and reads its samples")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use monopoll::{
    config::{Config, Sources},
    error::{Error, ExitStatus},
};

fn samples(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The sources that a sample asks for; itself by its bare name, so that no message depends on where the project lies.
fn sources(sample: &Path) -> Sources {
    let text = fs::read_to_string(sample).unwrap();
    let mut sources =
        Sources { config: Some(sample.file_name().unwrap().into()), cwd: sample.parent().unwrap().to_owned(), ..Sources::default() };
    for line in text.lines().map_while(|line| line.strip_prefix("# ")) {
        match line.split_once(": ") {
            Some(("env", variable)) => {
                let (name, value) = variable.split_once('=').unwrap();
                sources.env.push((name.into(), value.into()));
            }
            Some(("set", set)) => sources.set.push(set.to_owned()),
            Some(("profile", name)) => sources.profile = Some(name.to_owned()),
            Some(("instance", id)) => sources.instance = Some(id.to_owned()),
            _ => {}
        }
    }
    sources
}

#[test]
fn each_sample_is_refused_with_all_that_is_wrong() {
    let samples = samples("invalid");
    assert!(samples.len() >= 80, "{}", samples.len());
    for sample in samples {
        let name = sample.file_stem().unwrap().to_str().unwrap().to_owned();
        let said = match Config::load(&sources(&sample)) {
            Ok(_) => panic!("{name} is taken for valid"),
            Err(problems) => problems.to_string(),
        };
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, said);
        });
    }
}

#[test]
fn no_message_shows_how_it_was_found_out() {
    for sample in samples("invalid") {
        let problems = Config::load(&sources(&sample)).unwrap_err();
        let said = problems.to_string();
        let leaks =
            ["expected struct", "invalid type", "Timeouts", "Settings", "u32", "i64", "Some(", "None", "AAHdqTcvCH1vGWJxf", "\u{1b}", "\0"];
        for leak in leaks {
            assert!(!said.contains(leak), "{} says {leak:?}:\n{said}", sample.display());
        }
        let error = Error::from(problems);
        assert_eq!(error.status, ExitStatus::Config);
        assert!(error.to_string().contains(&said));
    }
}

#[test]
fn each_valid_sample_is_loaded_with_every_profile() {
    for sample in samples("valid") {
        let sources = sources(&sample);
        let config = Config::load(&sources).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.notes, Vec::<String>::new(), "{}", sample.display());
        let text = fs::read_to_string(&sample).unwrap();
        for name in ["ci", "production", "1.2-b_c"] {
            if text.contains(&format!("[profile.{name}")) || text.contains(&format!("[profile.\"{name}")) {
                let selected = Sources { profile: Some(name.to_owned()), ..sources.clone() };
                assert_eq!(Config::load(&selected).unwrap().profile.as_deref(), Some(name));
            }
        }
    }
}
