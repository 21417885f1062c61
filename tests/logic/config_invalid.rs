//! The messages about invalid configurations: one sample for each mistake.
//!
//! The name of a sample is its mistake. Its leading comments set other layers: `# env: NAME=value`,
//! `# set: key=value`, `# profile: NAME`, `# instance: ID`, `# config: PATH` (empty: no file is
//! named).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use monopoll::internals::cli::config_command::{Format, check};
use monopoll::internals::config::{Config, Sources, render};
use monopoll::internals::error::{Error, ExitStatus};
use monopoll::internals::report::check_json::CheckDocument;
use monopoll::internals::text::{Paint, output_schema};

fn samples(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logic/samples").join(folder);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Returns the sources that a sample asks for. The sample is named by its bare name, so that no
/// message depends on the location of the project.
fn sources(sample: &Path) -> Sources {
    // One of the samples is not UTF-8.
    let text = String::from_utf8_lossy(&fs::read(sample).unwrap()).into_owned();
    let mut sources = Sources {
        config: Some(sample.file_name().unwrap().into()),
        cwd: sample.parent().unwrap().to_owned(),
        ..Sources::default()
    };
    for line in text.lines().map_while(|line| line.strip_prefix("# ")) {
        match line.split_once(": ") {
            Some(("env", variable)) => {
                let (name, value) = variable.split_once('=').unwrap();
                sources.env.push((name.into(), value.into()));
            }
            Some(("set", set)) => sources.set.push(set.to_owned()),
            Some(("profile", name)) => sources.profile = Some(name.to_owned()),
            Some(("config", path)) => {
                sources.config = Some(path.into()).filter(|_| !path.is_empty());
            }
            Some(("instance", id)) => sources.instance = Some(id.to_owned()),
            _ => {}
        }
    }
    sources
}

#[test]
fn each_invalid_sample_is_refused_with_all_its_problems() {
    let samples = samples("invalid");
    assert!(samples.len() >= 130, "{}", samples.len());
    for sample in samples {
        let name = sample.file_stem().unwrap().to_str().unwrap().to_owned();
        let printed = match Config::load(&sources(&sample)) {
            Ok(_) => panic!("{name} is taken for valid"),
            Err(problems) => problems.to_string(),
        };
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, printed);
        });
    }
}

#[test]
fn the_schema_file_of_config_check_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/check.schema.json");
    let fresh = serde_json::to_string_pretty(&output_schema::<CheckDocument>()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(path, &fresh).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap_or_default() == fresh,
        "stale: run this test with UPDATE_SCHEMAS=1"
    );
}

#[test]
fn each_problem_as_json_has_its_location_and_is_valid_against_the_schema() {
    let validator = jsonschema::validator_for(output_schema::<CheckDocument>().as_value()).unwrap();
    assert!(validator.is_valid(
        &serde_json::from_str(&check(&Config::load(&Sources::default()), Format::Json)).unwrap()
    ));
    for broken in ["[]", "{}", r#"{"version": 1, "problems": [{"file": null}]}"#] {
        assert!(!validator.is_valid(&serde_json::from_str(broken).unwrap()), "{broken}");
    }
    for sample in samples("invalid") {
        let outcome = Config::load(&sources(&sample));
        let printed: Value = serde_json::from_str(&check(&outcome, Format::Json)).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&printed).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}\n{printed:#}", sample.display());
        let problems = outcome.unwrap_err().list().to_vec();
        let printed = printed["problems"].as_array().unwrap();
        assert_eq!(printed.len(), problems.len());
        let text = String::from_utf8_lossy(&fs::read(&sample).unwrap()).into_owned();
        for (problem, printed) in problems.iter().zip(printed) {
            assert_eq!(
                (printed["key"].as_str(), printed["help"].as_str()),
                (problem.key.as_deref(), problem.help.as_deref())
            );
            let Some(line) = printed["line"].as_u64() else { continue };
            assert_eq!(printed["file"].as_str(), sample.file_name().unwrap().to_str());
            let line = text.lines().nth(usize::try_from(line).unwrap() - 1).unwrap_or_default();
            let (column, end) =
                (printed["column"].as_u64().unwrap(), printed["end_column"].as_u64().unwrap());
            assert!(
                column <= end && end <= line.chars().count() as u64 + 1,
                "{}: {printed:#}",
                sample.display()
            );
        }
    }
}

#[test]
fn color_changes_no_text() {
    for sample in samples("invalid") {
        let problems = Config::load(&sources(&sample)).unwrap_err();
        let (plain, mut coloured) =
            (render(&problems, Paint::Plain), render(&problems, Paint::Color));
        assert!(coloured.contains("\u{1b}["));
        while let Some(at) = coloured.find("\u{1b}[") {
            let end = at + coloured[at..].find('m').unwrap();
            coloured.replace_range(at..=end, "");
        }
        let trimmed: Vec<&str> = coloured.lines().map(str::trim_end).collect();
        assert_eq!(trimmed.join("\n"), plain, "{}", sample.display());
    }
}

#[test]
fn the_last_line_is_the_summary() {
    for sample in samples("invalid") {
        let problems = Config::load(&sources(&sample)).unwrap_err();
        let expected = match problems.list().len() {
            1 => "monopoll: the configuration is wrong".to_owned(),
            n => format!("monopoll: the configuration is wrong in {n} places"),
        };
        let report = Error::from(problems).report();
        assert_eq!(report.lines().last(), Some(expected.as_str()));
        assert_eq!(report.lines().filter(|line| line.starts_with("monopoll:")).count(), 1);
    }
}

#[test]
fn no_message_shows_the_parsers_internals() {
    for sample in samples("invalid") {
        let problems = Config::load(&sources(&sample)).unwrap_err();
        let printed = problems.to_string();
        let leaks = [
            "expected struct",
            "invalid type",
            "Timeouts",
            "Settings",
            "u32",
            "i64",
            "Some(",
            "None",
            "AAHdqTcvCH1vGWJxf",
            "hunter2",
            "\u{1b}",
            "\u{202e}",
            "\t",
            "\r",
            "\0",
        ];
        for leak in leaks {
            assert!(!printed.contains(leak), "{} says {leak:?}:\n{printed}", sample.display());
        }
        let error = Error::from(problems);
        assert_eq!(error.status(), ExitStatus::Config);
        assert!(error.to_string().contains(&printed));
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
            if text.contains(&format!("[profile.{name}"))
                || text.contains(&format!("[profile.\"{name}"))
            {
                let selected = Sources { profile: Some(name.to_owned()), ..sources.clone() };
                assert_eq!(Config::load(&selected).unwrap().profile.as_deref(), Some(name));
            }
        }
    }
}
