//! Manipulated files in place of monopoll's own, and malicious names.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Ended, Stage, is_root};
use serde_json::Value;

/// All files of monopoll: the lock, those next to it, and their temporary files.
const OURS: [&str; 14] = [
    "",
    ".turnstile",
    ".queue",
    ".drawing",
    ".counter",
    ".record",
    ".request",
    ".answer",
    ".counter.new",
    ".record.new",
    ".request.new",
    ".answer.new",
    ".history",
    ".history.new",
];

/// Longer than any start here should take.
const PROMPT: Duration = Duration::from_secs(30);

const LARGE: u64 = 100 << 20;

fn private_folder(stage: &Stage) {
    fs::create_dir(stage.locks()).unwrap();
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o700)).unwrap();
}

fn ours(stage: &Stage, kind: &str) -> PathBuf {
    stage.locks().join(format!("x.lock{kind}"))
}

/// Replaces each file of monopoll in turn. A start must either work, or report the file and what to
/// do. It must not follow, write to or truncate what is there, and a bystander must survive.
#[track_caller]
fn in_each_place(put: Put) {
    for kind in OURS {
        let stage = Stage::new();
        private_folder(&stage);
        let precious = stage.folder().join("precious");
        fs::write(&precious, "precious").unwrap();
        let bystander = stage.bot(&["another"]).start();
        stage.ready(1);
        let path = ours(&stage, kind);
        put(&stage, &path);
        let before = seen(&path);
        let began = Instant::now();
        let ended = stage.run(&["--as", "mine", "--exit", "7"]).on_conflict("force").end();
        judge(&ended, kind, "run");
        let plan = stage.plan(&["--as", "mine", "--exit", "7"]).on_conflict("force").end();
        assert!(matches!(plan.code, Some(0 | 73 | 75)), "{kind}: {plan:?}");
        assert!(began.elapsed() < PROMPT, "{kind}: {:?}", began.elapsed());
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious", "{kind}");
        assert!(!stage.folder().join("nowhere").exists(), "{kind}");
        assert!(bystander.is_alive(), "{kind}");
        // The lock itself is never removed, replaced or truncated.
        if kind.is_empty() {
            assert_eq!(seen(&path), before);
        }
    }
}

/// The same while a guard runs and a newer start asks it.
#[track_caller]
fn next_to_a_running_guard(put: Put) {
    for kind in &OURS[1..] {
        let stage = Stage::new();
        let guard = stage.run(&["--as", "first"]).start();
        stage.nth_pid_of(1, "first");
        stage.wait_for_start_mutex();
        let bystander = stage.program("sleep", &["60"]).start();
        fs::write(stage.folder().join("precious"), "precious").unwrap();
        let path = ours(&stage, kind);
        // A guard restores missing files, so replace the file in a single step.
        let elsewhere = stage.folder().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let ready = elsewhere.join(path.file_name().unwrap());
        put(&stage, &ready);
        while fs::rename(&ready, &path).is_err() {
            let _ = fs::remove_file(&path);
        }
        let began = Instant::now();
        let ended = stage.run(&["--as", "mine", "--exit", "7"]).on_conflict("graceful").end();
        judge(&ended, kind, "run");
        assert!(began.elapsed() < PROMPT, "{kind}: {:?}", began.elapsed());
        // A start that failed must not have ended the guard.
        assert!(
            ended.code == Some(7) || guard.is_alive(),
            "{kind}: {ended:?}\n{}",
            stage.transcript()
        );
        assert_eq!(
            fs::read_to_string(stage.folder().join("precious")).unwrap(),
            "precious",
            "{kind}"
        );
        assert!(bystander.is_alive(), "{kind}");
    }
}

#[track_caller]
fn judge(ended: &Ended, kind: &str, what: &str) {
    match ended.code {
        Some(7) => {}
        Some(73 | 75) => {
            let last = ended.err.lines().last().unwrap_or_default();
            assert!(
                last.starts_with("monopoll: ") && last.contains("x.lock"),
                "{what} {kind}: the file is named: {ended:?}"
            );
            assert!(last.contains("; "), "{what} {kind}: and the way out: {ended:?}");
        }
        _ => panic!("{what} {kind}: {ended:?}"),
    }
}

/// Returns the inode, size and type of a file, without following links.
fn seen(path: &Path) -> Option<(u64, u64, u32)> {
    let metadata = path.symlink_metadata().ok()?;
    Some((metadata.ino(), metadata.size(), metadata.mode() & 0o170_000))
}

/// Replaces a file.
type Put = fn(&Stage, &Path);

fn fifo(stage: &Stage, path: &Path) {
    stage.program("mkfifo", &[&path.display().to_string()]).end().exits(0);
}

fn folder(_: &Stage, path: &Path) {
    fs::create_dir(path).unwrap();
    fs::write(path.join("content"), "").unwrap();
}

fn socket(_: &Stage, path: &Path) {
    // The socket remains after its listener is gone.
    drop(UnixListener::bind(path).unwrap());
}

fn link(stage: &Stage, path: &Path) {
    symlink(stage.folder().join("precious"), path).unwrap();
}

fn link_to_nowhere(stage: &Stage, path: &Path) {
    symlink(stage.folder().join("nowhere"), path).unwrap();
}

fn link_to_itself(_: &Stage, path: &Path) {
    symlink(path.file_name().unwrap(), path).unwrap();
}

fn hard_link(stage: &Stage, path: &Path) {
    fs::hard_link(stage.folder().join("precious"), path).unwrap();
}

fn with_mode(path: &Path, mode: u32) {
    fs::write(path, "7").unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn garbage(_: &Stage, path: &Path) {
    fs::write(path, [0xff, 0x00, 0x1b, 0x5b, 0x32, 0x4a].repeat(100)).unwrap();
}

fn large(_: &Stage, path: &Path) {
    fs::File::create(path).unwrap().set_len(LARGE).unwrap();
}

#[test]
fn a_fifo_does_not_block_a_start() {
    in_each_place(fifo);
    next_to_a_running_guard(fifo);
}

#[test]
fn a_folder_in_place_of_a_file_is_named_or_ignored() {
    in_each_place(folder);
    next_to_a_running_guard(folder);
}

#[test]
fn a_socket_is_not_used_as_a_file() {
    in_each_place(socket);
    next_to_a_running_guard(socket);
}

#[test]
fn a_link_is_not_followed() {
    in_each_place(link);
    next_to_a_running_guard(link);
}

#[test]
fn a_dangling_link_creates_no_file() {
    in_each_place(link_to_nowhere);
    next_to_a_running_guard(link_to_nowhere);
}

#[test]
fn a_link_to_itself_blocks_no_start() {
    in_each_place(link_to_itself);
    next_to_a_running_guard(link_to_itself);
}

#[test]
fn a_hard_link_is_not_written_through() {
    in_each_place(hard_link);
    next_to_a_running_guard(hard_link);
}

#[test]
fn a_world_writable_file_is_made_private_or_ignored() {
    let open: Put = |_, path| with_mode(path, 0o666);
    in_each_place(open);
    next_to_a_running_guard(open);
}

#[test]
fn an_unreadable_file_is_repaired_or_named() {
    let shut: Put = |_, path| with_mode(path, 0o000);
    in_each_place(shut);
    next_to_a_running_guard(shut);
}

#[test]
fn corrupt_content_in_any_file_is_ignored() {
    in_each_place(garbage);
}

#[test]
fn a_very_large_file_costs_no_time_and_no_memory() {
    in_each_place(large);
    next_to_a_running_guard(large);
}

#[test]
fn a_device_is_not_used_as_a_file() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let path = stage.folder().join("device");
    let device: Put = |stage, path| {
        stage.program("mknod", &[&path.display().to_string(), "c", "1", "3"]).end().exits(0);
    };
    if stage.program("mknod", &[&path.display().to_string(), "c", "1", "3"]).end().code != Some(0) {
        monopoll_test_bots::stage::skip("no device can be made here");
        return;
    }
    in_each_place(device);
    next_to_a_running_guard(device);
}

#[test]
fn a_file_of_another_user_is_not_used() {
    if !is_root() {
        return;
    }
    let anothers: Put = |_, path| {
        with_mode(path, 0o600);
        chown(path, Some(54321), Some(54321)).unwrap();
    };
    in_each_place(anothers);
    next_to_a_running_guard(anothers);
    let stage = Stage::new();
    private_folder(&stage);
    anothers(&stage, &stage.lock());
    let refused = stage.run(&[]).end().exits(73).says("it belongs to another user (uid 54321)");
    assert!(
        refused.err.contains("start yours as the same user") && !refused.err.contains("remove"),
        "{refused:?}"
    );
}

/// Runs a start as another user than root.
fn as_nobody(stage: &Stage, command: &[&str]) -> Ended {
    let somebody = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"];
    stage
        .program(somebody[0], &somebody[1..].iter().chain(command).copied().collect::<Vec<_>>())
        .end()
}

#[test]
fn an_own_unreadable_file_is_repaired_and_a_plan_says_how() {
    if !is_root() {
        return;
    }
    for kind in OURS {
        let stage = Stage::new();
        private_folder(&stage);
        // Other users may be unable to read the build folder.
        stage.program("cp", &[env!("CARGO_BIN_EXE_monopoll"), "./monopoll"]).end().exits(0);
        let path = ours(&stage, kind);
        with_mode(&path, 0o000);
        for path in [stage.folder(), &stage.locks(), &path] {
            chown(path, Some(54321), Some(54321)).unwrap();
        }
        let lock = format!("lock.paths=['{}']", stage.lock().display());
        let start = |what: &str| {
            as_nobody(
                &stage,
                &[
                    "./monopoll",
                    what,
                    "--instance",
                    "x",
                    "--set",
                    &lock,
                    "--",
                    "sh",
                    "-c",
                    "exit 7",
                ],
            )
        };
        let plan = start("plan");
        if kind.is_empty() {
            assert!(plan.exits(73).err.contains("`chmod 600 "));
        }
        judge(&start("run"), kind, "run");
    }
}

#[test]
fn another_user_cannot_lock_our_files_not_even_to_read_them() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    // A folder named by the user may be readable by others.
    private_folder(&stage);
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o755)).unwrap();
    fs::set_permissions(stage.folder(), PermissionsExt::from_mode(0o755)).unwrap();
    with_mode(&stage.lock(), 0o644);
    let _guard = stage.run(&[]).start();
    stage.ready(1);
    stage.wait_for_start_mutex();
    let files = fs::read_dir(stage.locks()).unwrap().map(|entry| entry.unwrap().path());
    for path in files {
        let path = path.display().to_string();
        for how in ["--shared", "--exclusive"] {
            // 66: flock(1) cannot open the file.
            let ended = as_nobody(&stage, &["flock", "--nonblock", how, &path, "true"]);
            assert_eq!(ended.code, Some(66), "{path}: {ended:?}");
        }
    }
}

#[test]
fn a_hostile_process_name_harms_no_terminal_and_no_document() {
    let stage = Stage::new();
    let harm = r"$'\x1b]0;gone\x07\x1b[2J\n\r\xe2\x80\xae\xff\xfe\xc2\x9b31m'";
    let place = stage.folder().join(std::ffi::OsStr::from_bytes(b"place \x1b[31m\n\xff"));
    fs::create_dir(&place).unwrap();
    let program = place.join(std::ffi::OsStr::from_bytes(b"bot\x1b]0;gone\x07\xff"));
    stage.program("cp", &[testbot().as_os_str().to_str().unwrap(), "copy"]).end().exits(0);
    fs::rename(stage.folder().join("copy"), &program).unwrap();
    // All arguments, the name and the folder contain the text.
    let line = format!("cd place*; exec -a {harm} ./bot* {harm} 'monopoll: test: refused' marker");
    let bot = stage.program("bash", &["-c", &line]).start();
    stage.ready(1);
    let found = "[[match]]\ncmdline = 'marker$'\n";
    let mut all = Vec::new();
    let json = stage.plan(&["x"]).config(found).flag("--json").end();
    let document: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(document["conflicts"][0]["pid"], bot.pid());
    all.push(json);
    all.push(stage.plan(&["x"]).config(found).flag("-v").end());
    all.push(stage.run(&["x"]).config(found).flag("-v").flag("-v").end().exits(75));
    all.push(
        stage
            .run(&["--exit", "0"])
            .config(found)
            .flag("-v")
            .flag("-v")
            .on_conflict("graceful")
            .end()
            .exits(0),
    );
    for ended in all {
        for text in [&ended.out, &ended.err] {
            let raw = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{202e}' | '\u{9b}'));
            assert!(!text.contains(raw), "{text:?}");
        }
        // A line break in foreign text must not begin a line of monopoll's.
        assert!(ended.err.lines().all(|line| line.starts_with("monopoll: ")), "{ended:?}");
    }
    bot.end().exits(0);
    let mut kept = String::new();
    for entry in fs::read_dir(stage.locks()).unwrap() {
        fs::File::open(entry.unwrap().path()).unwrap().read_to_string(&mut kept).unwrap();
    }
    assert!(!kept.contains('\u{1b}'));
}

#[test]
fn an_access_control_list_that_lets_others_write_to_the_lock_folder_refuses_the_start() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    stage.run(&["--exit", "7"]).end().exits(7);
    let setfacl = |args: &[&str]| {
        stage.program("setfacl", &[args, &["locks"]].concat()).end().exits(0);
    };
    setfacl(&["-m", "u:65534:rwx"]);
    let refused = stage.run(&["--exit", "7"]).end();
    assert!(refused.code.is_some_and(|code| code == 73 || code == 77), "{refused:?}");
    assert!(refused.err.contains("locks"), "{refused:?}");
    setfacl(&["-b"]);
    // Files that inherit an entry are closed to that user by their mode.
    setfacl(&["-d", "-m", "u:65534:rwx"]);
    fs::remove_file(stage.lock()).unwrap();
    stage.run(&["--exit", "7"]).end().exits(7);
    let try_to_open = ["--reuid", "65534", "--clear-groups", "cat", "locks/x.lock"];
    let denied = stage.program("setpriv", &try_to_open).end();
    assert!(denied.err.contains("Permission denied"), "{denied:?}");
}
