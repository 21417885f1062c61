//! A scene: a bot of a framework that people use, its own Bot API server, and a stage for its
//! processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use monopoll_test_bots::botapi::{Flow, Kind, Report, Server};
use monopoll_test_bots::programs::{example, source};
use monopoll_test_bots::stage::{Ended, Running, Stage, Start};
use nix::sys::signal::Signal;

/// Updates a second.
const RATE: f64 = 20.0;

/// What the bot is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framework {
    Teloxide,
    Aiogram,
    PythonTelegramBot,
    Telegraf,
    /// With its own polling, one update after the other.
    Grammy,
    /// With the runner that its documentation names for slow handlers.
    GrammyRunner,
}

/// How a bot is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// As `docs/telegram.md` says.
    WithTheRecipe,
    /// Without a word about how it ends.
    Bare,
    /// With the line for SIGTERM that its framework's documentation shows, where the recipe is
    /// another.
    Documented,
}

impl Framework {
    pub(crate) const ALL: [Framework; 6] = [
        Framework::Teloxide,
        Framework::Aiogram,
        Framework::PythonTelegramBot,
        Framework::Telegraf,
        Framework::Grammy,
        Framework::GrammyRunner,
    ];

    /// One that needs nothing but Rust, and one that needs the most care: every scene is played
    /// with these.
    const IN_DEPTH: [Framework; 2] = [Framework::Teloxide, Framework::Aiogram];

    pub(crate) fn is_there(self) -> bool {
        match self {
            Framework::Teloxide => true,
            Framework::Aiogram | Framework::PythonTelegramBot => python().is_some(),
            Framework::Telegraf | Framework::Grammy | Framework::GrammyRunner => {
                modules().is_some()
            }
        }
    }

    /// How long a handler works, in milliseconds. One that handles a single update at a time is
    /// given less: a scene would be ten times as long.
    fn work(self) -> &'static str {
        match self {
            Framework::Grammy => "150",
            Framework::Teloxide
            | Framework::Aiogram
            | Framework::PythonTelegramBot
            | Framework::Telegraf
            | Framework::GrammyRunner => "1500",
        }
    }

    /// The program and its first argument, if any.
    pub(crate) fn command(self) -> (PathBuf, Option<String>) {
        let script = |name: &str| Some(source(name).display().to_string());
        match self {
            Framework::Teloxide => (example("teloxide_echo"), None),
            Framework::Aiogram => (python().unwrap(), script("aiogram_echo.py")),
            Framework::PythonTelegramBot => (python().unwrap(), script("ptb_echo.py")),
            Framework::Telegraf => ("node".into(), script("telegraf_echo.js")),
            Framework::Grammy => ("node".into(), script("grammy_echo.js")),
            Framework::GrammyRunner => ("node".into(), script("grammy_runner_echo.js")),
        }
    }
}

/// Plays a scene with a bot of each of two frameworks, side by side.
#[track_caller]
pub(crate) fn with_each(play: impl Fn(&Scene) + Sync) {
    side_by_side(&Framework::IN_DEPTH, play);
}

/// Plays a scene with a bot of every framework that is there, side by side.
#[track_caller]
pub(crate) fn with_all(play: impl Fn(&Scene) + Sync) {
    side_by_side(&Framework::ALL, play);
}

#[track_caller]
fn side_by_side(frameworks: &[Framework], play: impl Fn(&Scene) + Sync) {
    let play = &play;
    let there = frameworks.iter().copied().filter(|bot| bot.is_there());
    thread::scope(|scope| {
        let plays: Vec<_> =
            there.map(|bot| (bot, scope.spawn(move || play(&Scene::new(bot))))).collect();
        let failed: Vec<_> = plays
            .into_iter()
            .filter_map(|(bot, play)| play.join().is_err().then_some(bot))
            .collect();
        assert!(failed.is_empty(), "failed with {failed:?}, see above");
    });
}

/// The Python that has the frameworks. Where it is missing, a test says so and passes over; on CI
/// that is a failure.
pub(crate) fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let python = peers().join("venv/bin/python");
    let found = *FOUND.get_or_init(|| {
        let import = Command::new(&python)
            .args(["-c", "import aiogram, telegram"])
            .stderr(Stdio::null())
            .status();
        let found = import.is_ok_and(|status| status.success());
        found || skip("aiogram and python-telegram-bot are not in target/peers/venv")
    });
    found.then_some(python)
}

/// Where Node finds the frameworks, as `python` does.
fn modules() -> Option<PathBuf> {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let modules = peers().join("npm/node_modules");
    let found = *FOUND.get_or_init(|| {
        let all =
            ["telegraf", "grammy", "@grammyjs/runner"].iter().all(|it| modules.join(it).is_dir());
        all || skip("telegraf, grammY and its runner are not in target/peers/npm")
    });
    found.then_some(modules)
}

fn skip(missing: &str) -> bool {
    let missing = format!("{missing}; `.ci/run` puts them there");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    eprintln!("skipped: {missing}");
    false
}

pub(crate) fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers")
}

/// One bot's own world.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) server: Server,
    framework: Framework,
    token: String,
}

impl Scene {
    pub(crate) fn new(framework: Framework) -> Scene {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        // Tokens are looked for on the whole machine: each scene has its own.
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let token = format!("{}{id:03}:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1", std::process::id());
        Scene { stage: Stage::new(), server: Server::start(&token), framework, token }
    }

    /// Updates arrive from now on.
    pub(crate) fn traffic(&self) -> Flow {
        self.server.flow(RATE, &[Kind::Text])
    }

    /// `monopoll run` of the bot, under this action.
    pub(crate) fn run(&self, action: &str) -> Start<'_> {
        self.run_as(Written::WithTheRecipe, action)
    }

    /// The same of a bot that is written in this way.
    pub(crate) fn run_as(&self, written: Written, action: &str) -> Start<'_> {
        let (program, args) = self.command(written);
        self.connected(
            self.stage.run_command(program, &args.iter().map(String::as_str).collect::<Vec<_>>()),
        )
        .on_conflict(action)
    }

    /// The bot without a guard.
    pub(crate) fn alone(&self) -> Start<'_> {
        let (program, args) = self.command(Written::WithTheRecipe);
        self.connected(
            self.stage.program(program, &args.iter().map(String::as_str).collect::<Vec<_>>()),
        )
    }

    /// With the token, under the names that its bots use, and this server instead of Telegram's.
    pub(crate) fn connected<'a>(&self, start: Start<'a>) -> Start<'a> {
        let url = self.server.url();
        match self.framework {
            Framework::Teloxide => {
                start.env("TELOXIDE_TOKEN", &self.token).env("TELOXIDE_API_URL", url)
            }
            Framework::Aiogram | Framework::PythonTelegramBot => {
                start.env("BOT_TOKEN", &self.token).env("API_URL", url)
            }
            Framework::Telegraf | Framework::Grammy | Framework::GrammyRunner => start
                .env("BOT_TOKEN", &self.token)
                .env("API_URL", url)
                .env("NODE_PATH", modules().unwrap()),
        }
        .env("HANDLER_MS", self.framework.work())
    }

    fn command(&self, written: Written) -> (PathBuf, Vec<String>) {
        let (program, first) = self.framework.command();
        let flag = match written {
            Written::WithTheRecipe => None,
            Written::Bare => Some("--bare".to_owned()),
            Written::Documented => Some("--documented".to_owned()),
        };
        (program, first.into_iter().chain(flag).collect())
    }

    /// The pid of the n-th process (from 1) that polls, waited for.
    #[track_caller]
    pub(crate) fn poller(&self, n: usize) -> u32 {
        self.until(&format!("{n} pollers"), |report| report.pollers.get(n - 1).map(|it| it.pid))
    }

    /// Waits until so many updates more than now are processed.
    #[track_caller]
    pub(crate) fn processes(&self, more: usize) {
        let wanted = self.server.report().processed + more;
        self.until(&format!("{wanted} processed updates"), |report| {
            (report.processed >= wanted).then_some(())
        });
    }

    /// Waits for something in the account.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, wanted: impl Fn(&Report) -> Option<T>) -> T {
        self.stage.wait_until(what, || wanted(&self.server.report()))
    }

    /// A second start under `graceful`: the first one ends well, the second polls, and nothing is
    /// lost between them. How the first one ended.
    #[track_caller]
    pub(crate) fn gives_way(&self, first: Running<'_>, traffic: Flow) -> Ended {
        let second = self.run("graceful").start();
        self.poller(2);
        let ended = first.end().exits(0);
        self.processes(20);
        self.close_without_a_loss(second, traffic);
        ended
    }

    /// The last bot is asked to end while updates still arrive, takes its time, and the account is
    /// closed.
    #[track_caller]
    pub(crate) fn close(&self, last: Running<'_>, traffic: Flow) -> Report {
        last.signal(Signal::SIGTERM);
        last.end().exits(0);
        drop(traffic);
        let report = self.server.report();
        println!("{:?}: {report:?}", self.framework);
        // Nobody saw anybody else, whatever happened.
        assert_eq!(
            (report.most_at_once, report.conflicts.to_the_living, report.conflicts.written),
            (1, 0, 0),
            "{report:#?}"
        );
        assert_eq!(
            report.processed + report.lost.len() + report.waiting,
            report.injected,
            "{report:#?}"
        );
        report
    }

    /// The same, and not an update was lost or processed twice, nor would one be by the next bot:
    /// what was not confirmed was not processed.
    #[track_caller]
    pub(crate) fn close_without_a_loss(&self, last: Running<'_>, traffic: Flow) -> Report {
        let report = self.close(last, traffic);
        assert_eq!(
            (report.lost.as_slice(), report.processed_twice.as_slice()),
            (&[] as &[i64], &[] as &[i64]),
            "{report:#?}"
        );
        assert_eq!(report.unconfirmed, report.waiting, "{report:#?}");
        report
    }

    /// For a failure and for the figures.
    pub(crate) fn framework(&self) -> Framework {
        self.framework
    }
}
