//! What monopoll costs a hand-over: the time from an old bot's exit to the first poll of its
//! successor, minus the time that the successor itself needs to start. Medians of interleaved runs
//! of a busy teloxide echo bot: `cargo build --release --examples && cargo bench --bench
//! hand_over`.
#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        reason = "a bench starts processes and reads the clock"
    )
)]

#[cfg(target_os = "linux")]
fn main() {
    linux::table();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};
    use std::{env, thread};

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

    use monopoll_test_bots::botapi::{Kind, Report, Server};
    use monopoll_test_bots::programs::example;

    const TOKEN: &str = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";
    const ROUNDS: usize = 21;

    pub(crate) fn table() {
        let folder = env::temp_dir().join(format!("monopoll-bench-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let mut alone = Vec::new();
        let mut gaps = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            alone.push(start_up(&folder));
            for (action, gaps) in ["graceful", "wait"].iter().zip(&mut gaps) {
                gaps.push(hand_over(&folder.join(format!("{round}-{action}")), action));
            }
        }
        std::fs::remove_dir_all(&folder).unwrap();
        let start = median(&mut alone);
        println!(
            "| old bot's exit → successor's first poll | whole | the bot's own start-up | \
                monopoll |\n| --- | --- | --- | --- |"
        );
        for (action, gaps) in ["graceful", "wait"].iter().zip(&mut gaps) {
            let whole = median(gaps);
            println!("| `{action}` | {whole:.1} ms | {start:.1} ms | {:.1} ms |", whole - start);
        }
    }

    /// Returns the milliseconds from the start of an unguarded bot to its first poll.
    fn start_up(folder: &Path) -> f64 {
        let server = Server::start(TOKEN);
        let _traffic = server.flow(50.0, &[Kind::Text]);
        let started = Instant::now();
        let mut bot = command(&example("teloxide_echo"), folder, &server).spawn().unwrap();
        let first = first_poll(&server, 1);
        end(&mut bot);
        millis(started, server.began() + first)
    }

    /// Returns the milliseconds from the exit of a guarded bot to the first poll of its successor.
    fn hand_over(folder: &Path, action: &str) -> f64 {
        std::fs::create_dir(folder).unwrap();
        let server = Server::start(TOKEN);
        let _traffic = server.flow(50.0, &[Kind::Text]);
        let mut first = guarded(folder, &server, action);
        first_poll(&server, 1);
        let bot = Pid::from_raw(i32::try_from(server.report().pollers[0].pid).unwrap()).unwrap();
        let bot = pidfd_open(bot, PidfdFlags::empty()).unwrap();
        let mut second = guarded(folder, &server, action);
        if action == "wait" {
            // Long enough for the second start to begin waiting. If it is too short, the gap only
            // grows.
            thread::sleep(Duration::from_millis(300));
            terminate(&first);
        }
        poll(&mut [PollFd::new(&bot, PollFlags::IN)], None).unwrap();
        let ended = Instant::now();
        let first_poll = first_poll(&server, 2);
        first.wait().unwrap();
        end(&mut second);
        millis(ended, server.began() + first_poll)
    }

    fn guarded(folder: &Path, server: &Server, action: &str) -> Child {
        let mut monopoll = command(Path::new(env!("CARGO_BIN_EXE_monopoll")), folder, server);
        let lock = format!("lock.paths=[\"{}/locks/x.lock\"]", folder.display());
        monopoll.args([
            "--instance",
            "bench",
            "--set",
            &lock,
            "--on-conflict",
            action,
            "run",
            "--",
        ]);
        monopoll.arg(example("teloxide_echo")).spawn().unwrap()
    }

    fn command(program: &Path, folder: &Path, server: &Server) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .env("TELOXIDE_TOKEN", TOKEN)
            .env("TELOXIDE_API_URL", server.url());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Returns the first poll of the n-th process, counted from the server's start.
    fn first_poll(server: &Server, n: usize) -> Duration {
        let of = |report: &Report| {
            report.pollers.get(n - 1).map(|it| Duration::from_secs_f64(it.first_ms / 1000.0))
        };
        loop {
            if let Some(first) = of(&server.report()) {
                return first;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn terminate(child: &Child) {
        kill_process(Pid::from_child(child), Signal::TERM).unwrap();
    }

    fn end(child: &mut Child) {
        terminate(child);
        child.wait().unwrap();
    }

    fn millis(from: Instant, to: Instant) -> f64 {
        to.saturating_duration_since(from).as_secs_f64() * 1000.0
    }

    fn median(of: &mut [f64]) -> f64 {
        of.sort_by(f64::total_cmp);
        of[of.len() / 2]
    }
}
