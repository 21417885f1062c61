//! The wall clock of the starts, which jumps.

use std::fs;
use std::path::{Path, PathBuf};

use monopoll_test_bots::stage::skip;

/// What is added to the wall clock.
pub(crate) const CLOCKS: [&str; 5] = ["+0", "+40", "-40", "+30d", "-30d"];

pub(crate) struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    pub(crate) fn find(folder: &Path) -> Option<Clock> {
        let libraries = fs::read_dir("/usr/lib").ok()?.flatten();
        let library = libraries
            .map(|it| it.path().join("faketime/libfaketime.so.1"))
            .find(|library| library.exists());
        if library.is_none() {
            skip("libfaketime moves the wall clock");
        }
        let clock = Clock { library: library?, offset: folder.join("clock") };
        clock.set("+0");
        Some(clock)
    }

    pub(crate) fn set(&self, offset: &str) {
        let new = self.offset.with_extension("new");
        fs::write(&new, offset).unwrap();
        fs::rename(&new, &self.offset).unwrap();
    }

    pub(crate) fn variables(&self) -> [(&'static str, &Path); 5] {
        let on = Path::new("1");
        [
            ("LD_PRELOAD", &self.library),
            ("FAKETIME_TIMESTAMP_FILE", &self.offset),
            ("FAKETIME_NO_CACHE", on),
            ("FAKETIME_DISABLE_SHM", on),
            ("DONT_FAKE_MONOTONIC", on),
        ]
    }
}
