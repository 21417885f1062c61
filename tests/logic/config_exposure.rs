//! Warns about a configuration that other users can change, because it decides what is killed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use tempfile::TempDir;

use monopoll::internals::config::{Config, Sources};

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Creates a file with one mode in a folder with another.
fn project(file: u32, folder: u32) -> TempDir {
    let project = TempDir::new().unwrap();
    fs::write(project.path().join("config.toml"), "on_conflict = 'force'\n").unwrap();
    chmod(&project.path().join("config.toml"), file);
    chmod(project.path(), folder);
    project
}

fn notes(project: &TempDir) -> Vec<String> {
    Config::load(&Sources { cwd: project.path().to_owned(), ..Sources::default() }).unwrap().notes
}

#[test]
fn a_file_that_only_its_owner_can_write_is_not_reported() {
    for file in [0o600, 0o644, 0o444] {
        assert_eq!(notes(&project(file, 0o755)), [] as [String; 0], "{file:o}");
    }
}

#[test]
fn a_world_writable_file_is_reported() {
    let line = "other users can write to ./config.toml and so decide what is ended; \
                as its owner, run `chmod go-w ./config.toml`";
    assert_eq!(notes(&project(0o666, 0o755)), [line]);
    assert_eq!(notes(&project(0o602, 0o755)), [line]);
}

#[test]
fn a_world_writable_folder_is_reported_unless_it_is_sticky() {
    let open = project(0o644, 0o777);
    let folder = fs::canonicalize(open.path()).unwrap();
    let line = format!(
        "other users can write to {0}, replace ./config.toml and so decide what is ended; \
         as its owner, run `chmod go-w {0}`",
        folder.display()
    );
    assert_eq!(notes(&open), [line]);
    assert_eq!(notes(&project(0o644, 0o1777)), [] as [String; 0]);
}

#[test]
fn a_link_is_judged_by_its_target_and_by_its_folder() {
    let (hidden, exposed) = (project(0o644, 0o755), project(0o666, 0o755));
    let link = |to: &TempDir, folder: u32| {
        let project = TempDir::new().unwrap();
        std::os::unix::fs::symlink(
            to.path().join("config.toml"),
            project.path().join("config.toml"),
        )
        .unwrap();
        chmod(project.path(), folder);
        notes(&project).len()
    };
    assert_eq!((link(&hidden, 0o755), link(&exposed, 0o755), link(&hidden, 0o777)), (0, 1, 1));
}

#[test]
fn a_group_writable_file_is_reported_unless_the_group_is_the_owners_own() {
    if !nix::unistd::geteuid().is_root() {
        monopoll::internals::cli::print_to_stderr("passed over: it needs root");
        return;
    }
    let project = project(0o664, 0o755);
    assert_eq!(notes(&project), [] as [String; 0], "root's own group");
    chown(project.path().join("config.toml"), None, Some(1)).unwrap();
    assert_eq!(notes(&project).len(), 1);
}
