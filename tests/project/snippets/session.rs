//! Shell sessions: the commands of a section run in one shell and one folder.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use monopoll_test_bots::programs;

use super::printed::Place;

/// The reason of commands that run only after `packaging/build`.
const NEEDS_DIST: &str = "needs `dist/`, which `packaging/build` makes";

/// Commands on pages that no test runs, with the reasons. The rest of the block runs.
pub(super) const NOT_RUN: [(&str, &str); 16] = [
    ("pip install dist/", NEEDS_DIST),
    ("tar -xzf dist/", NEEDS_DIST),
    ("cargo run --release ", "builds all of it optimized, which takes minutes"),
    ("cargo run --example ", "a server that runs until its input ends"),
    ("cargo build --release ", "builds all of it optimized, which takes minutes"),
    ("cargo install ", "builds all of it, and needs the registry"),
    ("cargo test", "this is that test"),
    (".ci/soak ", "takes an hour"),
    ("cargo bench ", "needs a quiet machine for many minutes"),
    ("sudo ", "needs root, and changes the machine"),
    ("ssh ", "needs another host"),
    ("docker ", "needs a Docker daemon"),
    ("kubectl ", "needs a cluster"),
    ("journalctl ", "needs a journal"),
    ("pm2 ", "needs the machine's own PM2"),
    ("systemctl ", "needs systemd as the first process"),
];

/// Longer than the commands of any section take.
const TIMEOUT: Duration = Duration::from_mins(2);

/// `main.py` in every folder: a bot without any connections.
const BOT: &str = "import time\nwhile True:\n    time.sleep(1)\n";

/// A command, and the output that the page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) command: String,
    /// The lines of the page, with prompts.
    pub(super) typed: String,
    pub(super) shown: String,
}

/// Parses the steps of a `console` block: `$ command`, continued on lines that begin with `> `.
pub(super) fn steps(body: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for line in body.lines() {
        let typed = format!("{line}\n");
        if let Some(command) = line.strip_prefix("$ ") {
            let command = format!("{command}\n");
            steps.push(Step { command, typed, shown: String::new() });
            continue;
        }
        let Some(step) = steps.last_mut() else {
            return Err("a `console` block begins with `$ `".into());
        };
        match line.strip_prefix("> ").or((line == ">").then_some("")) {
            Some(more) if step.shown.is_empty() => {
                step.command.extend([more, "\n"]);
                step.typed += &typed;
            }
            Some(_) | None => step.shown += &typed,
        }
    }
    Ok(steps)
}

/// Returns the reason's index if a command is only shown.
pub(super) fn is_not_run(command: &str) -> Option<usize> {
    NOT_RUN.iter().position(|(start, _)| command.trim_start().starts_with(start))
}

/// Returns whether a command of the list can run here nevertheless.
pub(super) fn runs_here(entry: usize) -> bool {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/SHA256SUMS");
    NOT_RUN[entry].1 == NEEDS_DIST && dist.exists()
}

/// The acts of a section, in order.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// A file of the section.
    File { name: String, text: String },
    /// Commands whose output is compared.
    Command(String),
    /// Commands that must succeed.
    Script(String),
}

/// The output of an act.
#[derive(Debug, Clone, Default)]
pub(super) struct Printed {
    pub(super) text: String,
    /// The status of each command that failed.
    pub(super) failures: Vec<String>,
}

/// The folders of a section.
pub(super) struct Session {
    folder: tempfile::TempDir,
}

impl Session {
    pub(super) fn new() -> Session {
        let folder = tempfile::Builder::new().prefix("docs-").tempdir().unwrap();
        for inner in ["bot", "home", "bin", "locks"] {
            fs::DirBuilder::new().mode(0o700).create(folder.path().join(inner)).unwrap();
        }
        let bin = folder.path().join("bin");
        std::os::unix::fs::symlink(programs::monopoll(), bin.join("monopoll")).unwrap();
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
        std::os::unix::fs::symlink(dist, folder.path().join("bot/dist")).unwrap();
        // Pages start a bot without showing its source.
        fs::write(folder.path().join("bot/main.py"), BOT).unwrap();
        if let Some(python) = interpreter() {
            std::os::unix::fs::symlink(python, bin.join("python3")).unwrap();
        }
        Session { folder }
    }

    pub(super) fn bot_folder(&self) -> PathBuf {
        self.folder.path().join("bot")
    }

    pub(super) fn place(&self) -> Place {
        let name = |path: PathBuf| path.display().to_string();
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
        Place {
            folder: name(self.bot_folder()),
            home: name(self.folder.path().join("home")),
            user: user.map_or_else(|| nix::unistd::geteuid().to_string(), |user| user.name),
            host: nix::unistd::gethostname().unwrap().into_string().unwrap(),
        }
    }

    /// Runs the acts in one shell, and returns the output of each.
    pub(super) fn run(&self, acts: &[Act]) -> Result<Vec<Printed>, String> {
        let script = self.folder.path().join("session");
        fs::write(&script, self.script(acts)).unwrap();
        let transcript = self.folder.path().join("transcript");
        let out = fs::File::create(&transcript).unwrap();
        let mut shell = isolated(&script, &self.folder.path().join("locks"));
        let mut child = shell
            .env_clear()
            .env("HOME", self.folder.path().join("home"))
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env(
                "PATH",
                format!(
                    "{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                    self.folder.path().join("bin").display()
                ),
            )
            .current_dir(self.bot_folder())
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .map_err(|error| format!("{shell:?}: {error}"))?;
        let until = Instant::now() + TIMEOUT;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > until {
                child.kill().unwrap();
                child.wait().unwrap();
                let seen = fs::read_to_string(&transcript).unwrap_or_default();
                return Err(format!("the session does not end:\n{seen}"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        let text = String::from_utf8_lossy(&fs::read(&transcript).unwrap()).into_owned();
        Ok(Self::split(&text, acts.len()))
    }

    fn script(&self, acts: &[Act]) -> String {
        let mut script = String::from(
            "mark() { local status=$?; printf '\\001%s\\n' \"$1\"; return $status; }\n",
        );
        for (number, act) in acts.iter().enumerate() {
            script.extend(["mark ", &number.to_string(), "\n"]);
            match act {
                Act::File { name, text } => {
                    let file = self.folder.path().join(format!("file-{number}"));
                    fs::write(&file, text).unwrap();
                    let from = file.display();
                    script += &copy(&from.to_string(), name);
                }
                Act::Command(command) => script += command,
                Act::Script(commands) => {
                    script += "trap 'printf \"\\002%s: %s\\n\" \"$?\" \"$BASH_COMMAND\"' ERR\n";
                    script += commands;
                    script += "trap - ERR\n";
                }
            }
        }
        // Background processes are ended by their ids.
        script + "mark end\nfor job in $(jobs -p); do kill \"$job\"; done 2>/dev/null\nwait\n"
    }

    fn split(transcript: &str, acts: usize) -> Vec<Printed> {
        let mut printed = vec![Printed::default(); acts];
        for part in transcript.split('\u{1}').skip(1) {
            let (number, text) = part.split_once('\n').unwrap_or((part, ""));
            let Ok(number) = number.parse::<usize>() else { continue };
            for line in text.lines() {
                match line.strip_prefix('\u{2}') {
                    Some(failure) => printed[number].failures.push(failure.to_owned()),
                    None => printed[number].text.extend([line, "\n"]),
                }
            }
        }
        printed
    }
}

/// Returns the actual Python interpreter, because a version manager's wrapper would appear in
/// command lines.
fn interpreter() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let find = ["-c", "import os, sys; print(os.path.realpath(sys.executable))"];
    let found = FOUND.get_or_init(|| {
        let found = Command::new("python3").args(find).output().ok()?;
        Some(String::from_utf8(found.stdout).unwrap().trim().to_owned())
    });
    found.as_deref()
}

/// Returns commands that copy a file into the folder of the section.
fn copy(from: &str, name: &str) -> String {
    format!("mkdir -p \"$(dirname '{name}')\"; cp '{from}' '{name}'\n")
}

/// Returns the shell. For root, it runs in separate namespaces: no other process is visible, no
/// lock folder is shared, and nothing outlives the session. It is in its own session, as after a
/// login, so that orphans that PID 1 adopts can be recognized.
fn isolated(script: &Path, locks: &Path) -> Command {
    if !nix::unistd::geteuid().is_root() {
        let mut shell = Command::new("bash");
        shell.arg(script);
        return shell;
    }
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c"]);
    unshare.arg(
        "mkdir -p -m 700 /run/monopoll && mount --bind \"$1\" /run/monopoll && setsid \
            --wait bash \"$0\"; exit $?",
    );
    // On a disk, as for a reader. A folder in memory would cause a warning.
    unshare.arg(script).arg(locks);
    unshare
}
