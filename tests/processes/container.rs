//! In a container with a private lock folder, a start prints that only this container is guarded
//! (S20).

use monopoll_test_bots::stage::{Stage, Start};

/// Simulates a container: separate namespaces, a tmpfs at the lock folder, and an engine's trace.
fn in_a_container<'a>(start: Start<'a>, stage: &Stage, mount: &str) -> Start<'a> {
    std::fs::create_dir_all(stage.locks()).unwrap();
    let script = format!("{mount}; exec \"$@\"");
    let through = [
        "unshare",
        "--fork",
        "--pid",
        "--mount-proc",
        "--mount",
        "--kill-child",
        "sh",
        "-ec",
        script.as_str(),
        "sh",
    ];
    start.through(&through).current_dir(stage.folder()).env("container", "podman")
}

const OWN_MEMORY: &str = "mount -t tmpfs -o mode=0700 tmpfs locks";
const SHARED: &str = "mkdir -p -m 0700 volume; chmod 0700 volume; mount --bind volume locks";

#[test]
fn a_private_lock_folder_guards_only_this_container_and_says_so() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let ended = in_a_container(stage.run(&["--exit", "7"]), &stage, OWN_MEMORY).end().exits(7);
    let lines: Vec<&str> = ended.err.lines().collect();
    assert_eq!(lines.len(), 2, "{ended:?}");
    assert!(
        lines[0].starts_with(
            "monopoll: test: warning: only this container is guarded: its lock folder "
        ),
        "{ended:?}"
    );
    assert!(
        lines[0].contains(&format!("-v monopoll-locks:{}", stage.locks().display())),
        "{ended:?}"
    );
}

#[test]
fn a_quiet_start_omits_that_message() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let ended = in_a_container(stage.run(&["--exit", "7"]).flag("--quiet"), &stage, OWN_MEMORY)
        .end()
        .exits(7);
    assert_eq!(ended.err, "");
}

#[test]
fn a_shared_lock_folder_needs_no_message() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let ended = in_a_container(stage.run(&["--exit", "7"]), &stage, SHARED).end().exits(7);
    assert!(!ended.err.contains("warning"), "{ended:?}");
}

#[test]
fn in_kubernetes_the_message_names_the_remedy_there() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let start = stage.run(&["--exit", "7"]).env("KUBERNETES_SERVICE_HOST", "10.0.0.1");
    let ended = in_a_container(start, &stage, OWN_MEMORY).end().exits(7);
    assert!(ended.err.contains("`strategy: Recreate`"), "{ended:?}");
}

#[test]
fn doctor_reports_the_same() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let ended = in_a_container(stage.monopoll(&["doctor"]), &stage, OWN_MEMORY).end().exits(0);
    assert!(ended.out.contains("only this container is guarded"), "{ended:?}");
    let shared = in_a_container(stage.monopoll(&["doctor", "-v"]), &stage, SHARED).end().exits(0);
    assert!(shared.out.contains("this is a container (Podman)"), "{shared:?}");
}
