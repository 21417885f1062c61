//! The programs that tests start: tests are in `target/PROFILE/deps/`, the tool is in the folder
//! above, and the bots are in `examples/`.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Returns the tool, or `$MONOPOLL_PROGRAM`, which has a planted fault.
pub fn monopoll() -> PathBuf {
    if let Some(program) = env::var_os("MONOPOLL_PROGRAM") {
        return program.into();
    }
    let program = folder().join("monopoll");
    assert!(program.exists(), "{} is missing: {BUILD}", program.display());
    program
}

/// Returns the bot that most tests start.
pub fn testbot() -> PathBuf {
    example("testbot")
}

/// Returns a program of `examples/`.
pub fn example(name: &str) -> PathBuf {
    let program = folder().join("examples").join(name);
    let sources = fs::read_dir(source(name)).unwrap().map(|entry| entry.unwrap().path());
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let fresh = sources.into_iter().all(|source| changed(&program) >= changed(&source));
    assert!(fresh, "{} is missing or stale: {BUILD}", program.display());
    program
}

/// Returns a source file or folder of `examples/`.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// Puts the Python package of this checkout into the folder, with the tool beside it as an
/// installer does. Returns the folder for `PYTHONPATH`.
pub fn python_package(folder: &Path) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/python/src/monopoll");
    let site = folder.join("site");
    fs::create_dir_all(site.join("bin")).unwrap();
    fs::create_dir(site.join("monopoll")).unwrap();
    for entry in fs::read_dir(package).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, site.join("monopoll").join(path.file_name().unwrap())).unwrap();
        }
    }
    std::os::unix::fs::symlink(monopoll(), site.join("bin/monopoll")).unwrap();
    site
}

const BUILD: &str = "`cargo test` from the workspace's root builds it, before a single test target \
                     `cargo build --examples --bins` does";

fn folder() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}
