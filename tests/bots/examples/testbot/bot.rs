//! A bot for tests. It "polls" by binding a socket name that only one process can have at a time,
//! so that a second poller is always detected.
//!
//! It logs each event to `$TESTBOT_LOG` as `PID EVENT`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test program may fail, and then a test fails"
)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "this is a program that the tests look at from outside"
)]

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Command, Stdio, exit};
use std::time::Duration;
use std::{env, thread};

use nix::sys::signal::{SigSet, Signal};

/// Set for a successor.
const SUCCESSOR: &str = "TESTBOT_SUCCESSOR";

/// Set for the inner process of a program in one file.
const UNPACKED: &str = "TESTBOT_UNPACKED";

/// The exit status of a second poller.
const OVERLAP: i32 = 99;

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
struct Options {
    /// `--stubborn`: ignores every signal that can be handled.
    stubborn: bool,
    /// `--slow MS`: the time between a signal and its end.
    slow: Duration,
    /// `--for MS`: its lifetime.
    lives: Option<Duration>,
    /// `--exit CODE`: its exit status. Without other options, it ends at once.
    code: Option<i32>,
    /// `--leaves`: ends on SIGUSR1.
    leaves: bool,
    /// `--die SIGNAL`: ends at once by this signal.
    dies: Option<Signal>,
    /// `--as NAME`: does not poll, and logs NAME when it is ready.
    role: Option<String>,
    /// `--child "ARGS"`: starts a child before it is ready.
    children: Vec<String>,
    /// `--detached "ARGS"`: starts an orphan in a new session.
    detached: Vec<String>,
    /// `--heir "ARGS"`: starts a child when a signal ends it.
    heirs: Vec<String>,
    /// `--successor`: once, starts the same command again when a signal ends it. With `--keep`, the
    /// successor goes on in its slot.
    succeeded: bool,
    /// `--hide`: hides its folder, program and environment from its own user.
    hides: bool,
    /// `--listen ADDRESS`: listens there but accepts nothing.
    listens: Vec<String>,
    /// `--connect ADDRESS`: connects there before it is ready.
    connects: Vec<String>,
    /// `--keep`: its children keep the slot that only one poller can have.
    keeps: bool,
    /// `--churn`: starts one short-lived child after the other.
    churns: bool,
    task: Task,
}

#[derive(Debug, Default, Clone, Copy)]
enum Task {
    #[default]
    Poll,
    /// `--show`: prints what it inherited.
    Show,
    /// `--echo`: copies its input to its output, and writes a line to standard error.
    Echo,
}

pub(super) fn main() {
    let args: Vec<String> =
        env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    if let Some(rest) = args.strip_prefix(&["--daemon".to_owned()]) {
        // Goes on in the background, as a process of its own session.
        let myself = env::current_exe().unwrap();
        let started = Command::new("setsid").arg("-f").arg(myself).args(rest).status().unwrap();
        exit(started.code().unwrap());
    }
    if args.iter().any(|arg| arg == "--one-file") && env::var_os(UNPACKED).is_none() {
        // The outer process of a program in one file starts itself and waits.
        let myself = env::current_exe().unwrap();
        let status = Command::new(myself).args(&args).env(UNPACKED, "1").status().unwrap();
        exit(status.code().unwrap_or(1));
    }
    let options = options(args.into_iter());
    match options.task {
        Task::Poll => {}
        Task::Show => return show(),
        Task::Echo => {
            io::copy(&mut io::stdin(), &mut io::stdout()).unwrap();
            eprintln!("the bot's own words");
            return;
        }
    }
    if let Some(signal) = options.dies {
        nix::sys::signal::raise(signal).unwrap();
    }
    if options.hides {
        let hidden = rustix::process::DumpableBehavior::NotDumpable;
        rustix::process::set_dumpable_behavior(hidden).unwrap();
    }
    let taken = take_signals();
    let is_successor = env::var_os(SUCCESSOR).is_some();
    let polling = (options.role.is_none() && !is_successor).then(poll).flatten();
    if let Some(slot) = polling.as_ref().filter(|_| options.keeps) {
        rustix::io::fcntl_setfd(slot, rustix::io::FdFlags::empty()).unwrap();
    }
    let listen = |address: &String| TcpListener::bind(address).unwrap();
    let _listening: Vec<TcpListener> = options.listens.iter().map(listen).collect();
    let connect = |address: &String| TcpStream::connect(address).unwrap();
    let _connected: Vec<TcpStream> = options.connects.iter().map(connect).collect();
    let myself = env::current_exe().unwrap();
    let start =
        |child: &String| drop(Command::new(&myself).args(child.split(' ')).spawn().unwrap());
    options.children.iter().for_each(start);
    for child in &options.detached {
        let started = Command::new("setsid")
            .arg("-f")
            .arg(&myself)
            .args(child.split(' '))
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(started.success());
    }
    say(options.role.as_deref().unwrap_or("ready"));
    if options.churns {
        let myself = myself.clone();
        thread::spawn(move || {
            loop {
                // There may be no process left.
                let child = Command::new(&myself).args(["--as", "child", "--exit", "0"]).spawn();
                child.map(|mut child| child.wait()).ok();
            }
        });
    }
    let code = options.code.unwrap_or_default();
    let ends_at_once = options.code.is_some() && !options.leaves;
    if let Some(lives) = options.lives.or(ends_at_once.then_some(Duration::ZERO)) {
        thread::spawn(move || {
            thread::sleep(lives);
            say("over");
            exit(code);
        });
    }
    loop {
        let signal = taken.wait().unwrap();
        say(&format!("got {signal}"));
        if options.leaves && signal == Signal::SIGUSR1 {
            say("over");
            exit(code);
        }
        if !options.stubborn
            && matches!(signal, Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP | Signal::SIGQUIT)
        {
            options.heirs.iter().for_each(start);
            if options.succeeded && !is_successor {
                let args = env::args_os().skip(1);
                drop(Command::new(&myself).args(args).env(SUCCESSOR, "1").spawn().unwrap());
            }
            thread::sleep(options.slow);
            say("end");
            exit(code);
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Options {
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        let mut value = || args.next().expect("a value");
        let millis = |text: String| Duration::from_millis(text.parse().unwrap());
        match arg.as_str() {
            "--stubborn" => options.stubborn = true,
            "--slow" => options.slow = millis(value()),
            "--for" => options.lives = Some(millis(value())),
            "--exit" => options.code = Some(value().parse().unwrap()),
            "--leaves" => options.leaves = true,
            "--die" => options.dies = Some(value().parse().unwrap()),
            "--as" => options.role = Some(value()),
            "--child" => options.children.push(value()),
            "--detached" => options.detached.push(value()),
            "--heir" => options.heirs.push(value()),
            "--listen" => options.listens.push(value()),
            "--connect" => options.connects.push(value()),
            "--successor" => options.succeeded = true,
            "--hide" => options.hides = true,
            "--keep" => options.keeps = true,
            "--churn" => options.churns = true,
            "--show" => options.task = Task::Show,
            "--echo" => options.task = Task::Echo,
            // Any other argument only makes command lines differ.
            _ => {}
        }
    }
    options
}

/// Takes the slot that only one process can have.
fn poll() -> Option<UnixListener> {
    let name = env::var_os("TESTBOT_SOCKET")?;
    let name = SocketAddr::from_abstract_name(name.as_encoded_bytes()).unwrap();
    let Ok(slot) = UnixListener::bind_addr(&name) else {
        say("OVERLAP");
        exit(OVERLAP);
    };
    Some(slot)
}

/// Blocks every signal that can be waited for. Ignored signals stay ignored.
fn take_signals() -> SigSet {
    let ignored = u64::from_str_radix(&mask("SigIgn"), 16).unwrap();
    let mut taken = SigSet::empty();
    for signal in Signal::iterator() {
        let special = matches!(
            signal,
            Signal::SIGKILL | Signal::SIGSTOP | Signal::SIGCHLD | Signal::SIGTSTP | Signal::SIGCONT
        );
        let own_fault = matches!(
            signal,
            Signal::SIGSEGV
                | Signal::SIGBUS
                | Signal::SIGILL
                | Signal::SIGFPE
                | Signal::SIGABRT
                | Signal::SIGTRAP
        );
        if !special && !own_fault && ignored & (1 << (signal as i32 - 1)) == 0 {
            taken.add(signal);
        }
    }
    taken.thread_block().unwrap();
    taken
}

fn say(event: &str) {
    let Some(path) = env::var_os("TESTBOT_LOG") else { return };
    let mut log = OpenOptions::new().create(true).append(true).open(path).unwrap();
    // A single write keeps the lines of several bots apart.
    log.write_all(format!("{} {event}\n", std::process::id()).as_bytes()).unwrap();
}

fn mask(name: &str) -> String {
    // The name in the file may contain anything.
    let status = fs::read("/proc/self/status").unwrap();
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

fn show() {
    // Ignored signals are not shown, because Rust changes SIGPIPE at startup.
    println!("blocked {}", mask("SigBlk"));
    println!("group {}", nix::unistd::getpgrp());
    println!("cwd {}", env::current_dir().unwrap().display());
    for (name, value) in env::vars_os() {
        println!("env {}={}", name.to_string_lossy(), value.to_string_lossy());
    }
}
