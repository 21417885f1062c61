//! The place where everything is measured: a folder, the two small C programs, and the stamps that
//! children write.

use crate::options::Options;
use crate::peer;
use crate::stamps::Stamps;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whatever goes wrong ends a bench.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// A folder of its own, gone with this.
pub(crate) struct Bench {
    /// How many runs a median is of.
    pub(crate) rounds: usize,
    /// Where children say when they began and ended.
    pub(crate) stamps: Stamps,
    /// The child that stamps.
    pub(crate) child: PathBuf,
    /// The system calls, written by hand.
    pub(crate) floor: PathBuf,
    folder: PathBuf,
    places: u32,
}

impl Bench {
    /// Makes the folder and what belongs in it.
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

    /// A name in a folder that nobody has used before: a lock without a past, so that no run counts
    /// as part of a storm.
    pub(crate) fn fresh(&mut self, name: &str) -> Result<PathBuf, Failure> {
        self.places += 1;
        let folder = self.folder.join(self.places.to_string());
        fs::create_dir(&folder)?;
        Ok(folder.join(name))
    }

    /// The child's command line, if it is to live so long.
    pub(crate) fn child_for(&self, milliseconds: u32) -> [PathBuf; 3] {
        [self.child.clone(), self.stamps.path().to_owned(), milliseconds.to_string().into()]
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What cannot be taken away is in the folder of temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Milliseconds that outlast every measurement.
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
