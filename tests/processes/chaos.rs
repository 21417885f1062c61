//! Random starts of random bots on one instance, random signals to all of them, a wall clock that
//! jumps, and attacks on the lock folder and its disk. Two bots must never poll at once: each binds
//! a socket that its whole tree keeps. A guard must not exit while anything of its tree is left.
//!
//! `MONOPOLL_CHAOS_SECONDS` is the time of each test, `MONOPOLL_CHAOS_SEED` repeats its choices.
#![expect(clippy::disallowed_macros, reason = "a failure names its seed")]

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, is_root, skip};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::random::{Random, seed, setting};

/// The bots. Each keeps its slot until its whole tree has ended.
const BOTS: [&[&str]; 8] = [
    &["--keep"],
    &["--keep", "--stubborn"],
    &["--keep", "--slow", "60"],
    &["--keep", "--for", "80", "--exit", "3"],
    &["--keep", "--churn"],
    &["--keep", "--child", "--as child"],
    &["--keep", "--detached", "--as daemon"],
    &["--daemon", "--keep", "--slow", "20"],
];

/// A bot that starts itself again when it is ended. Without a guard, it is recognized only by its
/// command.
const SUCCESSOR: &[&str] = &["--keep", "--successor"];

const ACTIONS: [&str; 4] = ["graceful", "force", "wait", "refuse"];

const SIGNALS: [Signal; 5] =
    [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGSTOP, Signal::SIGCONT, Signal::SIGCONT];

/// What is added to the wall clock.
const CLOCKS: [&str; 5] = ["+0", "+40", "-40", "+30d", "-30d"];

/// Starts that run at the same time.
const AT_ONCE: usize = 6;

/// What is attacked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attack {
    Processes,
    ProcessesAndFiles,
}

struct Chaos<'a> {
    stage: &'a Stage,
    random: Random,
    attack: Attack,
    bots: &'a [&'a [&'a str]],
    clock: Option<Clock>,
    /// The lock folder has a small disk of its own.
    on_disk: bool,
    starts: Vec<Running<'a>>,
    count: usize,
}

impl Chaos<'_> {
    fn step(&mut self) {
        match self.random.below(20) {
            0..=9 => self.start(),
            10..=16 => self.signal(),
            17 => {
                if let Some(clock) = &self.clock {
                    let offset: &&str = self.random.one_of(&CLOCKS);
                    clock.set(offset);
                }
            }
            _ if self.attack == Attack::ProcessesAndFiles => self.harm_files(),
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(self.random.below(30).try_into().unwrap()));
    }

    fn start(&mut self) {
        self.take_ended();
        if self.starts.len() >= AT_ONCE {
            return;
        }
        let bot = self.random.one_of(self.bots);
        let action = self.random.one_of(&ACTIONS);
        self.begin(bot, action);
        self.count += 1;
    }

    fn begin(&mut self, bot: &[&str], action: &str) {
        let start = start(self.stage, bot, action);
        let start = match &self.clock {
            Some(clock) => clock
                .variables()
                .into_iter()
                .fold(start, |start, (name, value)| start.env(name, value)),
            None => start,
        };
        self.starts.push(start.start());
    }

    /// Removes the starts that have ended. Only one that was killed may leave processes behind.
    fn take_ended(&mut self) {
        let starts = std::mem::take(&mut self.starts).into_iter();
        let (living, ended): (Vec<_>, Vec<_>) = starts.partition(Running::is_alive);
        self.starts = living;
        for start in ended {
            let guard = format!(":{}:{}:", start.pid(), start_time(start.pid()));
            let ended = start.end();
            if ended.code.is_some() && !ended.err.contains("could not be ended") {
                let left: Vec<i32> = self
                    .stage
                    .marked()
                    .into_iter()
                    .filter(|pid| has_marker(*pid, &guard))
                    .collect();
                assert!(left.is_empty(), "{left:?} are left of the guard {guard}: {ended:?}");
            }
        }
    }

    /// Sends a signal to a guard or a bot.
    fn signal(&mut self) {
        let mut pids: Vec<u32> = self.starts.iter().map(Running::pid).collect();
        pids.extend(self.stage.pids_of("ready"));
        pids.retain(|pid| is_alive(*pid));
        if !pids.is_empty() {
            let (pid, signal) = (*self.random.one_of(&pids), *self.random.one_of(&SIGNALS));
            // It may have just ended.
            let _ = kill(Pid::from_raw(pid.try_into().unwrap()), signal);
        }
    }

    /// Deletes, replaces, truncates or overwrites a file of the lock folder, removes or moves the
    /// folder, or fills and empties its disk. Each of these may fail, as starts change the same
    /// files.
    fn harm_files(&mut self) {
        let folder = self.stage.locks();
        let files: Vec<PathBuf> =
            fs::read_dir(&folder).into_iter().flatten().flatten().map(|it| it.path()).collect();
        if files.is_empty() {
            return;
        }
        let file = self.random.one_of(&files).clone();
        let new = file.with_extension("new");
        let _ = match self.random.below(6) {
            0 => fs::remove_file(&file),
            1 => fs::write(&new, "").and_then(|()| fs::rename(&new, &file)),
            2 => fs::File::create(&file).map(drop),
            3 => fs::write(&file, [0xff, b'{', b'\n', 0]),
            4 if self.on_disk => fill(&folder.join(FILLER)),
            5 if self.on_disk => fs::remove_file(folder.join(FILLER)),
            4 => fs::remove_dir_all(&folder),
            _ => fs::rename(&folder, self.stage.folder().join(format!("moved{}", self.count))),
        };
    }

    /// Wakes everything up until one start is left, with a bot.
    fn settle(&mut self) {
        let _ = fs::remove_file(self.stage.locks().join(FILLER));
        self.stage.wait_until("the only bot", || {
            let pids = self.starts.iter().map(Running::pid).chain(self.stage.pids_of("ready"));
            for pid in pids.filter(|pid| is_alive(*pid)) {
                // It may have just ended.
                let _ = kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGCONT);
            }
            self.take_ended();
            match &self.starts[..] {
                [] => {
                    self.begin(self.bots[0], "graceful");
                    None
                }
                [only] => only.stderr().contains("lock acquired").then_some(()),
                _ => None,
            }
        });
    }
}

fn start<'a>(stage: &'a Stage, bot: &[&str], action: &str) -> Start<'a> {
    stage
        .run(bot)
        .on_conflict(action)
        .set("timeouts.graceful='150ms'")
        .set("timeouts.wait='400ms'")
        .set("limits.max_takeovers=30")
        .set("limits.takeover_window='1s'")
        .own_process_group()
}

/// Returns the start time of a process that may have ended and is not reaped.
fn start_time(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    after_name.split_whitespace().nth(19).unwrap().to_owned()
}

/// Returns whether a process was started by this guard.
fn has_marker(pid: i32, guard: &str) -> bool {
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let environ = String::from_utf8_lossy(&environ);
    environ.split('\0').any(|it| it.starts_with("MONOPOLL_HELD=") && it.contains(guard))
}

/// The wall clock of the starts.
pub(crate) struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    pub(crate) fn find(folder: &Path) -> Option<Clock> {
        let libraries = fs::read_dir("/usr/lib").ok()?.flatten();
        let library = libraries
            .map(|it| it.path().join("faketime/libfaketime.so.1"))
            .find(|library| library.exists());
        if library.is_none() {
            skip("libfaketime moves the wall clock");
        }
        let clock = Clock { library: library?, offset: folder.join("clock") };
        clock.set("+0");
        Some(clock)
    }

    pub(crate) fn set(&self, offset: &str) {
        let new = self.offset.with_extension("new");
        fs::write(&new, offset).unwrap();
        fs::rename(&new, &self.offset).unwrap();
    }

    pub(crate) fn variables(&self) -> [(&'static str, &Path); 5] {
        let on = Path::new("1");
        [
            ("LD_PRELOAD", &self.library),
            ("FAKETIME_TIMESTAMP_FILE", &self.offset),
            ("FAKETIME_NO_CACHE", on),
            ("FAKETIME_DISABLE_SHM", on),
            ("DONT_FAKE_MONOTONIC", on),
        ]
    }
}

/// A file of the lock folder that takes all the room.
const FILLER: &str = "filler";

fn fill(path: &Path) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    while file.write(&[0; 4096])? > 0 {}
    Ok(())
}

/// Gives the lock folder a small disk that only this thread and its children see.
fn mount_disk(folder: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    fs::DirBuilder::new().mode(0o700).create(folder).unwrap();
    let options = ["-t", "tmpfs", "-o", "size=128k,mode=700", "tmpfs"];
    for (args, on) in [(&["--make-rprivate"][..], Path::new("/")), (&options, folder)] {
        assert!(Command::new("mount").args(args).arg(on).status().unwrap().success());
    }
}

fn run(attack: Attack) {
    let seconds = setting("MONOPOLL_CHAOS_SECONDS").unwrap_or(30);
    let seed = seed("MONOPOLL_CHAOS_SEED");
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut starts, mut bots, mut rounds) = (0, 0, 0);
    while Instant::now() < until {
        // A new stage for each round: its log grows, and every step reads it.
        let stage = Stage::new();
        let on_disk = attack == Attack::ProcessesAndFiles && rounds % 2 == 1 && is_root();
        if on_disk {
            mount_disk(&stage.locks());
        }
        let unguarded = (rounds % 3 == 2).then(|| {
            let bot = stage.bot(SUCCESSOR).start();
            stage.ready(1);
            bot
        });
        let mut chaos = Chaos {
            stage: &stage,
            random: Random::new(seed + rounds),
            attack,
            bots: if unguarded.is_some() { &[SUCCESSOR] } else { &BOTS },
            clock: Clock::find(stage.folder()),
            on_disk,
            starts: Vec::new(),
            count: 0,
        };
        let end_of_round = until.min(Instant::now() + Duration::from_secs(5));
        while Instant::now() < end_of_round {
            chaos.step();
            stage.assert_no_overlap();
        }
        chaos.settle();
        stage.assert_no_overlap();
        starts += chaos.count;
        bots += stage.pids_of("ready").len();
        rounds += 1;
    }
    eprintln!("{rounds} rounds, {starts} starts, {bots} bots");
    assert!(bots >= starts / 20, "too few of {starts} starts became bots: {bots}");
}

#[test]
fn signals_never_make_two_poll() {
    run(Attack::Processes);
}

#[test]
fn signals_and_an_attacked_lock_folder_never_make_two_poll() {
    run(Attack::ProcessesAndFiles);
}
