//! `python -m` with a module that is not in the folder: the same name may be another bot in another
//! virtual environment or `$PYTHONPATH`.

use std::fs;

use monopoll_test_bots::stage::{Stage, is_alive};

use crate::almost_the_same::{Judged, judge, plan};
use crate::other_bots::unnamed;
use crate::same_command::{PYTHON, bot, end, found, path, program, write};

/// Two virtual environments with a module each, and a folder for the bots.
fn two_environments() -> Stage {
    let stage = Stage::new();
    for name in ["a", "b"] {
        let folder = stage.folder().join(name).display().to_string();
        stage.program("python3", &["-m", "venv", "--without-pip", &folder]).end().exits(0);
        let versions = stage.folder().join(name).join("lib");
        let version = fs::read_dir(versions).unwrap().next().unwrap().unwrap().file_name();
        let packages = format!("{name}/lib/{}/site-packages", version.display());
        write(&stage, &format!("{packages}/voice/__main__.py"), PYTHON);
        write(&stage, &format!("{name}-modules/mail.py"), PYTHON);
    }
    stage
}

#[test]
fn a_module_of_another_virtual_environment_may_be_another_bot() {
    let stage = two_environments();
    let [a, b] = ["a", "b"].map(|name| format!("{}/{name}/bin", stage.folder().display()));
    let judge = |running: &str, started: &str, folder: &str| {
        let path = format!("{folder}:{}", path());
        judge(&stage, running, started, |it| it.env("PATH", &path))
    };
    let version = fs::read_dir(&a).unwrap().flatten().map(|it| it.file_name());
    let version =
        version.map(|it| it.display().to_string()).find(|it| it.starts_with("python3.")).unwrap();
    for (running, started) in [
        (format!("{a}/python -m voice"), format!("{a}/{version} -m voice")),
        (format!("{a}/python -um voice"), "a/bin/python -m voice".to_owned()),
        ("python -m voice".to_owned(), format!("{a}/python3 -m voice")),
        (format!("{a}/python -m voice"), "env A=b python3 -m voice".to_owned()),
        (format!("{a}/python -m voice"), format!("sh -c cd . && {a}/python -m voice")),
    ] {
        assert_eq!(judge(&running, &started, &a), Judged::Same, "{running} / {started}");
    }
    for (running, started) in [
        (format!("{a}/python -m voice"), format!("{b}/python -m voice")),
        (format!("{a}/python -m voice"), "b/bin/python -m voice".to_owned()),
        (format!("{b}/python -m voice"), "python -m voice".to_owned()),
        ("python -m voice".to_owned(), format!("timeout 600 {b}/python -m voice")),
        (format!("{a}/python -m voice"), "/usr/bin/python3 -m voice".to_owned()),
    ] {
        match judge(&running, &started, &a) {
            Judged::InDoubt(reason) => {
                assert!(reason.contains("it has another virtual environment or"), "{reason}");
            }
            other => panic!("{running} / {started}: {other:?}"),
        }
    }
    // The file of the module is in the folder.
    write(&stage, "voice.py", PYTHON);
    let judged = judge(&format!("{a}/python -m voice"), &format!("{b}/python -m voice"), &a);
    assert_eq!(judged, Judged::Same);
}

#[test]
fn a_module_in_another_python_path_may_be_another_bot() {
    let stage = two_environments();
    let line = "python3 -m mail";
    let (running, pid) =
        bot(&stage, program(&stage, line).env("PYTHONPATH", "a-modules"), stage.folder());
    for (modules, started, expected) in [
        (Some("a-modules"), line, "act"),
        (None, "env PYTHONPATH=a-modules python3 -m mail", "act"),
        (Some("b-modules"), line, "refuse"),
        (Some("a-modules"), "env PYTHONPATH=b-modules python3 -m mail", "refuse"),
        (None, line, "refuse"),
    ] {
        let plan = plan(&stage, started, |start| match modules {
            Some(modules) => start.env("PYTHONPATH", modules),
            None => start,
        });
        assert_eq!(plan["verdict"], expected, "{modules:?} {started}: {plan:#}");
        assert!(found(&plan).contains(&u64::from(pid)), "{plan:#}");
    }
    end(&stage, running, pid);
}

#[test]
fn two_guards_of_a_module_in_two_environments_leave_each_other_alone() {
    let stage = two_environments();
    let start = |name: &str| unnamed(&stage, &["run"], &format!("{name}/bin/python -m voice"));
    let (first, pid) = bot(&stage, start("a"), stage.folder());
    start("b").end().exits(75).says("it has another virtual environment");
    assert!(first.is_alive() && is_alive(pid));
    let (_second, _) = bot(&stage, start("a"), stage.folder());
    first.end().exits(0);
    assert!(!is_alive(pid));
}
