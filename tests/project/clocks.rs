//! The clock on the wall, which anybody can set, is read only to be printed.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Who reads it, and what for. clippy's `disallowed-methods` keeps everybody else from the system's
/// own ways to read a clock.
const PRINTERS: [(&str, &str); 8] = [
    ("src/sys/clock.rs", "it is read here"),
    ("src/state/history_event.rs", "when, in an event: shown by `status --history`"),
    ("src/scan/linux/find_by_marker.rs", "since when, of a guard without a record"),
    (
        "src/sys/portable/file_watch.rs",
        "file systems stamp changes with it: a young stamp is looked at again",
    ),
    ("src/cli/log.rs", "the timestamp of a record"),
    ("src/cli/output.rs", "turns ages into times"),
    ("src/guard/start_request.rs", "since when, in a record"),
    ("src/cli/status_command.rs", "turns times into ages"),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension() == Some("rs".as_ref()))
        .collect()
}

#[test]
fn the_wall_clock_is_read_only_to_be_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in sources(&root.join("src")) {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        let reads = fs::read_to_string(&path).unwrap().lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            ["clock::wall", "wall_seconds(", "SystemTime::now"]
                .iter()
                .any(|word| code.contains(word))
        });
        let may = PRINTERS.iter().any(|(printer, _)| *printer == name);
        assert!(!reads || may, "{name} reads the clock on the wall: what is it for?");
    }
}
