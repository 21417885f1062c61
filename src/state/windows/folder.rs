//! A folder that locks are kept in, and the only way in which its files are opened, read, written
//! and removed.
//!
//! Nothing is followed through a link and nothing is truncated in place. Who else may write to the
//! folder is what its access list says, which std does not read: the default folder is in the
//! user's own profile, where nobody else may.
#![expect(clippy::disallowed_methods, reason = "this is where the folder is looked at")]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::windows::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    error::{Error, ExitStatus},
    sys::{UNFINISHED, filesystem},
    text::printable,
};

/// The most that is read of a small file: a record has about 500 bytes.
const MOST: u64 = 64 << 10;

/// `FILE_FLAG_OPEN_REPARSE_POINT` of winbase.h: a link is opened itself, not what it leads to.
const NOT_THROUGH_A_LINK: u32 = 0x0020_0000;

/// How often and after what time to try again while somebody reads what is to be replaced.
const MOST_TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// What is done where the folder is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFolder {
    /// It is made.
    Make,
    /// It stays so: a dry run touches nothing.
    Leave,
}

/// A folder that is there, links in its path resolved.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens `path`, links in it resolved. `None`: it is missing and stays so.
    ///
    /// # Errors
    /// It cannot be made or reached, or is on another host.
    pub fn open(path: &Path, missing: MissingFolder) -> Result<Option<Folder>, Error> {
        if missing == MissingFolder::Make {
            fs::create_dir_all(path).map_err(|error| {
                unsafe_lock(path, &format!("the folder cannot be made ({error})"))
                    .with_hint("name another one in `lock.paths`")
            })?;
        }
        let path = match fs::canonicalize(path) {
            Ok(path) => plain(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(unsafe_lock(path, &format!("the folder cannot be reached ({error})")));
            }
        };
        if !path.is_dir() {
            return Err(
                unsafe_lock(&path, "it is no folder").with_hint("name another one in `lock.paths`")
            );
        }
        filesystem::insist_on_local(&path)?;
        Ok(Some(Folder { path }))
    }

    /// Where it is, links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it still lies where it was opened: while a file in it is open, it can hardly be
    /// taken away here.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.path.is_dir()
    }

    /// Opens a file of ours for reading and writing, made if it is missing.
    ///
    /// # Errors
    /// It is a link, no regular file, or cannot be made.
    pub fn open_or_make(&self, name: &str) -> Result<File, Error> {
        let path = self.path.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(NOT_THROUGH_A_LINK)
            .open(&path);
        insist_on_a_file(&path, file.map_err(|error| cannot_open(&path, &error))?)
    }

    /// Opens a file of ours for reading, if it is there.
    ///
    /// # Errors
    /// As [`open_or_make`](Self::open_or_make).
    pub fn open_existing(&self, name: &str) -> Result<Option<File>, Error> {
        let path = self.path.join(name);
        match OpenOptions::new().read(true).custom_flags(NOT_THROUGH_A_LINK).open(&path) {
            Ok(file) => insist_on_a_file(&path, file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot_open(&path, &error)),
        }
    }

    /// The content of a small file of ours; nothing if it is missing or garbage.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        let file = self.open_existing(name).ok()??;
        let mut text = String::new();
        file.take(MOST).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Writes a small file whole, and puts it in its place at once.
    ///
    /// # Errors
    /// As the file system says; the old content is still there then.
    pub fn write(&self, name: &str, content: &str) -> io::Result<()> {
        let new = format!("{name}.{UNFINISHED}");
        self.remove(&new)?;
        let path = self.path.join(&new);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|mut file| file.write_all(content.as_bytes()));
        written.and_then(|()| replace(&path, &self.path.join(name))).inspect_err(|_| {
            // What could not be written whole is of no use to anybody.
            let _ = self.remove(&new);
        })
    }

    /// As [`write`](Self::write): nothing is written over where it lies here.
    ///
    /// # Errors
    /// As the file system says; the old content is still there then.
    pub fn overwrite(&self, name: &str, content: &str) -> io::Result<()> {
        self.write(name, content)
    }

    /// As [`write`](Self::write), but only where there is nothing of this name; whoever writes
    /// reads again what is there then.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`]: there is; else as the file system says.
    pub fn write_first(&self, name: &str, content: &str) -> io::Result<()> {
        if self.path.join(name).exists() {
            Err(io::ErrorKind::AlreadyExists.into())
        } else {
            self.write(name, content)
        }
    }

    /// Whether what is put in the place of this name would find it taken by a folder.
    ///
    /// # Errors
    /// There is a folder of this name.
    pub fn insist_on_no_folder(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        if path.is_dir() {
            return Err(unsafe_lock(&path, "it is a folder")
                .with_hint("remove it, or name another file in `lock.paths`"));
        }
        Ok(())
    }

    /// Removes a small file; one that is missing is removed already. Never called for a lock file.
    ///
    /// # Errors
    /// As the file system says.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The names in it that end with `suffix`.
    #[must_use]
    pub fn names_with(&self, suffix: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.path) else { return Vec::new() };
        let names =
            entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.ends_with(suffix)).collect()
    }
}

/// A file that somebody has open cannot be replaced on every version of the system and every file
/// system: small ones are open for a moment.
fn replace(new: &Path, old: &Path) -> io::Result<()> {
    for _ in 0..MOST_TRIES {
        match fs::rename(new, old) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                std::thread::sleep(BETWEEN_TRIES)
            }
            done => return done,
        }
    }
    fs::rename(new, old)
}

fn insist_on_a_file(path: &Path, file: File) -> Result<File, Error> {
    let metadata = file
        .metadata()
        .map_err(|error| unsafe_lock(path, &format!("it cannot be examined ({error})")))?;
    if metadata.is_symlink() {
        return Err(unsafe_lock(path, "it is a symbolic link, and links are never followed")
            .with_hint("remove the link"));
    }
    if !metadata.is_file() {
        return Err(unsafe_lock(path, "it is not a regular file")
            .with_hint("remove it, or name another file in `lock.paths`"));
    }
    Ok(file)
}

fn cannot_open(path: &Path, error: &io::Error) -> Error {
    let hint = "remove it, or name another file in `lock.paths`";
    if path.is_dir() {
        unsafe_lock(path, "it is a folder").with_hint(hint)
    } else {
        unsafe_lock(path, &format!("it cannot be opened ({error})"))
    }
}

/// `\\?\C:\x` is what resolving makes of `C:\x`, and not what people write.
fn plain(path: PathBuf) -> PathBuf {
    let text = path.to_str().and_then(|text| text.strip_prefix(r"\\?\"));
    match text.filter(|text| text.as_bytes().get(1) == Some(&b':')) {
        Some(text) => PathBuf::from(text),
        None => path,
    }
}

/// A lock file that cannot be used.
pub(crate) fn unsafe_lock(path: &Path, why: &str) -> Error {
    Error::unsafe_lock(path, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let outer = tempfile::tempdir().unwrap();
        let folder =
            Folder::open(&outer.path().join("locks"), MissingFolder::Make).unwrap().unwrap();
        (outer, folder)
    }

    #[test]
    fn a_small_file_is_replaced_whole() {
        let (_outer, folder) = folder();
        folder.write("a.record", "one").unwrap();
        folder.write("a.record", "two").unwrap();
        assert_eq!(folder.read("a.record").as_deref(), Some("two"));
        folder.overwrite("a.record", "six").unwrap();
        assert_eq!(folder.read("a.record").as_deref(), Some("six"));
        assert_eq!(folder.names_with(".record"), ["a.record"]);
        folder.remove("a.record").unwrap();
        folder.remove("a.record").unwrap();
        assert_eq!(folder.read("a.record"), None);
    }

    #[test]
    fn what_is_no_file_or_not_there_is_said() {
        let (outer, folder) = folder();
        fs::create_dir(folder.path().join("a.lock")).unwrap();
        assert_eq!(folder.open_or_make("a.lock").unwrap_err().status(), ExitStatus::LockFile);
        assert!(Folder::open(&outer.path().join("none"), MissingFolder::Leave).unwrap().is_none());
        assert!(!folder.path().to_string_lossy().contains('?'));
    }

    #[test]
    fn a_share_is_on_another_host() {
        assert!(filesystem::insist_on_local(Path::new(r"\\server\share\locks")).is_err());
        assert!(filesystem::insist_on_local(Path::new(r"\\?\UNC\server\share\locks")).is_err());
        assert!(filesystem::insist_on_local(Path::new(r"C:\locks")).is_ok());
    }
}
