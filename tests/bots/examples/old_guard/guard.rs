//! `old_guard LOCK COMMAND ARGS…`: behaves like a guard of the previous version, as far as other
//! starts can see: holds the lock, writes its files, ends its child on request, and exits with 0.
//! `$OLD_GUARD_INSTANCE` sets its name. It logs each request to `$TESTBOT_LOG` as `asked REQUEST`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test program may fail, and then a test fails"
)]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, exit, id};
use std::time::{Duration, SystemTime};
use std::{env, thread};

use monopoll_test_bots::previous_version::{self, Guard, Process};
use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};

pub(super) fn main() {
    let mut args = env::args_os().skip(1);
    let lock = PathBuf::from(args.next().expect("a lock"));
    let program = args.next().expect("a command");
    let args: Vec<_> = args.collect();
    let instance = env::var("OLD_GUARD_INSTANCE").unwrap_or_else(|_| "test".to_owned());

    fs::DirBuilder::new().recursive(true).mode(0o700).create(lock.parent().unwrap()).unwrap();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&lock)
        .unwrap();
    flock(&file, FlockOperation::NonBlockingLockExclusive).expect("the lock is free");
    (&file).write_all(previous_version::LOCK.as_bytes()).unwrap();
    // The child inherits the lock.
    fcntl_setfd(&file, FdFlags::empty()).unwrap();

    let counter = fs::read_to_string(beside(&lock, "counter")).unwrap_or_default();
    let ticket = counter.trim_end().parse().unwrap_or(0) + 1;
    put(&beside(&lock, "counter"), &previous_version::counter(ticket));
    put(&beside(&lock, "drawing"), "");
    put(&beside(&lock, "turnstile"), "");

    let process = Process::of(id());
    let mut child = Command::new(&program)
        .args(&args)
        .env("MONOPOLL_HELD", previous_version::held(&instance, ticket, process, &lock))
        .spawn()
        .unwrap();
    let command = [&[program], args.as_slice()].concat();
    let command = command.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ");
    let guard = Guard {
        instance: &instance,
        process,
        child: Process::of(child.id()),
        ticket,
        lock: &lock,
        command: &command,
        since: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(),
    };
    put(&beside(&lock, "record"), &guard.record());
    remember(&lock, &guard.started(since_boot(), 12));
    say("guards");

    let (status, asker) = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break (status, None);
        }
        let request = fs::read_to_string(beside(&lock, "request")).ok();
        if let Some(request) = request.filter(|request| number(request, "to") == ticket) {
            say(&format!("asked {request}"));
            let id = request.split('"').nth(3).unwrap();
            put(&beside(&lock, "answer"), &previous_version::answer(id));
            let signal =
                if request.contains(r#""force":true"#) { Signal::KILL } else { Signal::TERM };
            kill_process(Pid::from_child(&child), signal).unwrap();
            let asker = u32::try_from(number(&request, "from_pid")).unwrap();
            break (child.wait().unwrap(), Some(asker));
        }
        thread::sleep(Duration::from_millis(1));
    };
    let ended = status
        .code()
        .map_or("COMMAND was killed".to_owned(), |code| format!("COMMAND exited with {code}"));
    let why =
        if asker.is_some() { format!("a newer start took over; {ended}") } else { ended.clone() };
    remember(&lock, &guard.stopped(since_boot(), &why, asker));
    fs::remove_file(beside(&lock, "record")).unwrap();
    drop(file);
    exit(if asker.is_some() { 0 } else { status.code().unwrap_or(1) });
}

fn beside(lock: &Path, kind: &str) -> PathBuf {
    PathBuf::from(format!("{}.{kind}", lock.display()))
}

/// Writes a file and renames it into place.
fn put(path: &Path, text: &str) {
    let new = PathBuf::from(format!("{}.new", path.display()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    fs::rename(new, path).unwrap();
}

fn remember(lock: &Path, line: &str) {
    let path = beside(lock, "history");
    let before = fs::read_to_string(&path).unwrap_or_default();
    put(&path, &(before + line));
}

/// Parses the number with this key.
fn number(text: &str, key: &str) -> u64 {
    let (_, value) = text.split_once(&format!("\"{key}\":")).expect("the key is there");
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap();
    value[..end].parse().unwrap()
}

fn since_boot() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    u64::try_from(time.tv_sec * 1000 + time.tv_nsec / 1_000_000).unwrap()
}

fn say(event: &str) {
    let Some(path) = env::var_os("TESTBOT_LOG") else { return };
    let mut log: File = OpenOptions::new().create(true).append(true).open(path).unwrap();
    log.write_all(format!("{} {event}\n", id()).as_bytes()).unwrap();
}
