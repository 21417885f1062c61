//! The setting of the measurements: a folder, the two small C programs, and the timestamps that
//! children write.

use crate::options::Options;
use crate::peer;
use crate::stamps::Stamps;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Any error ends the benchmark.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// A temporary folder, deleted on drop.
pub(crate) struct Bench {
    /// The number of runs per median.
    pub(crate) rounds: usize,
    /// The FIFO to which children report their start and end.
    pub(crate) stamps: Stamps,
    /// The child that reports timestamps.
    pub(crate) child: PathBuf,
    /// The bare system calls, as a small C program.
    pub(crate) floor: PathBuf,
    folder: PathBuf,
    places: u32,
}

impl Bench {
    /// Creates the folder and its contents.
    pub(crate) fn set_up(options: &Options) -> Result<Bench, Failure> {
        peer::insist()?;
        let folder = tempfile::Builder::new().prefix("monopoll-bench-").tempdir()?.keep();
        let (child, floor) = (folder.join("child"), folder.join("floor"));
        let stamps = Stamps::open(folder.join("stamps"))?;
        let bench = Bench { rounds: options.rounds, stamps, child, floor, folder, places: 0 };
        compile("child.c", &bench.child)?;
        compile("floor.c", &bench.floor)?;
        Ok(bench)
    }

    /// Returns a path in a new folder: a lock without a history, so that no run counts as a
    /// takeover storm.
    pub(crate) fn fresh(&mut self, name: &str) -> Result<PathBuf, Failure> {
        self.places += 1;
        let folder = self.folder.join(self.places.to_string());
        fs::create_dir(&folder)?;
        Ok(folder.join(name))
    }

    /// Returns the child's command line with this lifetime.
    pub(crate) fn child_for(&self, milliseconds: u32) -> [PathBuf; 3] {
        [self.child.clone(), self.stamps.path().to_owned(), milliseconds.to_string().into()]
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A leftover remains in the folder of temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A lifetime in milliseconds that is longer than every measurement.
pub(crate) const LONG: u32 = 600_000;

fn compile(source: &str, program: &Path) -> Result<(), Failure> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(source);
    let status =
        Command::new("cc").args(["-O2", "-static", "-o"]).args([program, &source]).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} does not compile", source.display()).into())
    }
}
