//! The faults that `.ci/planted` plants.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_planted_fault_fits_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let patches = fs::read_dir(root.join("tests/planted")).unwrap();
    let patches: Vec<_> = patches.map(|entry| entry.unwrap().path()).collect();
    assert!(!patches.is_empty());
    for patch in patches {
        let mut check = Command::new("git");
        check.args(["apply", "--check"]).arg(&patch).current_dir(root).env("GIT_DIR", "/dev/null");
        let checked = check.output().unwrap();
        let errors = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{}: {errors}", patch.display());
    }
}
