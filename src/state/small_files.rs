//! The small files in the folder: read at once, written whole and put in their place, removed.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::FileExt,
};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};

use crate::{state::folder::Folder, sys::UNFINISHED};

/// The most that is read of a small file: a record has about 500 bytes.
const MOST: u64 = 64 << 10;

/// More than a record has.
const USUAL: usize = 1 << 10;

impl Folder {
    /// The content of a small file of ours; nothing if it is missing, another's, or garbage.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        let file = self.open_existing(name).ok()??;
        // One read for most of them.
        let mut text = String::with_capacity(USUAL);
        file.take(MOST).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Writes a small file whole, and puts it in its place at once.
    ///
    /// # Errors
    /// As the file system says; the old content is still there then.
    pub fn write(&self, name: &str, content: &str) -> io::Result<()> {
        self.write_and(name, content, |new| rustix::fs::renameat(&self.fd, new, &self.fd, name))
    }

    /// Writes a small file over where it lies, if its content stays as long as it is; whole, and
    /// put in its place, else. Whoever reads it at the same moment may read a part of each.
    ///
    /// # Errors
    /// As the file system says.
    pub fn overwrite(&self, name: &str, content: &str) -> io::Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let there = rustix::fs::openat(&self.fd, name, flags, Mode::empty()).map(File::from).ok();
        let is_as_long = |file: &File| {
            self.insist_on_ours(name, file)
                .is_ok_and(|metadata| metadata.len() == content.len() as u64)
        };
        match there.filter(is_as_long) {
            Some(file) => file.write_all_at(content.as_bytes(), 0),
            None => self.write(name, content),
        }
    }

    /// As [`write`](Self::write), but only where there is nothing of this name.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`]: there is; else as the file system says.
    pub fn write_first(&self, name: &str, content: &str) -> io::Result<()> {
        self.write_and(name, content, |new| match self.put_first(new, name) {
            // Not every file system can; whoever writes reads again what is there then.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                rustix::fs::renameat(&self.fd, new, &self.fd, name)
            }
            renamed => renamed,
        })
    }

    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    fn put_first(&self, new: &str, name: &str) -> rustix::io::Result<()> {
        rustix::fs::renameat_with(&self.fd, new, &self.fd, name, rustix::fs::RenameFlags::NOREPLACE)
    }

    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    fn put_first(&self, _new: &str, _name: &str) -> rustix::io::Result<()> {
        Err(rustix::io::Errno::NOSYS)
    }

    fn write_and(
        &self,
        name: &str,
        content: &str,
        put: impl Fn(&str) -> rustix::io::Result<()>,
    ) -> io::Result<()> {
        let new = format!("{name}.{UNFINISHED}");
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.remove(&new)?;
        let file = rustix::fs::openat(&self.fd, &new, flags, Mode::RUSR | Mode::WUSR)?;
        let written = File::from(file).write_all(content.as_bytes());
        written.and_then(|()| Ok(put(&new)?)).inspect_err(|_| {
            // What could not be written whole is of no use to anybody.
            let _ = self.remove(&new);
        })
    }

    /// Removes a small file; one that is missing is removed already. Never called for a lock file.
    ///
    /// # Errors
    /// As the file system says.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The names in it that end with `suffix`.
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
