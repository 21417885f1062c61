//! A stage for real processes: each test has its own folder, lock and instance, and all its
//! processes end with it.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::programs::{self, testbot};
use nix::sys::signal::{SigHandler, Signal};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

/// The timeout of every wait. Only a failing test should reach it, even on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(90);

/// The variable that marks every process of a stage, including reparented ones, with the stage's
/// folder.
const MARK: &str = "TESTBOT_STAGE";

/// The secret half of every test token. No output and no file may contain it.
pub const SECRET: &str = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";

/// Returns a new token. Each test needs its own, because tokens are searched on the whole machine.
/// In a PID namespace of its own, a process may have a pid of one digit, and the number still has
/// eight.
pub fn token() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = u64::from(std::process::id()) * 1000
        + u64::from(NEXT.fetch_add(1, Ordering::Relaxed))
        + 10_000_000;
    format!("{number}:{SECRET}")
}

/// Undoes `nohup` and a shell's `&`, because ignored signals are inherited.
#[expect(unsafe_code, reason = "signal(2) may replace a handler")]
fn hear_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
            // SAFETY: no test program has signal handlers of its own.
            unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.unwrap();
        }
    });
}

/// The environment of one test.
pub struct Stage {
    folder: TempDir,
    starts: Cell<u32>,
}

impl Stage {
    pub fn new() -> Stage {
        hear_signals();
        let folder = tempfile::Builder::new().prefix("monopoll-").tempdir().unwrap();
        Stage { folder, starts: Cell::new(0) }
    }

    /// Returns the working directory of every process.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder of the lock, which the first start creates.
    pub fn locks(&self) -> PathBuf {
        self.folder().join("locks")
    }

    /// Returns the default lock.
    pub fn lock(&self) -> PathBuf {
        self.locks().join("x.lock")
    }

    /// Returns the path of a state file, such as `record`.
    pub fn state_file(&self, kind: &str) -> PathBuf {
        self.locks().join(format!("x.lock.{kind}"))
    }

    /// Returns the last ticket that was drawn.
    pub fn counter(&self) -> u64 {
        fs::read_to_string(self.state_file("counter")).unwrap().trim().parse().unwrap()
    }

    /// `monopoll run -- testbot ARGS`.
    pub fn run(&self, bot: &[&str]) -> Start<'_> {
        self.run_command(testbot(), bot)
    }

    /// `monopoll run -- COMMAND ARGS`.
    pub fn run_command(&self, command: impl AsRef<OsStr>, args: &[&str]) -> Start<'_> {
        let mut start = self.monopoll(&["run"]);
        start.command.extend([OsString::from("--"), command.as_ref().to_owned()]);
        start.command.extend(args.iter().map(OsString::from));
        start
    }

    /// `monopoll plan -- testbot ARGS`.
    pub fn plan(&self, bot: &[&str]) -> Start<'_> {
        let mut start = self.monopoll(&["plan"]);
        start.command.extend([OsString::from("--"), testbot().into()]);
        start.command.extend(bot.iter().map(OsString::from));
        start
    }

    /// `monopoll ARGS`, with this stage's lock and instance.
    pub fn monopoll(&self, args: &[&str]) -> Start<'_> {
        let start = self.program(programs::monopoll(), args);
        start
            .flag("--instance")
            .flag("test")
            .set(&format!("lock.paths=[\"{}\"]", self.lock().display()))
    }

    /// Runs the bot without a guard.
    pub fn bot(&self, args: &[&str]) -> Start<'_> {
        self.program(testbot(), args)
    }

    pub fn program(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Start<'_> {
        Start {
            stage: self,
            before: Vec::new(),
            program: program.as_ref().to_owned(),
            flags: Vec::new(),
            command: args.iter().map(OsString::from).collect(),
            env: Vec::new(),
            folder: self.folder().to_owned(),
            arg0: None,
            group: Group::Same,
            input: Input::Nothing,
            errors: None,
        }
    }

    /// Returns the events of all bots, in order.
    pub fn events(&self) -> Vec<Event> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        // The last line may be incomplete.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(pid, what)| Event { pid: pid.parse().unwrap(), what: what.to_owned() })
            .collect()
    }

    /// Returns the pids of the bots that logged this event, in order.
    pub fn pids_of(&self, what: &str) -> Vec<u32> {
        self.events()
            .into_iter()
            .filter(|event| event.what == what)
            .map(|event| event.pid)
            .collect()
    }

    /// Returns how often a bot logged an event.
    pub fn times(&self, pid: u32, what: &str) -> usize {
        self.pids_of(what).into_iter().filter(|it| *it == pid).count()
    }

    /// Waits for the n-th bot (starting at 1) that logs this event, and returns its pid.
    #[track_caller]
    pub fn nth_pid_of(&self, n: usize, what: &str) -> u32 {
        self.wait_until(&format!("{n} × `{what}`"), || self.pids_of(what).get(n - 1).copied())
    }

    /// Waits for the n-th bot (starting at 1) that polls, and returns its pid.
    #[track_caller]
    pub fn ready(&self, n: usize) -> u32 {
        self.nth_pid_of(n, "ready")
    }

    /// Waits for a condition. Panics with the transcript after a timeout.
    #[track_caller]
    pub fn wait_until<T>(&self, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
        let until = Instant::now() + TIMEOUT;
        loop {
            if let Some(found) = condition() {
                return found;
            }
            assert!(Instant::now() < until, "waited too long for {what}\n{}", self.transcript());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Panics if two bots ever polled at the same time.
    #[track_caller]
    pub fn assert_no_overlap(&self) {
        assert_eq!(
            self.pids_of("OVERLAP"),
            [] as [u32; 0],
            "two polled at once\n{}",
            self.transcript()
        );
    }

    pub fn lock_is_free(&self) -> bool {
        File::open(self.lock()).is_ok_and(|file| file.try_lock().is_ok())
    }

    /// Waits until no start holds the start mutex.
    #[track_caller]
    pub fn wait_for_start_mutex(&self) {
        let mutex = self.state_file("turnstile");
        self.wait_until("the start mutex", || {
            File::open(&mutex).is_ok_and(|file| file.try_lock().is_ok()).then_some(())
        });
    }

    /// Returns all events and standard error, for failure messages.
    pub fn transcript(&self) -> String {
        let mut seen =
            format!("the bots said:\n{}", fs::read_to_string(self.log()).unwrap_or_default());
        for start in 1..=self.starts.get() {
            let text = fs::read_to_string(self.output(start, "err")).unwrap_or_default();
            if !text.is_empty() {
                seen.extend(["start ", &start.to_string(), " printed:\n", &text]);
            }
        }
        seen
    }

    fn log(&self) -> PathBuf {
        self.folder().join("bots.log")
    }

    fn output(&self, start: u32, kind: &str) -> PathBuf {
        self.folder().join(format!("start-{start}.{kind}"))
    }

    /// Panics if the secret half of a token is in any output or state file.
    fn assert_no_secret_is_left(&self) {
        let outputs = (1..=self.starts.get())
            .flat_map(|start| [self.output(start, "err"), self.output(start, "out")]);
        let mut found: Vec<PathBuf> = outputs
            .filter(|path| {
                fs::read(path).is_ok_and(|it| String::from_utf8_lossy(&it).contains(SECRET))
            })
            .collect();
        found.extend(files_containing(SECRET, &self.locks()));
        assert!(found.is_empty(), "a secret is in {found:?}");
    }

    /// Returns the living processes of this stage.
    pub fn marked(&self) -> Vec<i32> {
        let mark = [MARK.as_bytes(), b"=", self.folder().as_os_str().as_bytes()].concat();
        let pids = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|it| it == mark))
        })
        .collect()
    }
}

/// Ends all processes of the test, and no others.
impl Drop for Stage {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.transcript());
        }
        // A list misses a process that has just started. What a bot starts when it ends may be one.
        let mut empty_lists = 0;
        for _ in 0..1000 {
            let left = self.marked();
            if left.is_empty() {
                empty_lists += 1;
            } else {
                empty_lists = 0;
            }
            if empty_lists == 3 {
                if !thread::panicking() {
                    self.assert_no_secret_is_left();
                }
                return;
            }
            for pid in left {
                // It may have just ended.
                let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// An event that a bot logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub pid: u32,
    pub what: String,
}

/// The process group of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    /// The group of the tests, which may be orphaned, so that its processes cannot be stopped.
    Same,
    Own,
}

/// The standard input of a start.
#[derive(Debug)]
enum Input {
    Nothing,
    Text(String),
    File(File),
}

/// A program to be started.
#[must_use]
pub struct Start<'a> {
    stage: &'a Stage,
    before: Vec<OsString>,
    program: OsString,
    flags: Vec<OsString>,
    command: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: PathBuf,
    arg0: Option<OsString>,
    group: Group,
    input: Input,
    errors: Option<File>,
}

impl<'a> Start<'a> {
    /// Adds a flag before everything else.
    pub fn flag(mut self, flag: impl AsRef<OsStr>) -> Self {
        self.flags.push(flag.as_ref().to_owned());
        self
    }

    pub fn set(self, key_and_value: &str) -> Self {
        self.flag("--set").flag(key_and_value)
    }

    pub fn on_conflict(self, action: &str) -> Self {
        self.flag("--on-conflict").flag(action)
    }

    /// Uses a configuration file with this text.
    pub fn config(self, text: &str) -> Self {
        let path = self.stage.folder().join(format!("config-{}.toml", self.stage.starts.get()));
        fs::write(&path, text).unwrap();
        self.flag("--config").flag(path)
    }

    /// Adds an argument after all others.
    pub fn argument(mut self, argument: &str) -> Self {
        self.command.push(argument.into());
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    pub fn current_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Uses a different token, so that it may poll at the same time as the stage's other bots.
    pub fn other_token(self) -> Self {
        let slot = format!("{} another", self.stage.folder().display());
        self.env("TESTBOT_SOCKET", slot)
    }

    /// Sets the program name.
    pub fn arg0(mut self, arg0: &str) -> Self {
        self.arg0 = Some(arg0.into());
        self
    }

    pub fn own_process_group(mut self) -> Self {
        self.group = Group::Own;
        self
    }

    pub fn stdin_text(mut self, text: &str) -> Self {
        self.input = Input::Text(text.to_owned());
        self
    }

    pub fn stdin_file(mut self, terminal: File) -> Self {
        self.input = Input::File(terminal);
        self
    }

    /// Redirects standard error to this file. `stderr()` then stays empty.
    pub fn stderr_file(mut self, file: File) -> Self {
        self.errors = Some(file);
        self
    }

    /// Starts the program through another one, such as `unshare -fp`.
    pub fn through(mut self, program: &[&str]) -> Self {
        self.before.extend(program.iter().map(OsString::from));
        self
    }

    /// Limits the number of file descriptors.
    pub fn fd_limit(self, most: u32) -> Self {
        self.through(&["sh", "-c", "ulimit -n $1; shift; exec \"$@\"", "sh", &most.to_string()])
    }

    #[track_caller]
    pub fn start(self) -> Running<'a> {
        let number = self.stage.starts.get() + 1;
        self.stage.starts.set(number);
        let (out, err) = (self.stage.output(number, "out"), self.stage.output(number, "err"));
        // The file is read after the start has ended, and any process of it may write to it.
        let created = File::create(&err).unwrap();
        let mut line = self.before;
        line.push(self.program);
        line.extend(self.flags);
        line.extend(self.command);
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.stage.folder())
            .env(MARK, self.stage.folder())
            .env("TESTBOT_LOG", self.stage.log())
            .env("TESTBOT_SOCKET", self.stage.folder())
            .envs(self.env)
            .stdout(File::create(&out).unwrap())
            .stderr(self.errors.unwrap_or(created));
        if self.group == Group::Own {
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        if let Some(arg0) = self.arg0 {
            std::os::unix::process::CommandExt::arg0(&mut command, arg0);
        }
        match self.input {
            Input::Nothing => command.stdin(Stdio::null()),
            Input::Text(text) => {
                let path = self.stage.output(number, "in");
                fs::write(&path, text).unwrap();
                command.stdin(File::open(path).unwrap())
            }
            Input::File(file) => command.stdin(file),
        };
        let child =
            command.spawn().unwrap_or_else(|error| panic!("{}: {error}", line[0].display()));
        Running { stage: self.stage, child, number }
    }

    /// Starts the program and waits for it to end.
    #[track_caller]
    pub fn end(self) -> Ended {
        self.start().end()
    }
}

pub struct Running<'a> {
    stage: &'a Stage,
    child: Child,
    number: u32,
}

impl Running<'_> {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    pub fn is_alive(&self) -> bool {
        is_alive(self.pid())
    }

    /// Returns whether the process waits in the kernel's queue behind other starts.
    pub fn is_queued(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid()));
        threads.into_iter().flatten().flatten().any(|thread| {
            fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name == "queue\n")
        })
    }

    /// Returns its standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.stage.output(self.number, "err")).unwrap_or_default()
    }

    /// Returns the standard output of the process and its children so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.stage.output(self.number, "out")).unwrap_or_default()
    }

    /// Waits until its standard error contains `what`.
    #[track_caller]
    pub fn wait_for(&self, what: &str) {
        self.stage.wait_until(&format!("`{what}`"), || self.stderr().contains(what).then_some(()));
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let pidfd = rustix::process::pidfd_open(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::PidfdFlags::empty(),
        );
        if let Ok(pidfd) = pidfd {
            let mut fds =
                [PollFd::from_borrowed_fd(std::os::fd::AsFd::as_fd(&pidfd), PollFlags::IN)];
            let ready = poll(&mut fds, Some(&Timespec::try_from(TIMEOUT).unwrap()));
            assert_eq!(
                ready,
                Ok(1),
                "waited too long for the end of start {}\n{}",
                self.number,
                self.stage.transcript()
            );
        }
        let status = self.child.wait().unwrap();
        let read = |kind: &str| {
            String::from_utf8_lossy(&fs::read(self.stage.output(self.number, kind)).unwrap())
                .into_owned()
        };
        Ended {
            code: status.code(),
            signal: status.signal(),
            out: without_neighbors(&read("out")),
            err: without_neighbors(&read("err")),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // It may have ended and been reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that has ended, with all its output.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Removes the lines about near misses between tests that run at the same time, since all of them
/// start the same program in different folders.
fn without_neighbors(text: &str) -> String {
    let is_neighbor = |line: &&str| {
        line.contains("may be a second poller: the same script in another folder")
            || line.contains("more near misses; ")
    };
    text.split_inclusive('\n').filter(|line| !is_neighbor(line)).collect()
}

impl Ended {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Checks that the last line is monopoll's and contains `what`.
    #[track_caller]
    pub fn says(self, what: &str) -> Self {
        let last = self.err.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("monopoll: ") && last.contains(what),
            "`{what}` is not in the last line of {self:?}"
        );
        self
    }
}

pub fn send(pid: u32, signal: Signal) {
    nix::sys::signal::kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

/// Returns whether a process has not ended. A zombie has ended.
pub fn is_alive(pid: u32) -> bool {
    !matches!(state(pid), None | Some('Z' | 'X'))
}

/// Returns the state letter of proc(5).
pub fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Returns all files in a folder with their contents, for comparison.
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.clone(), if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() })
        })
        .collect();
    all.sort();
    all
}

/// Returns the files in this folder that contain `text` in their name or content.
pub fn files_containing(text: &str, folder: &Path) -> Vec<PathBuf> {
    let has = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let entries =
        fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let below = entries.flat_map(|path| match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => files_containing(text, &path),
        Ok(metadata) if metadata.is_file() && metadata.len() < 1 << 20 => {
            let read = fs::read(&path).unwrap_or_default();
            if has(&read) || has(path.file_name().unwrap_or_default().as_bytes()) {
                vec![path]
            } else {
                Vec::new()
            }
        }
        Ok(_) | Err(_) => Vec::new(),
    });
    below.collect()
}

/// Prints why a test is skipped. In CI, it fails, unless `.ci/run` has found that this machine
/// cannot run it, and has put a part of the reason into `$MONOPOLL_WITHOUT`, separated by commas.
pub fn skip(why: &str) {
    let without = std::env::var("MONOPOLL_WITHOUT").unwrap_or_default();
    let is_known = without.split(',').any(|part| !part.is_empty() && why.contains(part));
    let is_required = std::env::var("CI").as_deref() == Ok("true");
    assert!(is_known || !is_required, "{why}: in CI, only `.ci/run` can allow that");
    eprintln!("skipped: {why}");
}

/// Returns whether the user is root, which is needed for PID namespaces and other users' processes
/// and files. If not, the test is skipped.
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip("it needs root");
    }
    root
}
