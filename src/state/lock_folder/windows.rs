//! The folder of a lock on Windows. std does not read access lists, but the default folder is in
//! the user's profile, where no other user can write.
#![expect(clippy::disallowed_methods, reason = "examines the folder")]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::state::lock_folder::{OTHER_FOLDER, REMOVE_FILE};
use crate::sys::filesystem;

/// `FILE_FLAG_OPEN_REPARSE_POINT` of winbase.h: opens a link itself, not its target.
const NO_FOLLOW: u32 = 0x0020_0000;

/// Retries while another process reads the file to be replaced.
const REPLACE_TRIES: u32 = 20;
const REPLACE_PAUSE: Duration = Duration::from_millis(5);

pub struct LockFolder {
    pub(super) path: PathBuf,
}

impl LockFolder {
    pub(super) fn create_path(path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    pub(super) fn open_resolved(path: PathBuf) -> Result<LockFolder, Error> {
        let path = without_prefix(path);
        if !path.is_dir() {
            return Err(Error::unsafe_lock(&path, "it is not a folder").with_hint(OTHER_FOLDER));
        }
        filesystem::require_local(&path)?;
        Ok(LockFolder { path })
    }

    /// Returns whether the path leads to a folder. Windows does not move a folder with an open
    /// file.
    pub(crate) fn is_in_place(&self) -> bool {
        self.path.is_dir()
    }

    pub(in crate::state) fn open_or_create_file(&self, name: &str) -> Result<File, Error> {
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

    pub(in crate::state) fn open_existing_file(&self, name: &str) -> Result<Option<File>, Error> {
        let path = self.path.join(name);
        match OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(&path) {
            Ok(file) => check_file(&path, file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot_open(&path, error)),
        }
    }

    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(self.path.join(name))
    }

    /// Replaces the file, because overwriting in place is not supported.
    pub(in crate::state) fn overwrite(&self, name: &str, content: &str) -> io::Result<()> {
        self.write(name, content)
    }

    /// Retries, because not every version and file system replaces open files, and readers close
    /// them soon.
    pub(super) fn rename(&self, old: &str, new: &str) -> io::Result<()> {
        let (old, new) = (self.path.join(old), self.path.join(new));
        for _ in 0..REPLACE_TRIES {
            match fs::rename(&old, &new) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    std::thread::sleep(REPLACE_PAUSE);
                }
                done => return done,
            }
        }
        fs::rename(old, new)
    }

    pub(super) fn rename_new(&self, old: &str, new: &str) -> io::Result<()> {
        if self.path.join(new).exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.rename(old, new)
    }

    /// Refuses a folder of this name, which no file can replace.
    pub(in crate::state) fn refuse_folder(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        if path.is_dir() {
            return Err(Error::unsafe_lock(&path, "it is a folder").with_hint(REMOVE_FILE));
        }
        Ok(())
    }

    /// Never called for a lock file.
    pub(in crate::state) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| entry.file_name().into_string().ok())
    }
}

fn check_file(path: &Path, file: File) -> Result<File, Error> {
    let metadata = file
        .metadata()
        .map_err(|error| Error::unsafe_lock_due_to(path, "cannot read its attributes", error))?;
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
        Error::unsafe_lock_due_to(path, "cannot open it", error)
    }
}

/// Returns `C:\x` for `\\?\C:\x`, the form that `canonicalize` returns.
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

    #[test]
    fn a_folder_on_a_network_share_is_refused() {
        assert!(filesystem::require_local(Path::new(r"\\server\share\locks")).is_err());
        assert!(filesystem::require_local(Path::new(r"\\?\UNC\server\share\locks")).is_err());
        assert!(filesystem::require_local(Path::new(r"C:\locks")).is_ok());
    }

    #[test]
    fn a_path_is_shown_without_its_prefix() {
        let outer = tempfile::tempdir().unwrap();
        let folder = LockFolder::open_existing(outer.path()).unwrap().unwrap();
        assert!(!folder.path.to_string_lossy().contains('?'));
    }
}
