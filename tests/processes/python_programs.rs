//! One Python program in several spellings: an installed script, `python3 -m`, the file of the
//! module, a script that only imports it.

use std::fs;
use std::os::unix::fs::symlink;

use monopoll_test_bots::stage::{Stage, token};
use serde_json::Value;

use crate::almost_the_same::{Judged, judge};
use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{bot, end, found, program, words, write};
use crate::same_file_elsewhere::plan_beside;
use crate::start_scripts::near_misses;
use crate::supervisors::peer;

/// Code that reports in the folder of the stage, wherever it runs.
fn polls(stage: &Stage) -> String {
    let folder = stage.folder().display();
    format!(
        "import os, time\n\ndef main():\n    open(f'{folder}/ready-{{os.getpid()}}', 'w').close()\n\
         \x20   time.sleep(600)\n\n"
    )
}

/// The scripts that pip and uv write.
fn installed(stage: &Stage, name: &str, module: &str, function: &str, generator: &str) {
    let python = stage.folder().join(".venv/bin/python").display().to_string();
    let text = match generator {
        "pip" => format!(
            "#!{python}\n# -*- coding: utf-8 -*-\nimport re\nimport sys\n\
             from {module} import {function}\nif __name__ == '__main__':\n\
             \x20   sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])\n\
             \x20   sys.exit({function}())\n"
        ),
        _ => format!(
            "#!{python}\n# -*- coding: utf-8 -*-\nimport sys\nfrom {module} import {function}\n\
             if __name__ == \"__main__\":\n    if sys.argv[0].endswith(\"-script.pyw\"):\n\
             \x20       sys.argv[0] = sys.argv[0][:-11]\n\
             \x20   elif sys.argv[0].endswith(\".exe\"):\n\
             \x20       sys.argv[0] = sys.argv[0][:-4]\n    sys.exit({function}())\n"
        ),
    };
    write(stage, &format!(".venv/bin/{name}"), &text);
}

/// A project whose environment has its package by a `.pth` file, as editable installs do.
fn project(root: &str) -> Stage {
    let stage = Stage::new();
    let environment = stage.folder().join(".venv").display().to_string();
    stage.program("python3", &["-m", "venv", "--without-pip", &environment]).end().exits(0);
    let versions = fs::read_dir(stage.folder().join(".venv/lib")).unwrap();
    let version = versions.flatten().next().unwrap().file_name();
    let site = format!(".venv/lib/{}/site-packages", version.display());
    let folder = stage.folder().join(root);
    write(&stage, &format!("{site}/_bot.pth"), &format!("{}\n", folder.display()));
    let code = polls(&stage);
    let package = |name: &str| format!("{root}/{name}").trim_start_matches('/').to_owned();
    write(&stage, &package("bot/__init__.py"), "");
    let cli = format!("{code}if __name__ == '__main__':\n    main()\n");
    write(&stage, &package("bot/cli.py"), &cli);
    let main = "from .cli import main\n\nif __name__ == '__main__':\n    main()\n";
    write(&stage, &package("bot/__main__.py"), main);
    write(&stage, &package("bot/web.py"), &cli);
    write(&stage, &package("other/__main__.py"), &format!("{code}main()\n"));
    installed(&stage, "bot", "bot.cli", "main", "pip");
    installed(&stage, "start-bot", "bot.cli", "main", "uv");
    installed(&stage, "bot-web", "bot.web", "main", "pip");
    stage
}

#[track_caller]
fn both(stage: &Stage, one: &str, other: &str) -> [Judged; 2] {
    [(one, other), (other, one)].map(|(running, started)| judge(stage, running, started, |it| it))
}

#[test]
fn an_installed_script_is_the_module_that_it_imports_from_the_same_file() {
    for (root, module) in [("", "python3 -m"), ("src", ".venv/bin/python -m")] {
        let stage = project(root);
        let module = |name: &str| format!("{module} {name}");
        for script in [".venv/bin/bot", ".venv/bin/python .venv/bin/start-bot"] {
            for started in ["bot", "bot.cli"] {
                let judged = both(&stage, script, &module(started));
                assert_eq!(judged, [Judged::Same, Judged::Same], "{root} {script} {started}");
            }
            for other in ["other", "bot.web"] {
                let judged = both(&stage, script, &module(other));
                assert_eq!(judged, [Judged::Different, Judged::Different], "{script} {other}");
            }
        }
        // The function may read the name of its script.
        in_doubt(both(&stage, ".venv/bin/bot", ".venv/bin/start-bot"), IMPORTS);
        for other in [".venv/bin/bot", &module("bot"), &module("bot.cli")] {
            let judged = both(&stage, ".venv/bin/bot-web", other);
            assert_eq!(judged, [Judged::Different, Judged::Different], "{root} {other}");
        }
    }
}

#[track_caller]
fn in_doubt(judged: [Judged; 2], part: &str) {
    for judged in judged {
        match judged {
            Judged::InDoubt(reason) => assert!(reason.contains(part), "{reason}"),
            other => panic!("{part}: {other:?}"),
        }
    }
}

const IMPORTS: &str = "starts the same Python program";

#[test]
fn an_installed_script_of_another_file_or_beside_other_code_is_in_doubt() {
    let stage = project("");
    // The environment has a copy.
    let versions = fs::read_dir(stage.folder().join(".venv/lib")).unwrap();
    let site = versions.flatten().next().unwrap().path().join("site-packages");
    let cli = fs::read_to_string(stage.folder().join("bot/cli.py")).unwrap();
    fs::create_dir_all(site.join("bot")).unwrap();
    fs::write(site.join("bot/__init__.py"), "").unwrap();
    fs::write(site.join("bot/cli.py"), &cli).unwrap();
    for module in ["bot", "bot.cli"] {
        in_doubt(both(&stage, ".venv/bin/bot", &format!("python3 -m {module}")), IMPORTS);
    }
    fs::remove_dir_all(site.join("bot")).unwrap();
    // The file does more than to call the function.
    let more = cli.replace("    main()\n", "    print(1)\n    main()\n");
    write(&stage, "bot/cli.py", &more);
    in_doubt(both(&stage, ".venv/bin/bot", "python3 -m bot.cli"), IMPORTS);
    write(&stage, "bot/__main__.py", &more);
    in_doubt(both(&stage, ".venv/bin/bot", "python3 -m bot"), IMPORTS);
    let judged = both(&stage, ".venv/bin/bot-web", "python3 -m bot");
    assert_eq!(judged, [Judged::Different, Judged::Different]);
    // The token tells.
    let mine = token();
    let start = program(&stage, ".venv/bin/bot").env("BOT_TOKEN", &mine);
    let (running, pid) = bot(&stage, start, stage.folder());
    let seen = plan(unnamed(&stage, &["plan"], "python3 -m bot").env("BOT_TOKEN", &mine));
    assert_eq!((found(&seen), &seen["verdict"]), (vec![u64::from(pid)], &"act".into()), "{seen:#}");
    end(&stage, running, pid);
    // Other arguments.
    let start = program(&stage, ".venv/bin/bot --debug");
    let (running, pid) = bot(&stage, start, stage.folder());
    let seen = plan(unnamed(&stage, &["plan"], "python3 -m bot"));
    assert!(near_misses(&seen).contains(&u64::from(pid)), "{seen:#}");
    end(&stage, running, pid);
}

#[test]
fn a_tool_is_in_doubt_beside_its_module_with_the_same_application() {
    let stage = project("");
    let versions = fs::read_dir(stage.folder().join(".venv/lib")).unwrap();
    let site = versions.flatten().next().unwrap().path().join("site-packages");
    fs::create_dir_all(site.join("serve")).unwrap();
    fs::write(site.join("serve/__init__.py"), "from serve.run import main\n").unwrap();
    fs::write(site.join("serve/__main__.py"), "import serve\n\nserve.main()\n").unwrap();
    fs::write(site.join("serve/run.py"), polls(&stage)).unwrap();
    installed(&stage, "serve", "serve.run", "main", "pip");
    let module = ".venv/bin/python -m serve app:main";
    in_doubt(both(&stage, ".venv/bin/serve app:main", module), IMPORTS);
    let judged = both(&stage, ".venv/bin/serve app:other", module);
    assert_eq!(judged, [Judged::Different, Judged::Different]);
}

#[test]
fn uvicorn_is_in_doubt_beside_its_module() {
    let Some(uvicorn) = peer("venv/bin/uvicorn") else { return };
    let stage = Stage::new();
    let code = "import os\nopen(f'ready-{os.getpid()}', 'w').close()\n\
                async def app(scope, receive, send):\n    pass\n";
    write(&stage, "app.py", code);
    let python = uvicorn.with_file_name("python3").display().to_string();
    let script = format!("{} --port 0 app:app", uvicorn.display());
    assert_eq!(judge(&stage, &script, &script, |it| it), Judged::Same);
    let module = format!("{python} -m uvicorn --port 0 app:app");
    in_doubt(both(&stage, &script, &module), IMPORTS);
    let judged = judge(&stage, &script, &format!("{python} -m uvicorn app:other"), |it| it);
    assert_eq!(judged, Judged::Different);
}

#[test]
fn a_launcher_finds_its_script_in_the_project() {
    let stage = project("src");
    // A launcher that is found in `$PATH`, with an environment of its own.
    write(&stage, "bin/uv", "#!/bin/sh\nshift\nexec .venv/bin/\"$@\"\n");
    let path = format!("{}:{}", stage.folder().join("bin").display(), crate::same_command::path());
    let module = ".venv/bin/python -m bot";
    let judge =
        |running: &str, started: &str| judge(&stage, running, started, |it| it.env("PATH", &path));
    for (text, expected) in [
        ("[project.scripts]\nbot = \"bot.cli:main\"\n", true),
        ("[tool.poetry.scripts]\nbot = \"bot.cli:main\"\n", true),
        ("[project.scripts]\nbot = \"other.cli:main\"\n", false),
        ("[project]\nname = \"bot\"\n", false),
    ] {
        write(&stage, "pyproject.toml", text);
        let judged = judge(module, "uv run bot");
        assert_eq!(judged == Judged::Same, expected, "{text}: {judged:?}");
    }
    write(&stage, "pyproject.toml", "[project.scripts]\nbot = \"bot.cli:main\"\n");
    assert_eq!(judge("uv run bot", module), Judged::Same);
}

#[test]
fn a_module_in_a_folder_of_python_path_is_its_file() {
    let stage = project("src");
    let spellings = [
        "python3 -m bot",
        "python3 src/bot",
        "python3 src/bot/__main__.py",
        ".venv/bin/python -m bot",
    ];
    let code = "import sys\nsys.path.insert(0, 'src')\nfrom bot.cli import main\n\nmain()\n";
    write(&stage, "src/bot/__main__.py", code);
    for (at, one) in spellings.iter().enumerate() {
        let is_tried = |other: &&&str| *other != one && (at == 0 || **other == spellings[0]);
        for other in spellings.iter().filter(is_tried) {
            // The shell of one of both sets the variable.
            let (process, pid) =
                bot(&stage, program(&stage, one).env("PYTHONPATH", "src"), stage.folder());
            let start = words(other);
            let start = start[1..]
                .iter()
                .fold(unnamed(&stage, &["plan"], &start[0]), |it, word| it.argument(word));
            let sets = at > 0 || *other == "python3 -m bot";
            let seen = plan(if sets { start.env("PYTHONPATH", "src") } else { start });
            assert_eq!(
                (found(&seen), &seen["verdict"]),
                (vec![u64::from(pid)], &"act".into()),
                "{one} / {other}: {seen:#}"
            );
            end(&stage, process, pid);
        }
        let judge = |running: &str, started: &str| {
            judge(&stage, running, started, |it| it.env("PYTHONPATH", "src"))
        };
        let other = "python3 -m other";
        assert_eq!(judge(one, other), Judged::Different, "{one}");
        assert_eq!(judge(other, one), Judged::Different, "{one}");
    }
    // From the folder of the package.
    let here = stage.folder().to_owned();
    for one in ["env PYTHONPATH=src python3 -m bot", "python3 src/bot", ".venv/bin/python -m bot"] {
        for (running, start) in
            [(("@", one), ("@/src", "python3 -m bot")), (("@/src", "python3 -m bot"), ("@", one))]
        {
            let one = start.1.replace(".venv", &here.join(".venv").display().to_string());
            let (seen, pid) = plan_beside(&stage, running, (start.0, &one));
            assert_eq!(found(&seen), [u64::from(pid)], "{running:?} {start:?}: {seen:#}");
            let reason = refusal(&seen);
            let parts = ["from another folder", "another value of $PYTHONPATH"];
            assert!(parts.iter().any(|part| reason.contains(part)), "{seen:#}");
        }
    }
}

/// The file may read the name of its link.
#[test]
fn two_links_by_which_modules_are_the_same_file_are_in_doubt() {
    let stage = Stage::new();
    write(&stage, "src/main.py", &format!("{}main()\n", polls(&stage)));
    for name in ["alice", "bob"] {
        symlink("main.py", stage.folder().join(format!("src/{name}.py"))).unwrap();
    }
    let judge = |running: &str, started: &str| {
        judge(&stage, running, started, |it| it.env("PYTHONPATH", "src"))
    };
    let by_name = ["python3 -m alice", "python3 -m bob", "python3 -m main", "python3 src/main.py"];
    for (one, other) in [(0, 1), (0, 2), (0, 3)] {
        let judged = [(one, other), (other, one)].map(|(a, b)| judge(by_name[a], by_name[b]));
        in_doubt(judged, "by a link with another name");
    }
    for (one, other) in [(0, 0), (2, 3), (3, 2)] {
        assert_eq!(judge(by_name[one], by_name[other]), Judged::Same, "{}", by_name[one]);
    }
    assert_eq!(judge("python3 -m alice", "python3 src/alice.py"), Judged::Same);
}

#[test]
fn a_script_that_only_imports_the_bot_is_the_bot() {
    let stage = Stage::new();
    let code = polls(&stage);
    write(&stage, "main.py", &format!("{code}if __name__ == '__main__':\n    main()\n"));
    write(&stage, "run.py", "from main import main\n\nmain()\n");
    write(&stage, "alice.py", "from main import main\n\nmain()\n");
    write(&stage, "web.py", "from other import main\n\nmain()\n");
    write(&stage, "other.py", &format!("{code}if __name__ == '__main__':\n    main()\n"));
    let judged = both(&stage, "python3 run.py", "python3 main.py");
    assert_eq!(judged, [Judged::Same, Judged::Same]);
    let judged = both(&stage, "python3 web.py", "python3 main.py");
    assert_eq!(judged, [Judged::Different, Judged::Different]);
    in_doubt(both(&stage, "python3 run.py", "python3 alice.py"), IMPORTS);
    // Two bots of one package, with settings beside each.
    write(&stage, "bots/core.py", &code);
    for name in ["alice", "bob"] {
        let main = "from bots.core import main\n\nif __name__ == '__main__':\n    main()\n";
        write(&stage, &format!("bots/{name}/main.py"), main);
        write(&stage, &format!("bots/{name}/__main__.py"), main);
    }
    for [one, other] in [
        ["python3 -m bots.alice.main", "python3 -m bots.bob.main"],
        ["python3 -m bots.alice", "python3 -m bots.bob"],
    ] {
        in_doubt(both(&stage, one, other), IMPORTS);
    }
    write(
        &stage,
        "main.py",
        &format!("{code}if __name__ == '__main__':\n    print()\n    main()\n"),
    );
    in_doubt(both(&stage, "python3 run.py", "python3 main.py"), IMPORTS);
}

#[test]
fn an_installed_script_from_another_folder_is_in_doubt() {
    let stage = project("");
    for (running, start) in [
        (("/", "@/.venv/bin/bot"), ("@", "python3 -m bot")),
        (("@", "python3 -m bot"), ("/", "@/.venv/bin/bot")),
    ] {
        let (seen, pid): (Value, u32) = plan_beside(&stage, running, start);
        assert_eq!(found(&seen), [u64::from(pid)], "{running:?}: {seen:#}");
        assert!(refusal(&seen).contains("from another folder"), "{seen:#}");
    }
    // Another project has a script of the same name.
    let other = project("");
    for (running, start) in [("/", "@/.venv/bin/bot"), ("@", "python3 -m bot")].map(|start| {
        let place = other.folder().to_str().unwrap();
        ((place, format!("{place}/.venv/bin/bot")), start)
    }) {
        let (process, pid) = bot(&other, program(&other, &running.1), other.folder());
        let (seen, _) = plan_beside(&stage, ("@", "python3 -m other"), start);
        assert!(!found(&seen).contains(&u64::from(pid)), "{running:?} {start:?}: {seen:#}");
        end(&other, process, pid);
    }
}

/// systemd and cron begin in `/` or the home folder.
#[test]
fn an_installed_script_is_in_doubt_beside_its_module_in_another_folder() {
    let stage = project("src");
    write(&stage, "elsewhere/x", "");
    let installed = ("@/elsewhere", "@/.venv/bin/bot");
    for other in [
        ("@", "@/.venv/bin/python -m bot.cli"),
        ("@", "@/.venv/bin/python -m bot"),
        ("@", "@/.venv/bin/python src/bot/cli.py"),
        ("@/src", "@/.venv/bin/python -m bot"),
        ("@/src/bot", "python3 cli.py"),
    ] {
        for installed in [installed, ("@", "@/.venv/bin/bot")] {
            if installed.0 == other.0 {
                continue;
            }
            for (running, start) in [(installed, other), (other, installed)] {
                let (seen, pid) = plan_beside(&stage, running, start);
                assert_eq!(found(&seen), [u64::from(pid)], "{running:?} {start:?}: {seen:#}");
                assert!(refusal(&seen).contains("from another folder"), "{seen:#}");
            }
        }
    }
    let (seen, _) = plan_beside(&stage, installed, ("@", "@/.venv/bin/python -m bot.web"));
    assert_eq!(seen["verdict"], "clear", "{seen:#}");
    let (seen, _) = plan_beside(&stage, ("@/src/bot", "python3 web.py"), installed);
    assert_eq!(seen["verdict"], "clear", "{seen:#}");
}

#[test]
fn the_folder_of_a_package_is_in_doubt_beside_its_main_file() {
    let stage = project("src");
    write(&stage, "b/__main__.py", &format!("{}main()\n", polls(&stage)));
    for (one, other) in [
        (("@", "python3 b"), ("@/b", "python3 __main__.py")),
        (("@", "python3 -m b"), ("@/b", "python3 __main__.py")),
        (("@", "python3 b"), ("@/b", "python3 .")),
        (("@/src", "python3 @/b"), ("@/b", "python3 __main__.py")),
    ] {
        for (running, start) in [(one, other), (other, one)] {
            let (seen, pid) = plan_beside(&stage, running, start);
            assert_eq!(found(&seen), [u64::from(pid)], "{running:?} {start:?}: {seen:#}");
            assert!(refusal(&seen).contains("from another folder"), "{seen:#}");
        }
    }
}

#[test]
fn the_code_with_which_poetry_runs_a_script_is_that_script() {
    let Some(poetry) = peer("launchers/bin/poetry") else { return };
    let stage = Stage::new();
    write(&stage, "tgbot/__init__.py", "");
    let other = "def other():\n    main()\n";
    write(&stage, "tgbot/app.py", &format!("{}{other}", polls(&stage)));
    write(
        &stage,
        "pyproject.toml",
        "[tool.poetry]\nname = \"tgbot\"\nversion = \"1\"\ndescription = \"\"\nauthors = []\n\
         [tool.poetry.scripts]\ntgbot = \"tgbot.app:main\"\nother = \"tgbot.app:other\"\n",
    );
    let path = format!("{}:{}", poetry.parent().unwrap().display(), crate::same_command::path());
    let judge = |running: &str, started: &str| {
        judge(&stage, running, started, |it| {
            it.env("PATH", &path).env("POETRY_VIRTUALENVS_CREATE", "false")
        })
    };
    assert_eq!(judge("poetry run tgbot", "poetry run tgbot"), Judged::Same);
    assert_eq!(judge("poetry run tgbot -v", "poetry run tgbot -v"), Judged::Same);
    // Another function, and other arguments.
    assert_ne!(judge("poetry run tgbot", "poetry run other"), Judged::Same);
    assert_ne!(judge("poetry run tgbot -v", "poetry run tgbot -q"), Judged::Same);
}
