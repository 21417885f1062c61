//! What `packaging/build` makes: the static program and the Python wheel. `.ci/run` builds them
//! before the tests.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use monopoll_test_bots::programs;
use monopoll_test_bots::stage::{Ended, Stage, is_root, skip};
use nix::sys::signal::Signal;

use crate::python_ensure::python;
use crate::same_command::write;
use crate::supervisors::peer;

const TARGET: &str = "x86_64-unknown-linux-musl";

/// A user id in no file of this machine.
const UID: u32 = 54329;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the only file in `dist/` whose name ends like this. If it is missing, the test is
/// skipped.
fn dist(end: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(root().join("dist")).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let found: Vec<_> = paths.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    if let [one] = found.as_slice() {
        return Some(one.clone());
    }
    let missing = format!("one {end} is expected in dist/, there is {found:?}");
    skip(&format!("{missing}; `packaging/build` makes it"));
    None
}

fn wheel() -> Option<PathBuf> {
    dist(".whl")
}

fn archive() -> Option<PathBuf> {
    dist(&format!("{TARGET}.tar.gz"))
}

/// Unpacks the archive, and returns its folder.
fn unpacked(stage: &Stage, archive: &Path) -> PathBuf {
    let folder = stage.folder().join("unpacked");
    fs::create_dir(&folder).unwrap();
    let archive = archive.display().to_string();
    let tar = ["-xzf", &archive, "-C", folder.to_str().unwrap(), "--no-same-owner"];
    stage.program("tar", &tar).end().exits(0);
    fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn the_archive_is_what_its_metadata_says() {
    let Some(archive) = archive() else { return };
    let stage = Stage::new();
    let folder = unpacked(&stage, &archive);
    let version = env!("CARGO_PKG_VERSION");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let metadata = &manifest["package"]["metadata"]["binstall"];
    let filled = |key: &str| {
        let text = metadata[key].as_str().unwrap();
        let values = [
            ("{ name }", "monopoll"),
            ("{ version }", version),
            ("{ target }", TARGET),
            ("{ bin }", "monopoll"),
            ("{ binary-ext }", ""),
        ];
        values.into_iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    };
    let name = archive.file_name().unwrap().to_str().unwrap();
    assert!(filled("pkg-url").ends_with(&format!("/{name}")), "{}", filled("pkg-url"));
    let program = folder.parent().unwrap().join(filled("bin-dir"));
    let printed = stage.program(&program, &["--version"]).end().exits(0).out;
    assert_eq!(printed, format!("monopoll {version}\n"));
    for file in [
        "completions/monopoll.bash",
        "completions/_monopoll",
        "completions/monopoll.fish",
        "man/monopoll.1",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "README.md",
    ] {
        assert!(fs::metadata(folder.join(file)).unwrap().len() > 100, "{file}");
    }
    let licenses = fs::read_to_string(folder.join("THIRD-PARTY-LICENSES")).unwrap();
    for package in ["serde ", "clap ", "ring ", "webpki-roots "] {
        assert!(licenses.contains(&format!("\n{package}")), "{package}");
    }
    assert!(!licenses.contains("\nteloxide"), "it is not linked into the tool");
}

#[test]
fn the_checksums_are_those_of_the_files() {
    let Some(archive) = archive() else { return };
    let stage = Stage::new();
    let start = stage.program("sha256sum", &["--check", "--strict", "SHA256SUMS"]);
    let checked = start.current_dir(archive.parent().unwrap()).end().exits(0).out;
    assert_eq!(checked.matches(": OK").count(), 2, "{checked}");
}

/// In a root folder that has nothing but the program and `/proc`: no C library, no `/etc`.
#[test]
fn the_static_program_runs_in_an_empty_folder() {
    let Some(archive) = archive() else { return };
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let program = unpacked(&stage, &archive).join("monopoll");
    let empty = stage.folder().join("empty");
    fs::create_dir_all(empty.join("proc")).unwrap();
    let (program, folder) = (program.to_str().unwrap(), empty.to_str().unwrap());
    stage.program("cp", &[program, folder]).end().exits(0);
    let script = "mount -t proc proc \"$1/proc\"; shift; exec chroot \"$@\"";
    let inside = |options: &[&str], line: &[&str]| {
        let empty = empty.to_str().unwrap();
        let unshare =
            ["--fork", "--pid", "--mount", "--kill-child", "sh", "-ec", script, "sh", empty];
        let words = [&unshare[..], options, &[empty], line].concat();
        stage.program("unshare", &words).end()
    };
    let run = ["/monopoll", "run", "--", "/monopoll", "--version"];
    let end = inside(&[], &run).exits(0);
    assert!(end.out.starts_with("monopoll "), "{end:?}");
    // Without /etc/resolv.conf, a name is looked up by nobody.
    let asked = ["--set", "telegram.webhook=refuse", "--set", "telegram.timeout=2s"];
    let line: Vec<&str> = ["/monopoll"].iter().chain(&asked).chain(&run[1..]).copied().collect();
    let end = inside(&[], &line).exits(0);
    assert!(end.out.starts_with("monopoll "), "{end:?}");
    // A user of whom nothing tells the home: the default folder could be another start's.
    let other = format!("--userspec={UID}:{UID}");
    inside(&[&other], &run).exits(73).says(&format!("`getent passwd {UID}` failed"));
    let lock = ["/monopoll", "--set", "lock.paths=['/tmp/x.lock']"];
    let line: Vec<&str> = lock.iter().chain(&run[1..]).copied().collect();
    fs::create_dir(empty.join("tmp")).unwrap();
    chown(empty.join("tmp"), Some(UID), Some(UID)).unwrap();
    fs::set_permissions(empty.join("tmp"), PermissionsExt::from_mode(0o700)).unwrap();
    inside(&[&other], &line).exits(0);
}

/// A user in no file that musl reads: only a module of the C library's name service has it.
#[test]
fn the_static_and_the_dynamic_program_use_one_lock_of_a_user_outside_of_etc_passwd() {
    let Some(archive) = archive() else { return };
    if !is_root() {
        return;
    }
    // A version for all architectures, and one for this one.
    let folders = ["/usr/lib", "/usr/lib/x86_64-linux-gnu"];
    if !folders.iter().any(|it| Path::new(it).join("libnss_extrausers.so.2").exists()) {
        skip("libnss-extrausers is not installed; `.ci/run` installs it");
        return;
    }
    let stage = Stage::new();
    let home = stage.folder().join("home");
    fs::create_dir(&home).unwrap();
    for folder in [stage.folder(), &home] {
        chown(folder, Some(UID), Some(UID)).unwrap();
    }
    write(&stage, "nsswitch.conf", "passwd: files extrausers\n");
    write(&stage, "passwd", &format!("bot:x:{UID}:{UID}::{}:/bin/sh\n", home.display()));
    fs::set_permissions(stage.folder().join("passwd"), PermissionsExt::from_mode(0o644)).unwrap();
    let unpacked = unpacked(&stage, &archive).join("monopoll").display().to_string();
    let dynamic = programs::monopoll().display().to_string();
    stage.program("cp", &[&unpacked, "static"]).end().exits(0);
    stage.program("cp", &[&dynamic, "dynamic"]).end().exits(0);
    let script = "\
        mkdir -p /var/lib/extrausers; mount -t tmpfs tmpfs /var/lib/extrausers; \
        cp passwd /var/lib/extrausers/passwd; mount --bind nsswitch.conf /etc/nsswitch.conf; \
        exec setpriv --reuid $1 --regid $1 --clear-groups \"$2\" config show -- sleep 1";
    let lock = |program: &str| {
        let uid = UID.to_string();
        let line = ["--mount", "sh", "-ec", script, "sh", &uid, program];
        let end = stage.program("unshare", &line).end().exits(0);
        let line = end.out.lines().find(|line| line.contains(".lock")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{end:?}"))
    };
    let by_static = lock("./static");
    assert!(
        by_static.contains(&format!("{}/.local/state/monopoll/", home.display())),
        "{by_static}"
    );
    assert_eq!(by_static, lock("./dynamic"));
}

#[test]
fn the_wheel_is_for_manylinux2014_and_musllinux_and_every_python() {
    let Some(wheel) = wheel() else { return };
    let name = wheel.file_name().unwrap().to_str().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        name,
        format!(
            "monopoll-{version}-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.\
             musllinux_1_1_x86_64.whl"
        )
    );
}

/// Installs the wheel into a new environment with pip or uv, without a network.
fn environment(stage: &Stage, wheel: &Path, uv: Option<&Path>) -> PathBuf {
    let folder = stage.folder().join("environment");
    let (folder_name, wheel) = (folder.to_str().unwrap(), wheel.to_str().unwrap());
    let own_python = folder.join("bin/python");
    if let Some(uv) = uv {
        let python = python().to_str().unwrap();
        stage
            .program(uv, &["venv", "--offline", "-q", "--python", python, folder_name])
            .end()
            .exits(0);
        let own_python = own_python.to_str().unwrap();
        let install =
            ["pip", "install", "--offline", "--no-index", "-q", "--python", own_python, wheel];
        stage.program(uv, &install).end().exits(0);
    } else {
        stage.program(python(), &["-m", "venv", folder_name]).end().exits(0);
        let install =
            ["-m", "pip", "-q", "--disable-pip-version-check", "install", "--no-index", wheel];
        stage.program(&own_python, &install).end().exits(0);
    }
    folder
}

#[track_caller]
fn runs_with_one_line(stage: &Stage, environment: &Path) {
    let lock = format!("instance = \"test\"\nlock.paths = ['{}']\n", stage.lock().display());
    write(stage, "monopoll.toml", &lock);
    let main =
        "import monopoll\nmonopoll.ensure()\nimport os\nos.execv(os.environ['TESTBOT'], ['b'])\n";
    write(stage, "main.py", main);
    let python = environment.join("bin/python");
    let start = |action: &str| {
        let start = stage.program(&python, &["main.py"]).env("TESTBOT", programs::testbot());
        start.env("MONOPOLL_ON_CONFLICT", action).start()
    };
    let first = start("refuse");
    stage.ready(1);
    start("refuse").end().exits(75).says("refused: the guard of");
    let second = start("graceful");
    stage.ready(2);
    first.end().exits(0);
    let status =
        stage.program(environment.join("bin/monopoll"), &["status", "--", "python3", "main.py"]);
    assert!(status.end().exits(0).out.starts_with("test is running"));
    second.signal(Signal::SIGTERM);
    second.end().exits(0);
    stage.assert_no_overlap();
}

#[test]
fn pip_installs_the_wheel_and_one_line_works() {
    let Some(wheel) = wheel() else { return };
    let stage = Stage::new();
    let environment = environment(&stage, &wheel, None);
    runs_with_one_line(&stage, &environment);
}

#[test]
fn uv_installs_the_wheel_and_one_line_works() {
    let (Some(wheel), Some(uv)) = (wheel(), peer("launchers/bin/uv")) else { return };
    let stage = Stage::new();
    let environment = environment(&stage, &wheel, Some(&uv));
    runs_with_one_line(&stage, &environment);
}

/// `pip install --target` puts the program beside the package, too.
#[test]
fn a_target_folder_works_as_an_environment() {
    let Some(wheel) = wheel() else { return };
    let stage = Stage::new();
    let wheel = wheel.display().to_string();
    let install = ["-m", "pip", "-q", "--disable-pip-version-check", "install", "--no-index"];
    let install: Vec<&str> =
        install.into_iter().chain(["--target", "folder", wheel.as_str()]).collect();
    stage.program(python(), &install).end().exits(0);
    write(&stage, "monopoll.toml", &format!("lock.paths = ['{}']\n", stage.lock().display()));
    write(
        &stage,
        "main.py",
        "import monopoll\nmonopoll.ensure(instance='test')\nprint('guarded')\n",
    );
    let start =
        stage.program(python(), &["main.py"]).env("PYTHONPATH", stage.folder().join("folder"));
    assert_eq!(start.end().exits(0).out, "guarded\n");
}

const TYPED: &str = "\
import monopoll

monopoll.ensure(config='monopoll.toml', profile=None, instance='x', on_conflict='graceful')
status: monopoll.Status = monopoll.status(['python3', 'main.py'])
since: str | None = status.holder.since if status.holder else None
";

/// A wrong action, a positional argument, and a field that there is not.
const WRONG: &str = "\
import monopoll

monopoll.ensure(on_conflict='kill')
monopoll.ensure('monopoll.toml')
print(monopoll.status().pid)
";

/// Checks the package and two programs with a type checker, which must find what is wrong.
#[track_caller]
fn is_typed(check: impl Fn(&Stage, &Path, &str) -> Ended) {
    let Some(wheel) = wheel() else { return };
    let stage = Stage::new();
    let environment = environment(&stage, &wheel, None);
    write(&stage, "typed.py", TYPED);
    write(&stage, "wrong.py", WRONG);
    check(&stage, &environment, "typed.py").exits(0);
    let wrong = check(&stage, &environment, "wrong.py").exits(1);
    for line in [3, 4, 5] {
        assert!(wrong.out.contains(&format!("wrong.py:{line}")), "line {line} of {wrong:?}");
    }
    let package = root().join("packaging/python/src/monopoll").display().to_string();
    check(&stage, &environment, &package).exits(0);
}

#[test]
fn mypy_checks_the_types() {
    let Some(mypy) = peer("venv/bin/mypy") else { return };
    is_typed(|stage, environment, file| {
        let python = environment.join("bin/python").display().to_string();
        stage.program(&mypy, &["--strict", "--python-executable", &python, file]).end()
    });
}

#[test]
fn pyright_checks_the_types() {
    let Some(pyright) = peer("js/node_modules/.bin/pyright") else { return };
    is_typed(|stage, environment, file| {
        let python = environment.join("bin/python").display().to_string();
        let start = stage.program(&pyright, &["--pythonpath", &python]);
        let file = Path::new(file);
        if file.is_dir() {
            // With the strict settings of its pyproject.toml.
            start.current_dir(root().join("packaging/python")).end()
        } else {
            start.argument(file.to_str().unwrap()).end()
        }
    });
}

/// The fields of `monopoll.status()` are those of the JSON document.
#[test]
fn the_dataclasses_have_the_fields_of_the_schema() {
    let stage = Stage::new();
    let check = "\
import dataclasses, json, sys
sys.path.insert(0, sys.argv[1])
import monopoll
schema = json.load(open(sys.argv[2]))['$defs']
for kind, name in (
    (monopoll.Guard, 'GuardDocument'),
    (monopoll.Takeover, 'TakeoverDocument'),
    (monopoll.Alert, 'AlertDocument'),
    (monopoll.Conflict, 'ConflictDocument'),
    (monopoll.NearMiss, 'NearMissDocument'),
    (monopoll.Status, 'InstanceDocument'),
):
    fields = {field.name for field in dataclasses.fields(kind)}
    assert fields == set(schema[name]['properties']), (name, fields)
steps = set().union(*(one['properties'] for one in schema['StepDocument']['oneOf']))
assert {field.name for field in dataclasses.fields(monopoll.Step)} == steps
";
    write(&stage, "check.py", check);
    let source = root().join("packaging/python/src").display().to_string();
    let schema = root().join("schemas/status.schema.json").display().to_string();
    let start = stage.program(python(), &["check.py", &source, &schema]);
    start.env("PYTHONDONTWRITEBYTECODE", "1").end().exits(0);
}

/// Nobody may be led to a package of this name that somebody else has registered.
#[test]
fn the_documentation_installs_files_and_no_bare_name() {
    let files =
        Command::new("git").args(["ls-files", "*.md", "deploy"]).current_dir(root()).output();
    let files = String::from_utf8(files.unwrap().stdout).unwrap();
    let text = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let found: Vec<String> = files.lines().flat_map(|file| bare_names(file, &text(file))).collect();
    assert_eq!(found, [] as [String; 0]);
    let planted =
        "pip install dist/monopoll-*.whl\nuv tool install monopoll\npip3 install -U monopoll";
    assert_eq!(bare_names("x.md", planted), ["x.md:2", "x.md:3"]);
}

/// Returns the lines that install monopoll from a registry.
fn bare_names(file: &str, text: &str) -> Vec<String> {
    let installers = [
        "pip install",
        "pip3 install",
        "pipx install",
        "pipx run",
        "uv add",
        "uvx",
        "uv tool install",
        "poetry add",
        "binstall",
        "cargo install",
        "cargo add",
    ];
    let is_bare = |line: &str| {
        let mut after = installers.iter().filter_map(|it| line.split_once(it));
        after.any(|(_, words)| words.split([' ', '`', ',', ';']).any(|word| word == "monopoll"))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| is_bare(line));
    lines.map(|(at, _)| format!("{file}:{}", at + 1)).collect()
}
