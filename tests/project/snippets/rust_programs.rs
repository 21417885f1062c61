//! The Rust programs of a page, type-checked against the library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The crates that a program may use, by name.
pub(super) struct Crates {
    files: BTreeMap<String, PathBuf>,
    folder: PathBuf,
}

impl Crates {
    /// Asks cargo where the crates are. Everything is already built.
    pub(super) fn find() -> Crates {
        let this = env::current_exe().unwrap();
        let profile = this.parent().and_then(Path::parent).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["test", "--no-run", "--quiet", "--message-format=json", "--workspace"])
            .args(["--all-features", "--target-dir"])
            .arg(profile.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        // With these variables, a build script that reads them would have to run again.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|it| name.starts_with(it)) {
                cargo.env_remove(name);
            }
        }
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let built = cargo.output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let mut files = BTreeMap::new();
        for message in String::from_utf8(built.stdout).unwrap().lines() {
            let message: serde_json::Value = serde_json::from_str(message).unwrap();
            let target = &message["target"];
            let is_library =
                target["kind"].as_array().is_some_and(|kinds| kinds.contains(&"lib".into()));
            if message["profile"]["test"] == true || !is_library {
                continue;
            }
            let Some(name) = target["name"].as_str() else { continue };
            let file = message["filenames"].as_array().and_then(|it| it.first()?.as_str());
            files.extend(file.map(|file| (name.replace('-', "_"), PathBuf::from(file))));
        }
        Crates { files, folder: profile.join("deps") }
    }

    /// Returns the errors that rustc finds in a program.
    pub(super) fn check(&self, program: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("snippet.rs");
        fs::write(&file, program).unwrap();
        let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition", "2024", "--emit=metadata", "--out-dir"]).arg(folder.path());
        rustc.arg("-L").arg(format!("dependency={}", self.folder.display()));
        for (name, path) in &self.files {
            if program.contains(&format!("{name}::")) {
                rustc.arg("--extern").arg(format!("{name}={}", path.display()));
            }
        }
        let checked = rustc.arg(&file).output().unwrap();
        (!checked.status.success())
            .then(|| format!("rustc:\n{}", String::from_utf8_lossy(&checked.stderr)))
    }
}
