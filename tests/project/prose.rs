//! The style of the project: short lines, plain words, valid links, and a short README.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

const WIDTH: usize = 100;
/// The extensions of handwritten files. Scripts have none.
const WRITTEN: [&str; 12] =
    ["", "c", "conf", "js", "md", "py", "rs", "service", "toml", "txt", "yaml", "yml"];
const README_LINES: usize = 150;

/// Files with such words: the name of the start mutex's file is part of the protocol between
/// versions.
const STILL_ODD: [&str; 1] = ["src/state/state_dir.rs"];

/// The places that must not contain the words below. In `tests`, only module docs are checked.
const PLAIN: [&str; 9] = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "Cargo.toml",
    "docs",
    "deploy",
    "src",
    "benches",
    "tests",
];

/// Words that this project does not use, with replacements.
const WORDS: [(&str, &str); 24] = [
    (r"passed over", "skipped"),
    (r"mend(s|ed|ing)?", "fix"),
    (r"ways? out", "hint"),
    (r"in the way", "conflict"),
    (r"behind `--`", "after `--`"),
    (r"is a text", "is a string"),
    (r"given up in", "giving up in"),
    (r"got it", "acquired"),
    (r"is yours", "lock acquired, starting"),
    (r"forbids? to", "forbids …ing"),
    (r"cannot be looked at", "cannot read the process table"),
    (r"sees? to it", "keeps"),
    (r"goes? on holding", "keeps"),
    (r"who is whose", "parent–child relations"),
    (r"turnstiles?", "start mutex"),
    (r"diary", "history"),
    (r"errands?", "request"),
    (r"dockets?", "queue"),
    (r"signal(led|ling)", "signaled, signaling"),
    (r"colou?red out|colours?", "color"),
    (r"behaviours?", "behavior"),
    (r"recogni[s]\w*|authori[s]ed|optimi[s]ed|normali[s]ed", "with z"),
    (r"licences?|honou?red?|favours?|neighbour\w*", "license, honor, favor, neighbor"),
    (r"label(led|ling)|initiali[s]\w*", "labeled, initialize"),
];

/// A file of the project, with its path from the root.
struct Text {
    name: String,
    text: String,
}

/// Returns all files in these places with one of these extensions.
fn texts(places: &[&str], extensions: &[&str]) -> Vec<Text> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    let mut places: Vec<PathBuf> = places.iter().map(|place| root.join(place)).collect();
    while let Some(path) = places.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
            let is_skipped =
                |name: &str| name.starts_with('.') || ["dist", "target"].contains(&name);
            let kept = entries.filter(|entry| !is_skipped(entry.file_name().to_str().unwrap()));
            places.extend(kept.map(|entry| entry.path()));
        } else if extensions.contains(&path.extension().map_or("", |it| it.to_str().unwrap())) {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            // Some samples are not UTF-8.
            let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
            texts.push(Text { name, text });
        }
    }
    texts.sort_by(|one, other| one.name.cmp(&other.name));
    texts
}

/// Returns the lines that are too long and could be shorter.
fn wide_lines(name: &str, text: &str) -> Vec<usize> {
    let is_page = Path::new(name).extension() == Some("md".as_ref());
    let text = if is_page { without_printed(text) } else { text.to_owned() };
    let is_wide = |line: &str| {
        line.chars().count() > WIDTH
            && !(is_page && is_unbreakable(line))
            && without_urls(line).chars().count() > WIDTH
    };
    (1..).zip(text.lines()).filter(|(_, line)| is_wide(line)).map(|(number, _)| number).collect()
}

fn without_urls(line: &str) -> String {
    static URL: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\]\([^)]*\)|https?://\S+").unwrap());
    URL.replace_all(line, "").into_owned()
}

/// Returns whether a line is a table row, an image, or an item with a single piece of code, such as
/// a test's name.
fn is_unbreakable(line: &str) -> bool {
    let code = line.trim().strip_prefix("- `").and_then(|it| it.strip_suffix('`'));
    line.trim_start().starts_with('|')
        || line.starts_with("![")
        || code.is_some_and(|code| !code.contains('`'))
}

/// Returns the module docs of a file, with all other lines empty.
fn module_docs(text: &str) -> String {
    let lines = text.lines().map(|line| if line.starts_with("//!") { line } else { "" });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Returns a page without program output.
fn without_printed(page: &str) -> String {
    let mut fence = None;
    let mut written = String::new();
    for line in page.lines() {
        let is_printed = matches!(fence, Some("console" | "text")) && !line.starts_with("$ ");
        match (line.strip_prefix("```"), fence) {
            (Some(_), Some(_)) => fence = None,
            (Some(info), None) => fence = Some(info),
            (None, _) => {}
        }
        written += if is_printed { "" } else { line };
        written.push('\n');
    }
    written
}

#[test]
fn lines_have_at_most_a_hundred_columns() {
    let mut faults = Vec::new();
    for Text { name, text } in texts(&["", ".ci"], &WRITTEN) {
        let is_given =
            ["tests/logic/samples/", "fuzz/corpus/"].iter().any(|it| name.starts_with(it));
        if !name.ends_with("Cargo.lock") && !is_given {
            faults.extend(wide_lines(&name, &text).iter().map(|line| format!("{name}:{line}")));
        }
    }
    assert!(faults.is_empty(), "more than {WIDTH} columns:\n{}", faults.join("\n"));
}

#[test]
fn a_planted_long_line_is_found() {
    let long = "long ".repeat(21);
    for (name, text) in [
        ("a.md", long.clone()),
        ("a.md", format!("```sh\n{long}\n```")),
        ("a.md", format!("```console\n$ {long}\n```")),
        ("a.md", format!("{long}[link](target)")),
        ("a.md", format!("- `{long}` and `more`")),
        ("a.toml", format!("# {long}")),
        ("a.toml", format!("a = \"\" # {long}")),
        ("a.rs", format!("/// {long}")),
        ("a.rs", format!("    // \"{long}\"")),
        ("a.rs", format!("let a = \"\"; // {long}")),
        ("a.rs", format!("f({})", long.replace(' ', "("))),
        ("a.rs", format!("let a = \"{long}\";")),
        ("a.toml", format!("a = \"{long}\"")),
        ("a.py", format!("a = \"{long}\"")),
        (".ci/run", format!("echo {long}")),
    ] {
        assert_eq!(wide_lines(name, &text).len(), 1, "{name}: {text}");
    }
    for (name, text) in [
        ("a.md", format!("| {long} |")),
        ("a.md", format!("- `{long}`")),
        ("a.md", format!("```console\n$ x\n{long}\n```")),
        ("a.md", format!("[link](https://{})", long.replace(' ', "/"))),
        ("a.md", format!("![{long}](picture.svg)")),
        ("a.rs", format!("// https://{}", long.replace(' ', "/"))),
    ] {
        assert_eq!(wide_lines(name, &text), [] as [usize; 0], "{name}: {text}");
    }
}

/// Returns the words of the list in a text, with their lines.
fn odd_words(text: &str) -> Vec<String> {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let pattern = |word: &str| {
            let boundary = |end: bool| if end && word.ends_with('`') { "" } else { r"\b" };
            // A line break may separate two words.
            let word = word.replace(' ', r"\s+(?:///?!?\s+|\*\s+)?");
            Regex::new(&format!("(?i){}(?:{word}){}", boundary(false), boundary(true))).unwrap()
        };
        WORDS.iter().map(|(word, instead)| (pattern(word), *instead)).collect()
    });
    let mut found = Vec::new();
    for (pattern, instead) in PATTERNS.iter() {
        for hit in pattern.find_iter(text) {
            let line = text[..hit.start()].lines().count().max(1);
            found.push(format!("{line}: `{}` (write: {instead})", hit.as_str()));
        }
    }
    found
}

#[test]
fn texts_have_plain_words() {
    let mut faults = Vec::new();
    for Text { name, text } in texts(&PLAIN, &["md", "rs", "service", "toml", "yaml", "yml"]) {
        let is_page = Path::new(&name).extension() == Some("md".as_ref());
        let text = match name.starts_with("tests/") {
            true => module_docs(&text),
            false if is_page => without_printed(&text),
            false => text,
        };
        match (STILL_ODD.contains(&name.as_str()), odd_words(&text)) {
            (true, found) if found.is_empty() => {
                faults.push(format!("{name} has plain words: remove it from the list"));
            }
            (true, _) => {}
            (false, found) => faults.extend(found.iter().map(|fault| format!("{name}:{fault}"))),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_planted_odd_word_is_found() {
    for text in [
        "it is passed over",
        "/// it is passed\n/// over",
        "The way out: mend it",
        "name it behind `--`",
        "Somebody is in the way",
        "it was signalled",
        "two neighbouring units",
    ] {
        assert!(!odd_words(text).is_empty(), "{text}");
    }
    for text in ["a recommended amendment", "after `--`", "it was signaled", "bypassed overall"] {
        assert_eq!(odd_words(text), [] as [&str; 0], "{text}");
    }
}

/// Returns the links of a page without a file or heading. mkdocs checks those within `docs/`.
fn dead_links(name: &str, text: &str) -> Vec<String> {
    static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\(([^)\s]+)\)").unwrap());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let folder = folder.parent().unwrap();
    let is_dead = |link: &str| {
        let (path, anchor) = link.split_once('#').map_or((link, None), |(a, b)| (a, Some(b)));
        let target = folder.join(path);
        !target.exists()
            || anchor.is_some_and(|anchor| {
                let page = fs::read_to_string(&target).unwrap();
                !page.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor)
            })
    };
    let links = LINK.captures_iter(text).map(|found| found[1].to_owned());
    links.filter(|link| !link.contains("://") && is_dead(link)).collect()
}

/// Returns the anchor of a heading.
fn slug(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    let mut faults = Vec::new();
    for name in ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
        let text = &texts(&[name], &["md"])[0].text;
        faults.extend(dead_links(name, text).iter().map(|link| format!("{name}: {link}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let planted = "[a](nowhere.md) [b](README.md#nowhere) [c](README.md#how-it-decides)";
    assert_eq!(dead_links("README.md", planted), ["nowhere.md", "README.md#nowhere"]);
}

#[test]
fn the_readme_is_one_screen() {
    let lines = texts(&["README.md"], &["md"])[0].text.lines().count();
    assert!(lines <= README_LINES, "{lines} lines, at most {README_LINES}");
}
