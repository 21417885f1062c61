//! A folder that was copied with the configuration that names its instance, for another bot.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use monopoll_test_bots::stage::{Stage, Start, is_alive, token};
use serde_json::Value;

use crate::only_by_pwd::within;
use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, write};

/// The name of the instance: that of no other test, which may run at the same time.
fn name(stage: &Stage) -> String {
    let folder = stage.folder().file_name().unwrap().to_string_lossy().replace('.', "");
    format!("copied-{folder}")
}

fn naming(stage: &Stage) -> String {
    format!("instance = '{}'\n", name(stage))
}

/// Two folders with the same script, each with this configuration.
fn copied(file: &str) -> Stage {
    let stage = Stage::new();
    for name in ["alice", "bob"] {
        write(&stage, &format!("{name}/main.py"), PYTHON);
        write(&stage, &format!("{name}/config.py"), &format!("TOKEN = '{}'\n", token()));
        write(&stage, &format!("{name}/{file}"), &naming(&stage));
    }
    stage
}

fn start<'a>(stage: &'a Stage, args: &[&str], name: &str) -> Start<'a> {
    within(unnamed(stage, args, "python3 main.py"), &stage.folder().join(name))
}

fn plan_of_bob(stage: &Stage) -> Value {
    plan(start(stage, &["plan"], "bob"))
}

/// Checks what a start in `bob` plans beside a guard in `alice`, after a change.
#[track_caller]
fn takes_over_after(file: &str, change: impl FnOnce(&Stage)) {
    let stage = copied(file);
    let alice = stage.folder().join("alice");
    let (guard, pid) = bot(&stage, start(&stage, &["run"], "alice"), &alice);
    assert_eq!(plan_of_bob(&stage)["verdict"], "refuse");
    change(&stage);
    let seen = plan_of_bob(&stage);
    assert_eq!(seen["verdict"], "act", "{seen:#}");
    end(&stage, guard, pid);
}

#[test]
fn a_copied_folder_whose_configuration_names_the_instance_is_in_doubt_without_a_token() {
    for (file, flags) in [
        ("monopoll.toml", &[][..]),
        ("config.toml", &[]),
        ("conf/bot.toml", &["--config", "conf/bot.toml"]),
    ] {
        let stage = copied(file);
        let args = |command| [flags, &[command]].concat();
        let alice = stage.folder().join("alice");
        let (guard, pid) = bot(&stage, start(&stage, &args("run"), "alice"), &alice);
        for command in ["run", "stop"] {
            let refused = start(&stage, &args(command), "bob").end().exits(75);
            let path = alice.join(file);
            for said in [
                &*path.display().to_string(),
                "names this instance",
                &format!("`--instance {}`", name(&stage)),
            ] {
                assert!(refused.err.contains(said), "{command}: {refused:?}");
            }
            assert!(is_alive(pid) && guard.is_alive());
        }
        let seen = plan(start(&stage, &args("plan"), "bob"));
        assert!(refusal(&seen).contains("a copy of its own"), "{seen:#}");
        let own = plan(start(&stage, &args("plan"), "alice"));
        assert_eq!(own["verdict"], "act", "{own:#}");
        end(&stage, guard, pid);
    }
}

#[test]
fn a_name_that_the_start_itself_gives_is_a_proof_in_a_copied_folder() {
    let stage = copied("monopoll.toml");
    let alice = stage.folder().join("alice");
    let (guard, pid) = bot(&stage, start(&stage, &["run"], "alice"), &alice);
    let by_flag = plan(start(&stage, &["--instance", &name(&stage), "plan"], "bob"));
    assert_eq!(by_flag["verdict"], "act", "{by_flag:#}");
    let by_variable = start(&stage, &["plan"], "bob").env("MONOPOLL_INSTANCE", name(&stage));
    assert_eq!(plan(by_variable)["verdict"], "act");
    assert!(is_alive(pid) && guard.is_alive());
    start(&stage, &["--instance", &name(&stage), "stop"], "bob").end().exits(0);
    assert!(!is_alive(pid));
    drop(guard);
}

#[test]
fn one_configuration_of_two_folders_or_one_that_is_gone_is_no_copy() {
    takes_over_after("monopoll.toml", |stage| {
        let [alice, bob] = ["alice", "bob"].map(|it| stage.folder().join(it).join("monopoll.toml"));
        fs::remove_file(&bob).unwrap();
        symlink(alice, bob).unwrap();
    });
    takes_over_after("monopoll.toml", |stage| {
        fs::remove_dir_all(stage.folder().join("alice")).unwrap();
    });
    // It gives another name, so the guard has its own from elsewhere.
    takes_over_after("monopoll.toml", |stage| {
        write(stage, "alice/monopoll.toml", "instance = 'alice'\n");
    });
    // Both name the bot.
    takes_over_after("monopoll.toml", |stage| {
        let mine = format!("BOT_TOKEN={}\n", token());
        for name in ["alice/.env", "bob/.env"] {
            write(stage, name, &mine);
            let private = fs::Permissions::from_mode(0o600);
            fs::set_permissions(stage.folder().join(name), private).unwrap();
        }
    });
}

#[test]
fn the_next_release_that_is_started_through_a_link_takes_over_although_it_is_a_copy() {
    let stage = Stage::new();
    for name in ["releases/1", "releases/2"] {
        write(&stage, &format!("app/{name}/main.py"), PYTHON);
        write(&stage, &format!("app/{name}/monopoll.toml"), &naming(&stage));
    }
    let app = stage.folder().join("app");
    let current = app.join("current");
    symlink("releases/1", &current).unwrap();
    let run = |args: &[&str]| within(unnamed(&stage, args, "python3 main.py"), &current);
    let (guard, pid) = bot(&stage, run(&["run"]), &app.join("releases/1"));
    fs::remove_file(&current).unwrap();
    symlink("releases/2", &current).unwrap();
    let seen = plan(run(&["plan"]));
    assert_eq!(seen["verdict"], "act", "{seen:#}");
    // Without the link, `1` and `2` may as well be two bots.
    let second = within(unnamed(&stage, &["plan"], "python3 main.py"), &app.join("releases/2"));
    refusal(&plan(second));
    end(&stage, guard, pid);
}
