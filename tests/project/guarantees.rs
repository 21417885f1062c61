//! Each guarantee in `docs/guarantees.md` names evidence, and all of that evidence exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// Everything that can be named as evidence: the tests of each program, and the steps of each
/// script.
#[derive(Debug, Default)]
struct Evidence(BTreeMap<String, BTreeSet<String>>);

impl Evidence {
    fn has(&self, place: &str, name: &str) -> bool {
        self.0.get(place).is_some_and(|names| names.contains(name))
    }

    fn insert(&mut self, place: &str, name: &str) {
        self.0.entry(place.to_owned()).or_default().insert(name.to_owned());
    }

    /// Collects the tests of a Python or JavaScript file, and the steps of a script.
    fn read_file(&mut self, place: &str, text: &str) {
        let (before, after): (&[&str], &[char]) = match place.rsplit('.').next() {
            Some("py") => (&["def ", "async def "], &['(']),
            Some("js" | "mjs" | "ts") => (&["test(\"", "test('", "it(\"", "it('"], &['"', '\'']),
            _ => (&["step \""], &['"']),
        };
        for line in text.lines().map(str::trim_start) {
            let rest = before.iter().find_map(|before| line.strip_prefix(before));
            if let Some((name, _)) = rest.and_then(|rest| rest.split_once(after)) {
                self.insert(place, name);
            }
        }
    }
}

/// Returns the tests in the tables of a page that do not exist. A test is named as `module::test`,
/// and belongs to any program.
fn missing_tests<'a>(page: &'a str, evidence: &Evidence) -> Vec<&'a str> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let is_test = |name: &&str| {
        name.contains("::")
            && name.chars().all(|it| it.is_ascii_alphanumeric() || "_:".contains(it))
    };
    let exists = |name: &&str| evidence.0.values().any(|names| names.contains(*name));
    quoted.filter(is_test).filter(|name| !exists(name)).collect()
}

/// Returns the problems of a page.
fn faults(page: &str, evidence: &Evidence) -> Vec<String> {
    let mut faults = Vec::new();
    let mut sections = page.split("\n## ").enumerate();
    let preface = sections.next().map_or("", |(_, preface)| preface);
    let stray = preface.lines().filter(|line| line.starts_with("- "));
    faults.extend(stray.map(|line| format!("`{line}` belongs to no promise")));
    let mut last = 0;
    for (_, section) in sections {
        let (heading, body) = section.split_once('\n').unwrap_or((section, ""));
        // A name may follow the number.
        let title = heading.split_once(": ").map_or(heading, |(number, _)| number);
        // A guarantee that is not kept yet leaves a gap.
        match title.strip_prefix('S').and_then(|number| number.parse::<u32>().ok()) {
            Some(number) if number > last => last = number,
            Some(_) | None => faults.push(format!("`{title}` stands after S{last}")),
        }
        let mut lines = body.lines().filter(|line| !line.is_empty()).peekable();
        let mut promise = 0;
        while lines.next_if(|line| !line.starts_with(['-', '*', '#', ' '])).is_some() {
            promise += 1;
        }
        if promise == 0 {
            faults.push(format!("{title} promises nothing"));
        }
        if lines.peek().is_none() {
            faults.push(format!("{title} has no evidence"));
        }
        for line in lines {
            let named = line.strip_prefix("- `").and_then(|line| line.strip_suffix('`'));
            match named.and_then(|named| named.split_once(": ")) {
                None => faults.push(format!("{title}: `{line}` is not understood")),
                Some((place, name)) if !evidence.has(place, name) => {
                    faults.push(format!("{title}: there is no `{name}` in {place}"));
                }
                Some(_) => {}
            }
        }
    }
    faults
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Lists the tests of every program that `cargo test` builds along with this one: `tests/logic`,
/// and `src` for unit tests. Ignored tests are no evidence.
fn tests_of_programs(evidence: &mut Evidence) {
    let this = env::current_exe().unwrap();
    let profile = this.parent().and_then(Path::parent).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--no-run", "--quiet", "--message-format=json"]).current_dir(root());
    // With these variables, a build script that reads them would have to run again.
    for (name, _) in env::vars_os() {
        if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|it| name.to_string_lossy().starts_with(it))
        {
            cargo.env_remove(name);
        }
    }
    cargo.arg("--target-dir").arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    if cfg!(feature = "teloxide") {
        cargo.args(["--workspace", "--all-features"]);
    }
    let built = cargo.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    for message in String::from_utf8(built.stdout).unwrap().lines() {
        let message: serde_json::Value = serde_json::from_str(message).unwrap();
        let source = message["target"]["src_path"].as_str().map(Path::new);
        let (Some(program), Some(source), Some(true)) =
            (message["executable"].as_str(), source, message["profile"]["test"].as_bool())
        else {
            continue;
        };
        let place = source.strip_prefix(root()).unwrap().parent().unwrap().to_str().unwrap();
        let list = |flags: &[&str]| {
            let listed = Command::new(program).arg("--list").args(flags).output().unwrap();
            let text = String::from_utf8(listed.stdout).unwrap();
            let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
            names.map(ToOwned::to_owned).collect::<BTreeSet<_>>()
        };
        for name in &list(&[]) - &list(&["--ignored"]) {
            evidence.insert(place, &name);
        }
    }
}

#[test]
fn every_promise_has_evidence_that_exists() {
    let page = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let mut evidence = Evidence::default();
    tests_of_programs(&mut evidence);
    for line in page.lines() {
        let named = line.strip_prefix("- `").and_then(|line| line.split_once(": "));
        let Some((place, _)) = named else { continue };
        if let Ok(text) = fs::read_to_string(root().join(place)) {
            evidence.read_file(place, &text);
        }
    }
    let mut faults = faults(&page, &evidence);
    if cfg!(not(feature = "teloxide")) {
        // Plain `cargo test` builds neither; `.ci/run` builds both.
        faults.retain(|fault| {
            !fault.contains("`teloxide::") && !fault.contains("in examples/voice-insight/")
        });
    }
    for page in ["docs/faults.md", "docs/security.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let missing = missing_tests(&text, &evidence);
        faults.extend(missing.into_iter().map(|test| format!("{page}: there is no `{test}`")));
        assert!(text.contains("::"), "{page} names no test");
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_planted_fault_of_each_kind_is_found() {
    let mut evidence = Evidence::default();
    evidence.insert("tests/logic", "engine::it_holds");
    evidence.read_file("tests/test_it.py", "class It:\n    def test_it(self):\n        pass\n");
    evidence.read_file("tests/it.mjs", "test(\"it is so\", () => {});\n");
    evidence.read_file(".ci/run", "step \"format\"\ncargo fmt --check\n");
    let good = "# Page\n\nIntroduction.\n\n## S1: Name\n\nA promise\nof two lines.\n\n- \
        `tests/logic: engine::it_holds`\n\
                - `tests/test_it.py: test_it`\n\n## S2\n\nAnother.\n\n- `tests/it.mjs: it is \
                so`\n- `.ci/run: format`\n";
    assert_eq!(faults(good, &evidence), [] as [&str; 0]);
    let table = "| a fault | `engine::it_holds`, `engine::it_held` | `.ci/run` |";
    assert_eq!(missing_tests(table, &evidence), ["engine::it_held"]);
    for (from, to, fault) in [
        ("- `.ci/run: format`", "- `.ci/run: tests`", "S2: there is no `tests` in .ci/run"),
        ("it_holds", "it_held", "S1: there is no `engine::it_held` in tests/logic"),
        (": test_it`", ": test_that`", "S1: there is no `test_that` in tests/test_it.py"),
        ("it is so", "it is not", "S2: there is no `it is not` in tests/it.mjs"),
        ("- `.ci/run: format`", "- .ci/run: format", "S2: `- .ci/run: format` is not understood"),
        ("- `.ci/run: format`", "* nothing", "S2: `* nothing` is not understood"),
        ("- `.ci/run: format`", "And so on.", "S2: `And so on.` is not understood"),
        ("## S2", "## S1", "`S1` stands after S1"),
        ("## S2", "## Two", "`Two` stands after S1"),
        ("Another.", "", "S2 promises nothing"),
        ("- `tests/it.mjs: it is so`\n- `.ci/run: format`", "", "S2 has no evidence"),
        ("Introduction.", "- `.ci/run: format`", "`- `.ci/run: format`` belongs to no promise"),
    ] {
        assert_eq!(faults(&good.replacen(from, to, 1), &evidence), [fault], "{from} -> {to}");
    }
}
