//! What the fuzz targets of `fuzz/` check. Here, each is checked for every input of its corpus.

use std::fs;
use std::path::Path;

#[cfg(unix)]
mod commands;
pub(crate) mod configuration;
mod decide;
mod env_file;
#[cfg(unix)]
mod history;
mod masking;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod netlink;
mod overrides;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod proc_files;
#[cfg(unix)]
mod programs;
#[cfg(unix)]
mod records;

/// The most inputs of a corpus, and the most bytes of an input.
const MAX_INPUTS: usize = 60;
const MAX_BYTES: u64 = 4 << 10;

macro_rules! replay {
    ($($(#[$cfg:meta])* $target:ident)*) => {
        $(
            $(#[$cfg])*
            #[test]
            fn $target() {
                replay(stringify!($target), $target::check);
            }
        )*

        #[test]
        fn every_target_has_a_corpus_and_a_replay() {
            let replayed: Vec<&str> = vec![$(stringify!($target)),*];
            let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
            assert_eq!(names(&fuzz.join("corpus")), replayed);
            let targets = replayed.iter().map(|target| format!("{target}.rs"));
            assert_eq!(names(&fuzz.join("fuzz_targets")), targets.collect::<Vec<_>>());
        }
    };
}

replay! {
    #[cfg(unix)]
    commands
    configuration
    decide
    env_file
    #[cfg(unix)]
    history
    masking
    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    netlink
    overrides
    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    proc_files
    #[cfg(unix)]
    programs
    #[cfg(unix)]
    records
}

/// Checks a target with every input of its corpus.
fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs = names(&corpus);
    assert!((1..=MAX_INPUTS).contains(&inputs.len()), "{} inputs", inputs.len());
    for name in inputs {
        let input = fs::read(corpus.join(&name)).unwrap();
        assert!(input.len() as u64 <= MAX_BYTES, "{name} has {} bytes", input.len());
        let checked = std::panic::catch_unwind(|| check(&input));
        assert!(checked.is_ok(), "fuzz/corpus/{target}/{name} fails");
    }
}

/// Returns the names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
