//! `monopoll.ensure()` as the first line of a bot of each Python framework.

use std::fs;

use monopoll_test_bots::programs::{python_package, source};

use crate::scene::{Framework, Scene, python};

const PYTHON: [(Framework, &str); 3] = [
    (Framework::Aiogram, "aiogram_echo.py"),
    (Framework::PythonTelegramBot, "ptb_echo.py"),
    (Framework::TeleBot, "telebot_echo.py"),
];

#[test]
fn of_two_main_py_one_polls_and_a_takeover_loses_nothing() {
    let Some(python) = python() else { return };
    for (framework, file) in PYTHON {
        let scene = Scene::new(framework);
        let folder = scene.stage.folder();
        let bot = fs::read_to_string(source(file)).unwrap();
        let main = format!("import monopoll\nmonopoll.ensure()\n{bot}");
        fs::write(folder.join("main.py"), main).unwrap();
        let lock = format!("lock.paths = ['{}']\n", scene.stage.lock().display());
        fs::write(folder.join("monopoll.toml"), lock).unwrap();
        let site = python_package(folder);
        let main_py = |action: &str| {
            let start = scene.stage.program(&python, &["main.py"]);
            let start = scene.connected(start).env("PYTHONPATH", &site);
            start.env("MONOPOLL_ON_CONFLICT", action).start()
        };
        let first = main_py("refuse");
        scene.poller(1);
        let traffic = scene.traffic();
        main_py("refuse").end().exits(75).says("holds the lock");
        scene.processes(20);
        let second = main_py("graceful");
        scene.poller(2);
        first.end().exits(0);
        scene.processes(20);
        scene.close_without_a_loss(second, traffic);
    }
}

/// A copy without the line is ended like any other bot.
#[test]
fn a_copy_without_the_line_is_taken_over() {
    let Some(python) = python() else { return };
    let scene = Scene::new(Framework::Aiogram);
    let folder = scene.stage.folder();
    let bot = fs::read_to_string(source("aiogram_echo.py")).unwrap();
    fs::write(folder.join("main.py"), &bot).unwrap();
    let site = python_package(folder);
    let lock = format!("lock.paths = ['{}']\n", scene.stage.lock().display());
    fs::write(folder.join("monopoll.toml"), lock).unwrap();
    let main_py = || {
        let start = scene.stage.program(&python, &["main.py"]);
        scene.connected(start).env("PYTHONPATH", &site).env("MONOPOLL_ON_CONFLICT", "graceful")
    };
    let traffic = scene.traffic();
    let without = main_py().start();
    scene.poller(1);
    fs::write(folder.join("main.py"), format!("import monopoll\nmonopoll.ensure()\n{bot}"))
        .unwrap();
    let with = main_py().start();
    scene.poller(2);
    without.end().exits(0);
    scene.processes(20);
    scene.close_without_a_loss(with, traffic);
}
