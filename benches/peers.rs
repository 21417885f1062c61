//! The README's figures, side by side with what people use today: `cargo bench --bench peers`.
//!
//! Every figure is the median of interleaved runs of whole processes on this machine, and only the ratios hold elsewhere.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a bench starts processes, reads the clock and prints its figures"
)]

use std::{
    env,
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const MONOPOLL: &str = env!("CARGO_BIN_EXE_monopoll");
const TOKEN: &str = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";
type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--bot") {
        return bot(Path::new(&args[at + 1]), args[at + 2].parse()?);
    }
    let folder = env::temp_dir().join(format!("monopoll-bench-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let outcome = table(&folder);
    fs::remove_dir_all(&folder)?;
    outcome
}

fn table(folder: &Path) -> Result<(), Failure> {
    println!("| what | monopoll | peer | ratio |\n| --- | --- | --- | --- |");
    for processes in [100, 1000, 5000] {
        let _crowd = Crowd::gather(processes)?;
        let plan = || monopoll(folder, &["plan", "--", "sleep", "77"]);
        let pgrep = || command("pgrep", &["-f", "no such command line"]);
        row(&format!("`plan` beside `pgrep -f`, {processes} processes"), race(21, plan, pgrep)?);
    }
    let _crowd = Crowd::gather(100)?;
    let waiter = hand_overs(folder, |stamps| {
        let mut command = monopoll(folder, &["--on-conflict", "wait", "run", "--"]);
        command.args(myself(stamps));
        command
    })?;
    let flock = hand_overs(folder, |stamps| {
        let mut command = command("flock", &[OsStr::new("-w"), OsStr::new("60"), folder.join("flock").as_os_str()]);
        command.args(myself(stamps));
        command
    })?;
    row("old one's exit → new child, waiting, beside `flock -w`, 100 processes", (waiter, flock));
    resident(folder)
}

/// What a waiting start needs from the old bot's exit to the new bot's first instruction.
fn hand_overs(folder: &Path, start: impl Fn(&Path) -> Command) -> Result<Duration, Failure> {
    let stamps = folder.join("stamps");
    let mut gaps = Vec::new();
    for _ in 0..21 {
        fs::write(&stamps, "")?;
        let mut old = start(&stamps).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        while fs::read_to_string(&stamps)?.lines().count() < 1 {
            thread::yield_now();
        }
        let mut new = start(&stamps).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        old.wait()?;
        new.wait()?;
        let times: Vec<u64> = fs::read_to_string(&stamps)?.lines().filter_map(|line| line.parse().ok()).collect();
        // start and end of the old one, start and end of the new one
        let [_, old_end, new_start, _] = times[..] else { return Err("a bot did not say when it ran".into()) };
        gaps.push(Duration::from_nanos(new_start - old_end));
    }
    Ok(median(gaps))
}

fn myself(stamps: &Path) -> Vec<PathBuf> {
    let exe = env::current_exe().unwrap_or_default();
    vec![exe, "--bot".into(), stamps.to_owned(), "150".into()]
}

/// A bot that says when it began and when it ended.
fn bot(stamps: &Path, milliseconds: u64) -> Result<(), Failure> {
    let mut file = OpenOptions::new().append(true).open(stamps)?;
    writeln!(file, "{}", now())?;
    thread::sleep(Duration::from_millis(milliseconds));
    writeln!(file, "{}", now())?;
    Ok(())
}

fn now() -> u128 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u128::from(now.tv_sec.unsigned_abs()) * 1_000_000_000 + u128::from(now.tv_nsec.unsigned_abs())
}

/// What a guard costs while its bot runs: memory, and wake-ups in ten seconds.
fn resident(folder: &Path) -> Result<(), Failure> {
    let mut guard = monopoll(folder, &["run", "--", "sleep", "600"]).spawn()?;
    thread::sleep(Duration::from_secs(2));
    let status = format!("/proc/{}/status", guard.id());
    let switches = || -> Result<u64, Failure> { Ok(number(&fs::read_to_string(&status)?, "voluntary_ctxt_switches:")) };
    let before = switches()?;
    thread::sleep(Duration::from_secs(10));
    let wake_ups = switches()? - before;
    let rss = number(&fs::read_to_string(&status)?, "VmRSS:");
    let smaps = fs::read_to_string(format!("/proc/{}/smaps_rollup", guard.id()))?;
    let private = number(&smaps, "Private_Clean:") + number(&smaps, "Private_Dirty:");
    end(&mut guard);
    println!("| resident guard: resident memory, of that private | {rss} kB, {private} kB | | |");
    println!("| resident guard: wake-ups in 10 s | {wake_ups} | | |");
    Ok(())
}

fn number(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Both in turn, so that a busy moment hits both.
fn race(rounds: usize, one: impl Fn() -> Command, other: impl Fn() -> Command) -> Result<(Duration, Duration), Failure> {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ones.push(timed(one())?);
        others.push(timed(other())?);
    }
    Ok((median(ones), median(others)))
}

fn timed(mut command: Command) -> Result<Duration, Failure> {
    let start = Instant::now();
    command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    Ok(start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn row(what: &str, (ours, theirs): (Duration, Duration)) {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("| {what} | {:.1} ms | {:.1} ms | {ratio:.2} |", milliseconds(ours), milliseconds(theirs));
}

/// On defaults, with a token that is known.
fn monopoll(folder: &Path, args: &[&str]) -> Command {
    let mut monopoll = command(MONOPOLL, args);
    let locks = format!("['{}']", folder.join("bench.lock").display());
    monopoll.current_dir(folder).env("BOT_TOKEN", TOKEN).env("MONOPOLL_LOCK__PATHS", locks);
    monopoll
}

fn command(program: &str, args: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_remove("BOT_TOKEN").stdin(Stdio::null());
    command
}

/// Idle processes, with the environment of an ordinary one, until this is dropped.
struct Crowd(Vec<Child>);

impl Crowd {
    /// Fills the machine up to `processes`.
    fn gather(processes: usize) -> Result<Crowd, Failure> {
        let there =
            fs::read_dir("/proc")?.filter_map(Result::ok).filter(|it| it.file_name().to_string_lossy().parse::<u32>().is_ok()).count();
        let mut crowd = Crowd(Vec::new());
        for _ in there..processes {
            crowd.0.push(Command::new("sleep").arg("3600").env_clear().env("PATH", "/usr/bin:/bin").env("FILL", "x".repeat(1500)).spawn()?);
        }
        Ok(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(end);
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}
