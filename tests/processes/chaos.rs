//! Random starts of random bots on one instance, with random policies, random signals to all
//! of them, a wall clock that jumps, and attacks on the lock folder and its disk.
//! Two bots must never poll at once: each binds a socket that its whole tree keeps. A guard must
//! not exit while anything of its tree is left. What the guarantees exclude is counted and printed.
//!
//! `MONOPOLL_CHAOS_SECONDS` is the time of each test, `MONOPOLL_CHAOS_SEED` repeats its choices.
#![expect(clippy::disallowed_macros, reason = "a failure names its seed")]

mod excluded;
mod policy;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use excluded::{Excluded, LOST, NOT_ENDED};
use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, is_root};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use policy::random_policy;

use crate::clock::{CLOCKS, Clock};
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

const SIGNALS: [Signal; 5] =
    [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGSTOP, Signal::SIGCONT, Signal::SIGCONT];

/// Starts that run at the same time.
const AT_ONCE: usize = 6;

/// What is attacked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attack {
    Processes,
    ProcessesAndFiles,
}

/// What differs between the starts of a round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policies {
    OnlyActions,
    All,
}

struct Chaos<'a> {
    stage: &'a Stage,
    random: Random,
    attack: Attack,
    policies: Policies,
    bots: &'a [&'a [&'a str]],
    clock: Option<Clock>,
    /// The lock folder has a small disk of its own.
    on_disk: bool,
    starts: Vec<Running<'a>>,
    count: usize,
    excluded: Excluded,
}

impl<'a> Chaos<'a> {
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
        let start = self.stage.run(bot).on_conflict(policy::random_action(&mut self.random));
        let start = match self.policies {
            Policies::OnlyActions => start,
            Policies::All => random_policy(start, self.stage, &mut self.random),
        };
        self.begin(start);
    }

    fn take_over(&mut self) {
        self.begin(self.stage.run(self.bots[0]).on_conflict("graceful"));
    }

    fn begin(&mut self, start: Start<'a>) {
        let start = start.own_process_group();
        let start = match &self.clock {
            Some(clock) => clock
                .variables()
                .into_iter()
                .fold(start, |start, (name, value)| start.env(name, value)),
            None => start,
        };
        self.starts.push(start.start());
        self.count += 1;
    }

    /// Removes the starts that have ended. Only one that was killed may leave processes behind.
    fn take_ended(&mut self) {
        let starts = std::mem::take(&mut self.starts).into_iter();
        let (living, ended): (Vec<_>, Vec<_>) = starts.partition(Running::is_alive);
        self.starts = living;
        for start in ended {
            let guard = format!(":{}:{}:", start.pid(), start_time(start.pid()));
            let ended = start.end();
            let mut left = self.stage.marked();
            left.retain(|pid| has_marker(*pid, &guard));
            self.excluded.note(&ended, &left);
            if ended.code.is_some() && !ended.err.contains(NOT_ENDED) {
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
            2 => File::create(&file).map(drop),
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
                    self.take_over();
                    None
                }
                [only] => only.stderr().contains("lock acquired").then_some(()),
                _ => None,
            }
        });
    }

    /// Takes the lock from a guard until that applies `lock.on_lost`.
    fn take_lock(&mut self) {
        let on_lost: &&str = self.random.one_of(&["lock.on_lost=stop", "lock.on_lost=warn"]);
        self.begin(self.stage.run(self.bots[0]).on_conflict("graceful").set(on_lost));
        let guard = self.starts.last().unwrap();
        guard.wait_for("lock acquired");
        let new = self.stage.folder().join("new.lock");
        // These tests are above every start, and so never ended.
        let lock = File::create(&new).unwrap();
        lock.lock().unwrap();
        self.stage.wait_until("the lock folder", || fs::rename(&new, self.stage.lock()).ok());
        guard.wait_for(LOST);
    }
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

/// A file of the lock folder that takes all the room.
const FILLER: &str = "filler";

fn fill(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
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
    let mut excluded = Excluded::default();
    while Instant::now() < until {
        // A new stage for each round: its log grows, and every step reads it.
        let stage = Stage::new();
        fs::write(stage.folder().join("config.toml"), policy::CONFIG).unwrap();
        let on_disk = attack == Attack::ProcessesAndFiles && rounds % 4 >= 2 && is_root();
        if on_disk {
            mount_disk(&stage.locks());
        }
        let unguarded = (rounds % 3 == 0).then(|| {
            let bot = stage.bot(SUCCESSOR).start();
            stage.ready(1);
            bot
        });
        let mut chaos = Chaos {
            stage: &stage,
            random: Random::new(seed + rounds),
            attack,
            policies: if rounds % 3 == 1 { Policies::OnlyActions } else { Policies::All },
            bots: if unguarded.is_some() { &[SUCCESSOR] } else { &BOTS },
            clock: Clock::find(stage.folder()),
            on_disk,
            starts: Vec::new(),
            count: 0,
            excluded: Excluded::default(),
        };
        let mut time = match chaos.policies {
            Policies::OnlyActions => Duration::from_secs(5),
            Policies::All => Duration::from_millis(2500),
        };
        if unguarded.is_some() {
            // Only the first takeover meets this bot. In most rounds, nothing disturbs it.
            chaos.take_over();
            if chaos.random.below(4) > 0 {
                chaos.starts[0].wait_for("lock acquired");
            }
            time = Duration::from_millis(1500);
        }
        let end_of_round = until.min(Instant::now() + time);
        while Instant::now() < end_of_round {
            chaos.step();
            stage.assert_no_overlap();
        }
        chaos.settle();
        if attack == Attack::ProcessesAndFiles && rounds % 12 == 4 {
            chaos.take_lock();
            chaos.settle();
        }
        stage.assert_no_overlap();
        starts += chaos.count;
        bots += stage.pids_of("ready").len();
        chaos.excluded.lost_locks = stage.transcript().matches(LOST).count();
        excluded.add(&chaos.excluded);
        rounds += 1;
    }
    eprintln!("{rounds} rounds, {starts} starts, {bots} bots");
    eprintln!("excluded by the guarantees: {excluded}");
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
