//! The folder of a lock: which file systems are refused, and the only way to open, read, write and
//! remove files in it.
//!
//! Links are never followed and nothing is truncated in place. std does not read access lists: the
//! default folder is in the user's profile, where no other user may write.
#![expect(clippy::disallowed_methods, reason = "examines the folder")]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::windows::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    error::Error,
    sys::{UNFINISHED, filesystem},
};

/// The most bytes that are read of a file; a record has about 500.
const MAX_READ: u64 = 64 << 10;

/// `FILE_FLAG_OPEN_REPARSE_POINT` of winbase.h: opens a link itself, not its target.
const NO_FOLLOW: u32 = 0x0020_0000;

/// How often to try again while another process reads the file that is to be replaced.
const REPLACE_TRIES: u32 = 20;
const REPLACE_PAUSE: Duration = Duration::from_millis(5);

const REMOVE_FILE: &str = "remove it, or name another file in `lock.paths`";
const OTHER_FOLDER: &str = "name another one in `lock.paths`";

/// What to do if the folder is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFolder {
    /// Create it.
    Create,
    /// Leave it: a dry run touches nothing.
    Leave,
}

/// A folder that exists.
#[derive(Debug)]
pub struct LockFolder {
    path: PathBuf,
}

impl LockFolder {
    /// Opens `path`, links in it resolved; `None` if it is missing and stays so.
    ///
    /// # Errors
    /// It cannot be created or reached, or is on another host.
    pub fn open(path: &Path, missing: MissingFolder) -> Result<Option<LockFolder>, Error> {
        if missing == MissingFolder::Create {
            fs::create_dir_all(path).map_err(|error| {
                Error::unsafe_lock_due_to(path, "the folder cannot be made", error)
                    .with_hint(OTHER_FOLDER)
            })?;
        }
        let path = match fs::canonicalize(path) {
            Ok(path) => without_prefix(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Error::unsafe_lock_due_to(path, "the folder cannot be reached", error));
            }
        };
        if !path.is_dir() {
            return Err(Error::unsafe_lock(&path, "it is no folder").with_hint(OTHER_FOLDER));
        }
        filesystem::require_local(&path)?;
        Ok(Some(LockFolder { path }))
    }

    /// The path, links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to a folder: it can hardly be replaced while a file in it is
    /// open.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.path.is_dir()
    }

    /// Opens a file for reading and writing, created if it is missing.
    ///
    /// # Errors
    /// It is a link, no regular file, or cannot be created.
    pub fn open_or_create(&self, name: &str) -> Result<File, Error> {
        let path = self.path.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(NO_FOLLOW)
            .open(&path);
        check_file(&path, file.map_err(|error| cannot_open(&path, error))?)
    }

    /// Opens a file for reading, if it exists.
    ///
    /// # Errors
    /// As [`open_or_create`](Self::open_or_create).
    pub fn open_existing(&self, name: &str) -> Result<Option<File>, Error> {
        let path = self.path.join(name);
        match OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(&path) {
            Ok(file) => check_file(&path, file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot_open(&path, error)),
        }
    }

    /// Reads a file; `None` if it is missing or not UTF-8.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        let file = self.open_existing(name).ok()??;
        let mut text = String::new();
        file.take(MAX_READ).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Replaces a file at once; after an error it has its old content.
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
            // An unfinished file is of no use.
            let _ = self.remove(&new);
        })
    }

    /// As [`write`](Self::write): no file is written over in place here.
    pub fn overwrite(&self, name: &str, content: &str) -> io::Result<()> {
        self.write(name, content)
    }

    /// Writes a file that must not exist yet. The caller reads it again.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], or as the file system says.
    pub fn write_new(&self, name: &str, content: &str) -> io::Result<()> {
        if self.path.join(name).exists() {
            Err(io::ErrorKind::AlreadyExists.into())
        } else {
            self.write(name, content)
        }
    }

    /// # Errors
    /// There is a folder of this name, which no file can replace.
    pub fn refuse_folder(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        if path.is_dir() {
            return Err(Error::unsafe_lock(&path, "it is a folder").with_hint(REMOVE_FILE));
        }
        Ok(())
    }

    /// Removes a file, if it exists. Never called for a lock file.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The names that end with `suffix`.
    #[must_use]
    pub fn names_with(&self, suffix: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.path) else { return Vec::new() };
        let names =
            entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.ends_with(suffix)).collect()
    }
}

/// Not every version of the system, nor every file system, replaces a file that is open; small ones
/// are open for a moment.
fn replace(new: &Path, old: &Path) -> io::Result<()> {
    for _ in 0..REPLACE_TRIES {
        match fs::rename(new, old) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                std::thread::sleep(REPLACE_PAUSE)
            }
            done => return done,
        }
    }
    fs::rename(new, old)
}

fn check_file(path: &Path, file: File) -> Result<File, Error> {
    let metadata = file
        .metadata()
        .map_err(|error| Error::unsafe_lock_due_to(path, "it cannot be examined", error))?;
    if metadata.is_symlink() {
        return Err(Error::unsafe_lock(
            path,
            "it is a symbolic link, and links are never followed",
        )
        .with_hint("remove the link"));
    }
    if !metadata.is_file() {
        return Err(Error::unsafe_lock(path, "it is not a regular file").with_hint(REMOVE_FILE));
    }
    Ok(file)
}

fn cannot_open(path: &Path, error: io::Error) -> Error {
    if path.is_dir() {
        Error::unsafe_lock(path, "it is a folder").with_hint(REMOVE_FILE)
    } else {
        Error::unsafe_lock_due_to(path, "it cannot be opened", error)
    }
}

/// `C:\x` for `\\?\C:\x`, which `canonicalize` makes of it.
fn without_prefix(path: PathBuf) -> PathBuf {
    let text = path.to_str().and_then(|text| text.strip_prefix(r"\\?\"));
    match text.filter(|text| text.as_bytes().get(1) == Some(&b':')) {
        Some(text) => PathBuf::from(text),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ExitStatus;

    fn folder() -> (tempfile::TempDir, LockFolder) {
        let outer = tempfile::tempdir().unwrap();
        let folder =
            LockFolder::open(&outer.path().join("locks"), MissingFolder::Create).unwrap().unwrap();
        (outer, folder)
    }

    #[test]
    fn small_files_are_replaced_and_removed() {
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
    fn a_folder_in_the_place_of_a_file_is_refused_and_a_missing_folder_is_none() {
        let (outer, folder) = folder();
        fs::create_dir(folder.path().join("a.lock")).unwrap();
        assert_eq!(folder.open_or_create("a.lock").unwrap_err().status(), ExitStatus::LockFile);
        assert!(
            LockFolder::open(&outer.path().join("none"), MissingFolder::Leave).unwrap().is_none()
        );
        assert!(!folder.path().to_string_lossy().contains('?'));
    }

    #[test]
    fn a_folder_on_a_network_share_is_refused() {
        assert!(filesystem::require_local(Path::new(r"\\server\share\locks")).is_err());
        assert!(filesystem::require_local(Path::new(r"\\?\UNC\server\share\locks")).is_err());
        assert!(filesystem::require_local(Path::new(r"C:\locks")).is_ok());
    }
}
