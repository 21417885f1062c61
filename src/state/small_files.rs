//! The small files in a lock folder: read at once, replaced whole, removed.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::FileExt,
};

use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags},
    io::Errno,
};

use crate::{
    state::lock_folder::{LockFolder, PRIVATE, SAFE},
    sys::UNFINISHED,
};

/// The most bytes that are read of a file; a record has about 500.
const MAX_READ: u64 = 64 << 10;

/// Room for a record, so that one read is enough.
const USUAL_LENGTH: usize = 1 << 10;

impl LockFolder {
    /// Reads a file; `None` if it is missing, of another user, or not UTF-8.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        let file = self.open_existing(name).ok()??;
        let mut text = String::with_capacity(USUAL_LENGTH);
        file.take(MAX_READ).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Replaces a file at once; after an error it has its old content.
    pub fn write(&self, name: &str, content: &str) -> io::Result<()> {
        self.write_then(name, content, |new| rustix::fs::renameat(&self.fd, new, &self.fd, name))
    }

    /// Writes over a file in place if the length stays the same, and replaces it otherwise. A
    /// reader may see a part of each content.
    pub fn overwrite(&self, name: &str, content: &str) -> io::Result<()> {
        let flags = OFlags::WRONLY | SAFE;
        let existing =
            rustix::fs::openat(&self.fd, name, flags, Mode::empty()).map(File::from).ok();
        let has_this_length = |file: &File| {
            self.check_file(name, file).is_ok_and(|found| found.len() == content.len() as u64)
        };
        match existing.filter(has_this_length) {
            Some(file) => file.write_all_at(content.as_bytes(), 0),
            None => self.write(name, content),
        }
    }

    /// Writes a file that must not exist yet. The caller reads it again: not every file system can
    /// refuse to replace.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], or as the file system says.
    pub fn write_new(&self, name: &str, content: &str) -> io::Result<()> {
        self.write_then(name, content, |new| match self.rename_new(new, name) {
            Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(&self.fd, new, &self.fd, name),
            renamed => renamed,
        })
    }

    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    fn rename_new(&self, new: &str, name: &str) -> rustix::io::Result<()> {
        rustix::fs::renameat_with(&self.fd, new, &self.fd, name, rustix::fs::RenameFlags::NOREPLACE)
    }

    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    fn rename_new(&self, _new: &str, _name: &str) -> rustix::io::Result<()> {
        Err(Errno::NOSYS)
    }

    fn write_then(
        &self,
        name: &str,
        content: &str,
        rename: impl Fn(&str) -> rustix::io::Result<()>,
    ) -> io::Result<()> {
        let new = format!("{name}.{UNFINISHED}");
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.remove(&new)?;
        let mut file = File::from(rustix::fs::openat(&self.fd, &new, flags, PRIVATE)?);
        let written = file.write_all(content.as_bytes());
        written.and_then(|()| Ok(rename(&new)?)).inspect_err(|_| {
            // An unfinished file is of no use.
            let _ = self.remove(&new);
        })
    }

    /// Removes a file, if it exists. Never called for a lock file.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The names that end with `suffix`.
    #[must_use]
    pub fn names_with(&self, suffix: &str) -> Vec<String> {
        let Ok(entries) = Dir::read_from(&self.fd) else { return Vec::new() };
        entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned))
            .filter(|name| name.ends_with(suffix))
            .collect()
    }
}
