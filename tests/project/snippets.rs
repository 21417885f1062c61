//! All fenced blocks in README.md and `docs/` work: configurations are valid, sessions print what
//! they show, programs run, and files equal those in `deploy/`.
//!
//! `UPDATE_SNIPPETS=1` updates the output of sessions.

mod bot_programs;
mod markdown;
mod printed;
mod rust_programs;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

use monopoll_test_bots::programs;

use markdown::{Block, blocks, with_bodies};
use rust_programs::Crates;
use session::{Act, NOT_RUN, Session, is_not_run, runs_here, steps};

const NOT_YET: [&str; 0] = [];

/// A page with its results.
struct Page {
    name: String,
    text: String,
    faults: Vec<String>,
    /// Blocks that could not be tested, with reasons.
    skipped: Vec<String>,
    /// New bodies of blocks whose output differs, by line.
    updates: Vec<(usize, String)>,
    /// The entries of [`NOT_RUN`] that the page needs.
    not_run: BTreeSet<usize>,
}

/// The tools shared by all pages.
struct Tools {
    crates: Option<Crates>,
}

impl Page {
    fn new(name: &str, text: &str) -> Page {
        Page {
            name: name.to_owned(),
            text: text.to_owned(),
            faults: Vec::new(),
            skipped: Vec::new(),
            updates: Vec::new(),
            not_run: BTreeSet::new(),
        }
    }

    fn fault(&mut self, line: usize, what: &str) {
        self.faults.push(format!("{}:{line}: {what}", self.name));
    }

    fn check(&mut self, tools: &Tools) {
        let blocks = match blocks(&self.text) {
            Ok(blocks) => blocks,
            Err(fault) => return self.faults.push(format!("{}:{fault}", self.name)),
        };
        let bots = try_bots(&blocks);
        for block in &blocks {
            for fault in self.faults_of(block, tools, &bots) {
                self.fault(block.line, &fault);
            }
        }
        let sections: BTreeSet<usize> = blocks.iter().map(|block| block.section).collect();
        for section in sections {
            let blocks: Vec<&Block> = blocks.iter().filter(|it| it.section == section).collect();
            self.play(&blocks);
        }
    }

    /// Returns the problems of a single block. Sessions run later.
    fn faults_of(&mut self, block: &Block, tools: &Tools, bots: &Bots) -> Vec<String> {
        let title = block.title.as_deref();
        if let Some(file) = title.filter(|title| title.starts_with("deploy/")) {
            return Vec::from_iter(differs_from_file(file, &block.body));
        }
        match (block.language.as_str(), title) {
            ("toml", Some("Cargo.toml")) => manifest_faults(&block.body),
            ("toml", _) => Vec::from_iter(config_fault(&block.body)),
            ("console", _) => Vec::from_iter(steps(&block.body).err()),
            ("python" | "js", _) if bots.contains_key(&block.line) => match &bots[&block.line] {
                Ok(faults) => faults.clone(),
                Err(missing) => {
                    self.skipped.push(format!("{}:{}: {missing}", self.name, block.line));
                    Vec::new()
                }
            },
            ("sh", _) | ("python" | "js", Some(_)) => Vec::new(),
            ("python" | "js", None) => {
                vec![
                    "a program that is no bot is named by `title=\"…\"`, and a session runs it"
                        .into(),
                ]
            }
            ("rust", _) => {
                if let Some(crates) = &tools.crates {
                    return Vec::from_iter(crates.check(&block.body));
                }
                let why = "Rust is checked with `--all-features` only";
                self.skipped.push(format!("{}:{}: {why}", self.name, block.line));
                Vec::new()
            }
            ("ini" | "yaml" | "dockerfile", _) => {
                vec!["name the file that it is by `title=\"deploy/…\"`".into()]
            }
            ("text", _) => Vec::from_iter(command_in(&block.body)),
            (language, _) => vec![format!("`{language}` is not a language that is tried")],
        }
    }

    /// Runs the sessions of a section.
    fn play(&mut self, blocks: &[&Block]) {
        let mut acts = Vec::new();
        // The block and step of each act.
        let mut of: Vec<(usize, usize)> = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            match (block.language.as_str(), &block.title) {
                ("console", _) => {
                    for (at, step) in steps(&block.body).into_iter().flatten().enumerate() {
                        acts.push(Act::Command(self.runnable(&step.command)));
                        of.push((number, at));
                    }
                }
                ("sh", _) => {
                    acts.push(Act::Script(self.runnable(&block.body)));
                    of.push((number, 0));
                }
                (_, Some(name)) if !name.starts_with("deploy/") => {
                    acts.push(Act::File { name: name.clone(), text: block.body.clone() });
                    of.push((number, 0));
                }
                _ => {}
            }
        }
        if acts.iter().all(|act| matches!(act, Act::File { .. })) {
            return;
        }
        let session = Session::new();
        let place = session.place();
        let printed = match session.run(&acts) {
            Ok(printed) => printed,
            Err(fault) => return self.fault(blocks[0].line, &fault),
        };
        let mut pids = BTreeMap::new();
        let mut bodies: BTreeMap<usize, String> = BTreeMap::new();
        let mut is_other = false;
        for (printed, (number, at)) in printed.iter().zip(of) {
            let block = blocks[number];
            for failure in &printed.failures {
                self.fault(block.line, &format!("exit status {failure}\n{}", printed.text));
            }
            if block.language != "console" {
                continue;
            }
            let step = &steps(&block.body).unwrap()[at];
            let presented = printed::presented(&printed.text, &place, &mut pids);
            let is_same = printed::is_same(&step.shown, &printed.text, &place);
            if !is_same {
                is_other = true;
                let fault = format!("{}printed:\n{presented}shown:\n{}", step.typed, step.shown);
                self.fault(block.line, &fault);
            }
            let keeps = is_same && step.shown.lines().any(|line| line == "...");
            let output = if keeps { &step.shown } else { &presented };
            bodies.entry(block.line).or_default().extend([step.typed.as_str(), output.as_str()]);
        }
        if is_other {
            self.updates.extend(bodies);
        }
    }

    /// Returns the commands, except those that no test runs.
    fn runnable(&mut self, commands: &str) -> String {
        let mut runnable = String::new();
        for line in commands.lines() {
            match is_not_run(line) {
                Some(entry) => {
                    self.not_run.insert(entry);
                    let line = if runs_here(entry) { line } else { ":" };
                    runnable.extend([line, "\n"]);
                }
                None => runnable.extend([line, "\n"]),
            }
        }
        runnable
    }
}

/// The problems of each bot of a page, or the reason it could not be tested, by line.
type Bots = BTreeMap<usize, Result<Vec<String>, String>>;

/// Tests the bots of a page in parallel. Each has its own token and server.
fn try_bots(blocks: &[Block]) -> Bots {
    let is_program = |block: &&Block| ["python", "js"].contains(&block.language.as_str());
    let bots = blocks.iter().filter(is_program).filter(|it| bot_programs::is_bot(&it.body));
    thread::scope(|scope| {
        let start = |block: &'_ Block| {
            let (language, program) = (block.language.clone(), block.body.clone());
            (block.line, scope.spawn(move || bot_programs::try_bot(&language, &program)))
        };
        let tries: Vec<_> = bots.map(start).collect();
        tries.into_iter().map(|(line, bot)| (line, bot.join().unwrap())).collect()
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the problems that `monopoll config check` finds.
fn config_fault(text: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("monopoll.toml"), text).unwrap();
    let checked = Command::new(programs::monopoll())
        .args(["config", "check"])
        .current_dir(folder.path())
        .env_clear()
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    (!checked.status.success()).then(|| String::from_utf8_lossy(&checked.stderr).into_owned())
}

/// Returns lines of a Cargo.toml that differ from the workspace.
fn manifest_faults(text: &str) -> Vec<String> {
    let own: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let shown: toml::Table = match text.parse() {
        Ok(shown) => shown,
        Err(error) => return vec![error.to_string()],
    };
    let features: BTreeSet<&String> = own["features"].as_table().unwrap().keys().collect();
    let workspace = own["workspace"]["dependencies"].as_table().unwrap();
    let version = |it: &toml::Value| {
        it.as_str().or_else(|| it.get("version")?.as_str()).map(ToOwned::to_owned)
    };
    let mut faults = Vec::new();
    let dependencies = shown.get("dependencies").and_then(toml::Value::as_table);
    for (name, wanted) in dependencies.into_iter().flatten() {
        if name == "monopoll" {
            let wanted = wanted.get("features").and_then(toml::Value::as_array);
            let unknown = wanted.into_iter().flatten().filter_map(toml::Value::as_str);
            let unknown = unknown.filter(|it| !features.iter().any(|known| known == it));
            faults.extend(unknown.map(|it| format!("monopoll has no feature `{it}`")));
            continue;
        }
        let ours = workspace.get(name).or_else(|| own["dependencies"].get(name));
        match ours.and_then(version) {
            None => faults.push(format!("`{name}` is not used here")),
            Some(ours) => {
                let theirs = version(wanted).unwrap_or_default();
                if !ours.starts_with(&theirs) || theirs.is_empty() {
                    faults.push(format!("`{name}` is {ours} here, not `{theirs}`"));
                }
            }
        }
    }
    faults
}

/// Returns a problem if a block is not part of the file that it names.
fn differs_from_file(file: &str, body: &str) -> Option<String> {
    match fs::read_to_string(root().join(file)) {
        Ok(text) if text.contains(body.trim_matches('\n')) => None,
        Ok(_) => Some(format!("{file} has not these lines")),
        Err(error) => Some(format!("{file}: {error}")),
    }
}

/// Returns a command in a block that is not run.
fn command_in(body: &str) -> Option<String> {
    let is_command = |line: &&str| {
        ["$ ", "# ", "monopoll ", "cargo ", "docker ", "python3 ", "node ", "sudo "]
            .iter()
            .any(|it| line.trim_start().starts_with(it))
    };
    body.lines().find(is_command).map(|line| format!("`{line}` is a command: use `console`"))
}

/// Returns README.md and all pages in `docs/`, or those in `SNIPPETS`.
fn pages() -> Vec<Page> {
    let mut names = vec!["README.md".to_owned()];
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let name = folder.join(entry.unwrap().file_name());
            if root().join(&name).is_dir() {
                folders.push(name);
            } else if name.extension() == Some("md".as_ref()) {
                names.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    names.sort();
    let chosen = env::var("SNIPPETS").ok();
    match &chosen {
        Some(chosen) => names.retain(|name| name.contains(chosen.as_str())),
        None => names.retain(|name| !NOT_YET.contains(&name.as_str())),
    }
    let page = |name: &String| Page::new(name, &fs::read_to_string(root().join(name)).unwrap());
    names.iter().map(page).collect()
}

/// Checks pages in parallel if sessions are isolated from each other.
fn check_all(pages: Vec<Page>, tools: &Tools) -> Vec<Page> {
    let threads = if nix::unistd::geteuid().is_root() { 3 } else { 1 };
    let pages: Vec<Mutex<Page>> = pages.into_iter().map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(page) = pages.get(next.fetch_add(1, Ordering::Relaxed)) {
                    page.lock().unwrap().check(tools);
                }
            });
        }
    });
    pages.into_iter().map(|page| page.into_inner().unwrap()).collect()
}

#[test]
fn every_snippet_does_what_its_page_says() {
    let pages = pages();
    let has_rust = pages.iter().any(|page| page.text.contains("```rust"));
    let crates = (cfg!(feature = "teloxide") && has_rust).then(Crates::find);
    let pages = check_all(pages, &Tools { crates });
    let mut faults: Vec<&str> = Vec::new();
    for page in &pages {
        for skipped in &page.skipped {
            let on_ci =
                env::var("CI").as_deref() == Ok("true") && !skipped.contains("all-features");
            assert!(!on_ci, "{skipped}; `.ci/run` puts them there");
            eprintln!("skipped: {skipped}");
        }
        if env::var_os("UPDATE_SNIPPETS").is_some() && !page.updates.is_empty() {
            // Read the page again, because the table of keys may have just been updated.
            let path = root().join(&page.name);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, with_bodies(&text, &page.updates)).unwrap();
        }
        faults.extend(page.faults.iter().map(String::as_str));
    }
    assert!(faults.is_empty(), "{}\n(UPDATE_SNIPPETS=1 writes outputs)", faults.join("\n\n"));
    if env::var_os("SNIPPETS").is_none() && NOT_YET.is_empty() {
        let used: BTreeSet<usize> = pages.iter().flat_map(|it| it.not_run.clone()).collect();
        let stale: Vec<_> = (0..NOT_RUN.len()).filter(|it| !used.contains(it)).collect();
        let stale: Vec<_> = stale.into_iter().map(|it| NOT_RUN[it].0).collect();
        assert!(stale.is_empty(), "no page shows {stale:?}: remove it from the list");
    }
}

#[test]
fn a_planted_fault_of_each_kind_is_found() {
    let faults = |page: &str| {
        let mut page = Page::new("page.md", page);
        page.check(&Tools { crates: None });
        page.faults.join("\n")
    };
    let good = [
        "```toml\non_conflict = \"force\"\n```\n",
        "```toml title=\"Cargo.toml\"\n[dependencies]\nteloxide = \"0.17\"\n```\n",
        "```console\n$ echo one; echo two\none\ntwo\n$ cat <<END\n> three\n> END\nthree\n```\n",
        "```sh\ntrue\n```\n",
        "```text\na tree\n```\n",
        "```python title=\"a.py\"\nprint(1)\n```\n```console\n$ python3 a.py\n1\n```\n",
        "```yaml title=\"deploy/compose.yaml\"\nvolumes:\n  locks:\n```\n",
    ];
    for page in good {
        assert_eq!(faults(page), "", "{page}");
    }
    for (page, fault) in [
        ("```toml\non_conflict = \"forse\"\n```\n", "force"),
        ("```toml title=\"Cargo.toml\"\n[dependencies]\nteloxide = \"0.9\"\n```\n", "is 0.17 here"),
        (
            "```toml title=\"Cargo.toml\"\n[dependencies]\nmonopoll = { features = [\"x\"] \
                }\n```\n",
            "no feature `x`",
        ),
        ("```console\n$ echo one\ntwo\n```\n", "printed:\none"),
        ("```console\none\n```\n", "begins with"),
        ("```sh\nfalse\n```\n", "exit status 1: false"),
        ("```text\n$ echo\n```\n", "is a command"),
        ("```yaml title=\"deploy/compose.yaml\"\nvolumes:\n  other:\n```\n", "has not these lines"),
        ("```yaml\nvolumes:\n```\n", "name the file"),
        ("```ini title=\"deploy/none\"\n[x]\n```\n", "deploy/none"),
        ("```python\nprint(1)\n```\n", "a session runs it"),
        ("```toml,ignore\n```\n", "`toml,ignore` is not a language"),
        ("```toml ignore\n```\n", "is not `title="),
        ("- item\n  ```toml\n  ```\n", "is indented"),
        ("```toml\n", "never closed"),
    ] {
        assert!(faults(page).contains(fault), "{page}: {}", faults(page));
    }
    let bots = [
        ("python", "from aiogram import Bot\nraise SystemExit(3)\n", "ended before"),
        ("js", "require(\"grammy\");\nprocess.exit(3);\n", "ended before"),
    ];
    for (language, program, fault) in bots {
        if let Ok(found) = bot_programs::try_bot(language, program) {
            assert!(found.join("\n").contains(fault), "{found:?}");
        }
    }
}

#[test]
#[cfg(feature = "teloxide")]
fn rust_that_does_not_compile_is_found() {
    let crates = Crates::find();
    let program = "fn main() -> Result<(), monopoll::Error> {\n    let config = \
                   monopoll::Config::load(&monopoll::Sources::from_process()?)?;\n    \
                   drop(config);\n    Ok(())\n}\n";
    assert_eq!(crates.check(program), None);
    assert!(crates.check(&program.replace("load", "lode")).unwrap().contains("lode"));
}
