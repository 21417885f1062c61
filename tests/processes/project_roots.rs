//! Connected programs further up than the nearest main folder of COMMAND's project, and in the
//! folder of the start.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use monopoll_test_bots::stage::{Stage, token};
use serde_json::Value;

use crate::listed_only::{connected, near_miss};
use crate::only_by_pwd::within;
use crate::other_bots::{plan, unnamed};
use crate::same_command::{PYTHON, bot, end, program, write};
use crate::supervisors::peer;

/// A repository with a script that polls in its root, in `bot/` and in `other/`.
struct Repository {
    stage: Stage,
    server: TcpListener,
}

impl Repository {
    fn new() -> Repository {
        let (stage, server) = (Stage::new(), TcpListener::bind("127.0.0.1:0").unwrap());
        let poller = connected(&stage, server.local_addr().unwrap().port());
        for name in ["run.py", "bot/run.py", "bot/app.py", "other/run.py", "other/src/run.py"] {
            write(&stage, &format!("repo/{name}"), &format!("{poller}# {name}\n"));
        }
        for name in ["main.py", "bot/main.py", "bot/src/main.py"] {
            write(&stage, &format!("repo/{name}"), &format!("{PYTHON}# {name}\n"));
        }
        write(&stage, "repo/bot/__init__.py", "");
        fs::create_dir(stage.folder().join("elsewhere")).unwrap();
        Repository { stage, server }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.stage.folder().join("repo").join(name)
    }

    #[track_caller]
    fn plan(&self, line: &str, folder: &Path) -> Value {
        let port = self.server.local_addr().unwrap().port();
        let api = format!("telegram.api_url='http://127.0.0.1:{port}'");
        let seen = plan(within(unnamed(&self.stage, &["plan"], line).set(&api), folder));
        assert_eq!(seen["verdict"], "clear", "{line}: {seen:#}");
        seen
    }
}

#[track_caller]
fn is_listed(seen: &Value, pid: u32, case: &str) {
    let listed = seen["near_misses"].as_array().unwrap().iter();
    assert!(listed.clone().any(|it| it["pid"] == pid), "{case}: {seen:#}");
    let reason = near_miss(seen, pid)["reason"].as_str().unwrap();
    assert!(reason.ends_with("connected to the Bot API"), "{case}: {reason}");
}

#[track_caller]
fn is_not_listed(seen: &Value, pid: u32, case: &str) {
    let mut listed = seen["near_misses"].as_array().unwrap().iter();
    assert!(listed.all(|it| it["pid"] != pid), "{case}: {seen:#}");
}

#[test]
fn a_connected_program_of_the_repository_is_listed_from_a_sub_folder_with_files_of_its_own() {
    let repository = Repository::new();
    let stage = &repository.stage;
    let absolute = format!("python3 {}", repository.folder("run.py").display());
    let (root, bot_folder) = (repository.folder(""), repository.folder("bot"));
    let elsewhere = stage.folder().join("elsewhere");
    let env = format!("BOT_TOKEN={}\n", token());
    for (in_root, text) in
        [(".env", &*env), (".git/HEAD", ""), ("go.mod", ""), ("package.json", "{}")]
    {
        write(stage, &format!("repo/{in_root}"), text);
        for in_bot in ["requirements.txt", ".env", "package.json", ".git/HEAD"] {
            write(stage, &format!("repo/bot/{in_bot}"), "{}");
            for (line, folder) in [
                ("python3 run.py", &root),
                ("python3 -m bot.app", &root),
                ("python3 other/run.py", &root),
                (&absolute, &elsewhere),
            ] {
                let (process, pid) = bot(stage, within(program(stage, line), folder), folder);
                for (started, from) in [
                    ("python3 main.py", "bot"),
                    ("python3 src/main.py", "bot"),
                    ("python3 main.py", "bot/src"),
                ] {
                    let case = format!("{in_root} {in_bot}: {line} / {started} in {from}");
                    let seen = repository.plan(started, &repository.folder(from));
                    is_listed(&seen, pid, &case);
                }
                end(stage, process, pid);
            }
            let _ = fs::remove_file(bot_folder.join(in_bot));
            let _ = fs::remove_dir_all(bot_folder.join(".git"));
        }
        let _ = fs::remove_file(root.join(in_root));
        let _ = fs::remove_dir_all(root.join(".git"));
    }
}

#[test]
fn a_connected_program_of_another_project_in_the_repository_is_not_listed() {
    let repository = Repository::new();
    let stage = &repository.stage;
    write(stage, "repo/.git/HEAD", "");
    write(stage, "repo/bot/requirements.txt", "");
    let [other, src] = ["other", "other/src"].map(|name| repository.folder(name));
    let absolute = format!("python3 {}", other.join("run.py").display());
    let elsewhere = stage.folder().join("elsewhere");
    for (in_other, is_own) in [(".env", true), (".git/HEAD", true), ("requirements.txt", false)] {
        write(stage, &format!("repo/other/{in_other}"), "");
        for (line, folder) in
            [("python3 run.py", &other), ("python3 run.py", &src), (&absolute, &elsewhere)]
        {
            let (process, pid) = bot(stage, within(program(stage, line), folder), folder);
            let seen = repository.plan("python3 main.py", &repository.folder("bot"));
            let case = format!("{in_other}: {line} in {}", folder.display());
            if is_own {
                is_not_listed(&seen, pid, &case);
            } else {
                is_listed(&seen, pid, &case);
            }
            end(stage, process, pid);
        }
        let _ = fs::remove_file(other.join(in_other));
        let _ = fs::remove_dir_all(other.join(".git"));
    }
    // The folder above the repository is no project.
    write(stage, "run.py", &fs::read_to_string(repository.folder("run.py")).unwrap());
    let above = within(program(stage, "python3 run.py"), stage.folder());
    let (process, pid) = bot(stage, above, stage.folder());
    let seen = repository.plan("python3 main.py", &repository.folder("bot"));
    is_not_listed(&seen, pid, "above");
    end(stage, process, pid);
}

#[test]
fn a_connected_program_in_the_folder_of_the_start_is_listed_if_the_command_enters_another_one() {
    let repository = Repository::new();
    let stage = &repository.stage;
    write(stage, "repo/Makefile", "run:\n\tcd bot && python3 main.py\n");
    write(stage, "repo/bot/Makefile", "run:\n\tpython3 main.py\n");
    let script = r#"{"scripts": {"start": "python3 main.py"}}"#;
    write(stage, "repo/bot/package.json", script);
    let root = repository.folder("");
    let below = repository.folder("other");
    // What is in the folder above and in one beside it is not in the folder of the start.
    let elsewhere = stage.folder().join("elsewhere");
    let poller = fs::read_to_string(root.join("run.py")).unwrap();
    write(stage, "run.py", &poller);
    for (running, its_folder, listed) in [
        ("python3 run.py", &root, true),
        ("python3 -m bot.app", &root, true),
        ("python3 run.py", &below, true),
        ("python3 ../run.py", &elsewhere, false),
    ] {
        let (process, pid) = bot(stage, within(program(stage, running), its_folder), its_folder);
        let uv = peer("launchers/bin/uv");
        let uv = uv.map(|uv| format!("{} --directory bot run main.py", uv.display()));
        for started in [
            "sh -c cd bot && python3 main.py",
            "make run",
            "make -C bot run",
            "npm --prefix bot start",
            "env -C bot python3 main.py",
        ]
        .into_iter()
        .chain(uv.as_deref())
        {
            let seen = repository.plan(started, &root);
            let case = format!("{running} in {} / {started}", its_folder.display());
            if listed {
                is_listed(&seen, pid, &case);
            } else {
                is_not_listed(&seen, pid, &case);
            }
        }
        end(stage, process, pid);
    }
}
