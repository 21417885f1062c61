//! docs/guarantees.md promises nothing that no test shows, and names no test that is not there.

use std::{collections::BTreeMap, fs, path::Path};

/// The promises that are kept on one machine.
const PROMISED: [&str; 22] = [
    "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S12", "S13", "S14", "S15",
    "S16", "S17", "S18", "S19", "S20", "S21", "S22",
];

fn project(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What each number is followed by: the files and the tests in them.
fn evidence(page: &str) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let sections = page.split("\n## ").skip(1);
    sections
        .map(|section| {
            let tests = section
                .lines()
                .filter_map(|line| line.strip_prefix("- `")?.strip_suffix('`')?.split_once(": "));
            (section.lines().next().unwrap(), tests.collect())
        })
        .collect()
}

#[test]
fn every_promise_has_a_test() {
    let page = project("docs/guarantees.md");
    let evidence = evidence(&page);
    let shown: Vec<&str> =
        evidence.iter().filter(|(_, tests)| !tests.is_empty()).map(|(number, _)| *number).collect();
    let missing: Vec<_> = PROMISED.iter().filter(|number| !shown.contains(number)).collect();
    assert!(missing.is_empty(), "no test is named for {missing:?}");
    assert_eq!(shown.len(), evidence.len(), "a promise without a test: {evidence:?}");
}

#[test]
fn every_test_that_is_named_exists() {
    let page = project("docs/guarantees.md");
    for (number, tests) in evidence(&page) {
        for (file, test) in tests {
            let text = project(file);
            let is_a_test = text.contains(&format!("#[test]\nfn {test}()"))
                || text.contains(&format!("#[test]\n    fn {test}()"));
            let is_a_property = text.contains("proptest!") && text.contains(&format!("fn {test}("));
            assert!(is_a_test || is_a_property, "{number}: there is no test `{test}` in {file}");
        }
    }
}

#[test]
fn every_line_of_evidence_is_understood() {
    let page = project("docs/guarantees.md");
    let written = page.lines().filter(|line| line.starts_with("- ")).count();
    let understood: usize = evidence(&page).values().map(Vec::len).sum();
    assert_eq!(written, understood);
}
