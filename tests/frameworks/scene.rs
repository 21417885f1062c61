//! A scene: a bot written with a real framework, its own Bot API server, and a stage for its
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

/// Updates per second.
const RATE: f64 = 20.0;

/// The framework of a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framework {
    Teloxide,
    Aiogram,
    PythonTelegramBot,
    /// pyTelegramBotAPI.
    TeleBot,
    Telegraf,
    /// With its own polling, one update at a time.
    Grammy,
    /// With the runner that its documentation recommends for slow handlers.
    GrammyRunner,
}

/// The handling of shutdown in a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// As `docs/telegram.md` recommends.
    WithTheRecipe,
    /// None.
    Bare,
    /// The SIGTERM handler in the framework's documentation, if it differs from the recommendation.
    Documented,
}

impl Framework {
    pub(crate) const ALL: [Framework; 7] = [
        Framework::Teloxide,
        Framework::Aiogram,
        Framework::PythonTelegramBot,
        Framework::TeleBot,
        Framework::Telegraf,
        Framework::Grammy,
        Framework::GrammyRunner,
    ];

    /// Every scene runs with these: one that needs only Rust, and one that needs the most care.
    const IN_DEPTH: [Framework; 2] = [Framework::Teloxide, Framework::Aiogram];

    pub(crate) fn is_there(self) -> bool {
        match self {
            Framework::Teloxide => true,
            Framework::Aiogram | Framework::PythonTelegramBot | Framework::TeleBot => {
                python().is_some()
            }
            Framework::Telegraf | Framework::Grammy | Framework::GrammyRunner => {
                modules().is_some()
            }
        }
    }

    /// Returns the duration of a handler in milliseconds. It is shorter for a framework that
    /// handles one update at a time, because a scene would take ten times as long.
    fn work(self) -> &'static str {
        match self {
            Framework::Grammy | Framework::TeleBot => "150",
            Framework::Teloxide
            | Framework::Aiogram
            | Framework::PythonTelegramBot
            | Framework::Telegraf
            | Framework::GrammyRunner => "1500",
        }
    }

    /// Returns the program and its first argument, if any.
    pub(crate) fn command(self) -> (PathBuf, Option<String>) {
        let script = |name: &str| Some(source(name).display().to_string());
        match self {
            Framework::Teloxide => (example("teloxide_echo"), None),
            Framework::Aiogram => (python().unwrap(), script("aiogram_echo.py")),
            Framework::PythonTelegramBot => (python().unwrap(), script("ptb_echo.py")),
            Framework::TeleBot => (python().unwrap(), script("telebot_echo.py")),
            Framework::Telegraf => ("node".into(), script("telegraf_echo.js")),
            Framework::Grammy => ("node".into(), script("grammy_echo.js")),
            Framework::GrammyRunner => ("node".into(), script("grammy_runner_echo.js")),
        }
    }
}

/// Runs a scene with each of two frameworks, in parallel.
#[track_caller]
pub(crate) fn with_each(play: impl Fn(&Scene) + Sync) {
    side_by_side(&Framework::IN_DEPTH, play);
}

/// Runs a scene with each installed framework, in parallel.
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

/// Returns the Python with the frameworks. If it is missing, the test prints that it is skipped; in
/// CI, it fails.
pub(crate) fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let python = peers().join("venv/bin/python");
    let found = *FOUND.get_or_init(|| {
        let import = Command::new(&python)
            .args(["-c", "import aiogram, telegram, telebot"])
            .stderr(Stdio::null())
            .status();
        let found = import.is_ok_and(|status| status.success());
        found || skip("the frameworks for Python are not in target/peers/venv")
    });
    found.then_some(python)
}

/// Returns the folder of the Node frameworks, like `python`.
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
    monopoll_test_bots::stage::skip(&missing);
    false
}

pub(crate) fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers")
}

/// One bot with its environment.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) server: Server,
    framework: Framework,
    token: String,
}

impl Scene {
    pub(crate) fn new(framework: Framework) -> Scene {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        // Tokens are searched on the whole machine, so each scene has its own.
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let token = format!("{}{id:03}:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1", std::process::id());
        Scene { stage: Stage::new(), server: Server::start(&token), framework, token }
    }

    /// Starts the updates.
    pub(crate) fn traffic(&self) -> Flow {
        self.server.flow(RATE, &[Kind::Text])
    }

    /// Runs the bot under `monopoll run` with this action.
    pub(crate) fn run(&self, action: &str) -> Start<'_> {
        self.run_as(Written::WithTheRecipe, action)
    }

    /// Runs the bot with this kind of shutdown handling.
    pub(crate) fn run_as(&self, written: Written, action: &str) -> Start<'_> {
        let (program, args) = self.command(written);
        self.connected(
            self.stage.run_command(program, &args.iter().map(String::as_str).collect::<Vec<_>>()),
        )
        .on_conflict(action)
    }

    /// Runs the bot without a guard.
    pub(crate) fn alone(&self) -> Start<'_> {
        let (program, args) = self.command(Written::WithTheRecipe);
        self.connected(
            self.stage.program(program, &args.iter().map(String::as_str).collect::<Vec<_>>()),
        )
    }

    /// Sets the token, in the bots' variables, and the URL of this server.
    pub(crate) fn connected<'a>(&self, start: Start<'a>) -> Start<'a> {
        let url = self.server.url();
        match self.framework {
            Framework::Teloxide => {
                start.env("TELOXIDE_TOKEN", &self.token).env("TELOXIDE_API_URL", url)
            }
            Framework::Aiogram | Framework::PythonTelegramBot | Framework::TeleBot => {
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

    /// Waits for the n-th process (starting at 1) that polls, and returns its pid.
    #[track_caller]
    pub(crate) fn poller(&self, n: usize) -> u32 {
        self.until(&format!("{n} pollers"), |report| report.pollers.get(n - 1).map(|it| it.pid))
    }

    /// Waits until this many more updates are processed.
    #[track_caller]
    pub(crate) fn processes(&self, more: usize) {
        let wanted = self.server.report().processed + more;
        self.until(&format!("{wanted} processed updates"), |report| {
            (report.processed >= wanted).then_some(())
        });
    }

    /// Waits for a condition on the statistics.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, wanted: impl Fn(&Report) -> Option<T>) -> T {
        self.stage.wait_until(what, || wanted(&self.server.report()))
    }

    /// Checks that a second start with `graceful` ends the first one and polls without losing
    /// updates. Returns the end of the first one.
    #[track_caller]
    pub(crate) fn gives_way(&self, first: Running<'_>, traffic: Flow) -> Ended {
        let second = self.run("graceful").start();
        self.poller(2);
        let ended = first.end().exits(0);
        self.processes(20);
        self.close_without_a_loss(second, traffic);
        ended
    }

    /// Ends the last bot while updates still arrive, and returns the final statistics.
    #[track_caller]
    pub(crate) fn close(&self, last: Running<'_>, traffic: Flow) -> Report {
        last.signal(Signal::SIGTERM);
        last.end().exits(0);
        drop(traffic);
        let report = self.server.report();
        println!("{:?}: {report:?}", self.framework);
        // No two bots ever polled at the same time.
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

    /// Like `close`, and checks that no update was lost or repeated, and that none would be
    /// repeated by the next bot: unconfirmed updates were not processed.
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

    /// For failure messages and figures.
    pub(crate) fn framework(&self) -> Framework {
        self.framework
    }
}
