//! A bot that holds its instance with the library. It polls and logs like testbot.

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

use std::env;
use std::fs::{self, OpenOptions};
use std::future::pending;
use std::io::Write;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Command, exit};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use monopoll::Guard;
use monopoll::internals::config::{Config, Sources};

/// The options. Any other argument only makes command lines differ.
///
/// `$HOSTBOT_LATE`: milliseconds before it acquires the guard. `--gives-up MS`: the longest wait
/// for the guard. `--twice`: acquires a second guard of the same instance. `--child`: starts a
/// process that outlives it. `--for MS`: how long it polls. `--deaf`: ignores the loss of the
/// guard. `--slow MS`: how long it works after it was told to stop. `--again`: acquires the guard
/// again after dropping it. `--lives-on`: keeps running without it.
struct Options(Vec<String>);

impl Options {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|arg| arg == name)
    }

    fn millis(&self, name: &str) -> Option<Duration> {
        let at = self.0.iter().position(|arg| arg == name)?;
        Some(Duration::from_millis(self.0.get(at + 1).expect("a value").parse().unwrap()))
    }
}

pub(super) fn main() {
    let options = Options(env::args().skip(1).collect());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let code = runtime.block_on(run(&options));
    say("end");
    exit(code);
}

#[expect(clippy::zombie_processes, reason = "what it leaves behind is for others to find")]
async fn run(options: &Options) -> i32 {
    if let Some(late) = env::var_os("HOSTBOT_LATE") {
        say("is late");
        sleep(Duration::from_millis(late.to_str().unwrap().parse().unwrap())).await;
    }
    let before = masks();
    let config =
        Config::load(&Sources::from_process().unwrap()).expect("the configuration is right");
    let acquiring = Guard::acquire(&config);
    let acquired = match options.millis("--gives-up") {
        None => Ok(acquiring.await),
        Some(limit) => timeout(limit, acquiring).await,
    };
    let Ok(acquired) = acquired else {
        say("gave up");
        return pending().await;
    };
    let guard = match acquired {
        Ok(guard) => guard,
        Err(error) => return error.print().code().into(),
    };
    assert_eq!(masks(), before, "the signal mask was changed");
    say(&format!("holds {}", guard.instance()));
    say(&format!("lock {}", guard.lock_path().display()));
    if options.has("--twice") {
        let error = Guard::acquire(&config).await.expect_err("there is a second guard");
        eprintln!("{}", error.report());
    }
    if options.has("--child") {
        Command::new("sleep").arg("600").spawn().unwrap();
    }
    let polling = poll();
    say("ready");
    let life = async {
        match options.millis("--for") {
            Some(time) => sleep(time).await,
            None => pending().await,
        }
    };
    let code = tokio::select! {
        () = life => 0,
        lost = guard.lost() => {
            say(&format!("lost: {lost}"));
            if options.has("--deaf") {
                pending::<()>().await;
            }
            lost.status().code().into()
        }
    };
    sleep(options.millis("--slow").unwrap_or_default()).await;
    drop(polling);
    say("stops");
    drop(guard);
    say("gave it back");
    if options.has("--again") {
        let guard = Guard::acquire(&config).await.expect("it is free");
        say("holds it again");
        drop(guard);
    }
    if options.has("--lives-on") {
        pending::<()>().await;
    }
    code
}

/// Takes the slot that only one process can have.
fn poll() -> Option<UnixListener> {
    let name = env::var_os("TESTBOT_SOCKET")?;
    let name = SocketAddr::from_abstract_name(name.as_encoded_bytes()).unwrap();
    let slot = UnixListener::bind_addr(&name);
    if slot.is_err() {
        say("OVERLAP");
        exit(99);
    }
    slot.ok()
}

/// Returns the blocked, ignored and caught signals. The C library catches some internal signals as
/// soon as there is a second thread.
fn masks() -> Vec<u64> {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|mask| u64::from_str_radix(mask.trim(), 16))
    };
    ["SigBlk:", "SigIgn:", "SigCgt:"]
        .map(|name| mask(name).unwrap().unwrap() & 0x7FFF_FFFF)
        .to_vec()
}

fn say(event: &str) {
    let Some(path) = env::var_os("TESTBOT_LOG") else { return };
    let mut log = OpenOptions::new().create(true).append(true).open(path).unwrap();
    // A single write keeps the lines of several bots apart.
    log.write_all(format!("{} {event}\n", std::process::id()).as_bytes()).unwrap();
}
