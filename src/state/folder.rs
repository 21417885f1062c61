//! A folder that is safe to keep locks in, and the only way in which its files are opened; `small`
//! reads, writes and removes them.
//!
//! Nothing is followed through a link, nothing is truncated in place, and nothing of another user's
//! is believed.
#![expect(clippy::disallowed_methods, reason = "this is where the folder is looked at")]

use std::{
    fs::{self, File},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::{
    error::Error,
    sys::{
        file_id::FileId,
        permissions::{self, UnsafeFolder},
    },
    text::printable,
};

/// What is done where the folder is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFolder {
    /// It is made, private.
    Make,
    /// It stays so: a dry run touches nothing.
    Leave,
}

/// An open folder that nobody else can change under us.
#[derive(Debug)]
pub struct Folder {
    pub(super) fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens `path`, links in it resolved. `None`: it is missing and stays so.
    ///
    /// # Errors
    /// It cannot be made or opened, or somebody else could change what is in it.
    pub fn open(path: &Path, missing: MissingFolder) -> Result<Option<Folder>, Error> {
        if missing == MissingFolder::Make {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
                unsafe_lock(path, &format!("the folder cannot be made ({error})"))
                    .with_hint("name another one in `lock.paths`")
            })?;
        }
        let path = match fs::canonicalize(path) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(unsafe_lock(path, &format!("the folder cannot be reached ({error})")));
            }
        };
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let fd = rustix::fs::open(&path, flags, Mode::empty()).map_err(|error| {
            unsafe_lock(&path, &format!("the folder cannot be opened ({error})"))
        })?;
        let folder = Folder { fd, path };
        folder.insist_on_privacy()?;
        crate::sys::filesystem::insist_on_local(&folder.fd, &folder.path)?;
        Ok(Some(folder))
    }

    /// Where it is, links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it still lies where it was opened: what is written into one that was removed or
    /// moved, nobody finds.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        let mine = self.fd.try_clone().and_then(|fd| FileId::of(&File::from(fd)));
        FileId::lies_at(&self.path).is_some_and(|there| mine.is_ok_and(|mine| mine == there))
    }

    /// Nobody but me and root can replace what is in it, nor the folder itself, nor one above it.
    fn insist_on_privacy(&self) -> Result<(), Error> {
        let of_the_open_one = self.fd.try_clone().and_then(|fd| File::from(fd).metadata());
        let above = self.path.ancestors().skip(1).map(|folder| (folder, fs::metadata(folder)));
        for (folder, metadata) in std::iter::once((self.path(), of_the_open_one)).chain(above) {
            let metadata = metadata.map_err(|error| {
                unsafe_lock(folder, &format!("the folder cannot be examined ({error})"))
            })?;
            insist_on_safety(folder, &metadata)?;
        }
        Ok(())
    }

    /// Opens a file of ours for reading and writing, made private if it is missing.
    ///
    /// # Errors
    /// It is a link, no regular file, another user's, or cannot be made.
    pub fn open_or_make(&self, name: &str) -> Result<File, Error> {
        // NONBLOCK: a FIFO in the file's place must not hang the start.
        let flags = OFlags::RDWR
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC
            | OFlags::NONBLOCK
            | OFlags::NOCTTY;
        let open = || rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR);
        let opened = match open() {
            // Its mode keeps even its owner out: made private, it does not.
            Err(rustix::io::Errno::ACCESS) if self.is_own_file(name) => {
                rustix::fs::chmodat(&self.fd, name, Mode::RUSR | Mode::WUSR, AtFlags::empty())
                    .and_then(|()| open())
            }
            opened => opened,
        };
        let file = File::from(opened.map_err(|error| self.cannot_open(name, error))?);
        let metadata = self.insist_on_ours(name, &file)?;
        if metadata.mode() & 0o7777 != 0o600 {
            rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR).map_err(|error| {
                unsafe_lock(&self.path.join(name), &format!("it cannot be made private ({error})"))
            })?;
        }
        Ok(file)
    }

    /// Opens a file of ours for reading, if it is there.
    ///
    /// # Errors
    /// As [`open_or_make`](Self::open_or_make).
    pub fn open_existing(&self, name: &str) -> Result<Option<File>, Error> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(file) => {
                let file = File::from(file);
                self.insist_on_ours(name, &file)?;
                Ok(Some(file))
            }
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(self.cannot_open(name, error)),
        }
    }

    /// Whether a regular file of this user's has this name; nobody else can change that.
    fn is_own_file(&self, name: &str) -> bool {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                && stat.st_uid == rustix::process::geteuid().as_raw()
        })
    }

    fn cannot_open(&self, name: &str, error: rustix::io::Errno) -> Error {
        let path = self.path.join(name);
        match error {
            rustix::io::Errno::LOOP => {
                unsafe_lock(&path, "it is a symbolic link, and links are never followed")
                    .with_hint("remove the link")
            }
            rustix::io::Errno::ISDIR => unsafe_lock(&path, "it is a folder")
                .with_hint("remove it, or name another file in `lock.paths`"),
            rustix::io::Errno::ACCESS if self.is_own_file(name) => {
                unsafe_lock(&path, "its mode lets nobody open it")
                    .with_hint(format!("`chmod 600 {}`", printable(&path.to_string_lossy())))
            }
            // Linux says so of a socket.
            rustix::io::Errno::NXIO => unsafe_lock(&path, "it is a socket, not a regular file")
                .with_hint("remove it, or name another file in `lock.paths`"),
            rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => {
                unsafe_lock(&path, "it may not be opened: it is another user's")
                    .with_hint("remove it as that user, or name another file in `lock.paths`")
            }
            error => unsafe_lock(&path, &format!("it cannot be opened ({error})")),
        }
    }

    pub(super) fn insist_on_ours(&self, name: &str, file: &File) -> Result<fs::Metadata, Error> {
        let path = self.path.join(name);
        let metadata = file
            .metadata()
            .map_err(|error| unsafe_lock(&path, &format!("it cannot be examined ({error})")))?;
        let kind = metadata.file_type();
        if !kind.is_file() {
            let what = match kind {
                kind if kind.is_fifo() => "a FIFO",
                kind if kind.is_socket() => "a socket",
                kind if kind.is_dir() => "a folder",
                _ => "a device",
            };
            return Err(unsafe_lock(&path, &format!("it is {what}, not a regular file"))
                .with_hint("remove it, or name another file in `lock.paths`"));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(unsafe_lock(
                &path,
                &format!("it belongs to another user (uid {})", metadata.uid()),
            )
            .with_hint("remove it as that user, or name another file in `lock.paths`"));
        }
        if metadata.nlink() > 1 {
            return Err(unsafe_lock(&path, "it has a second name (a hard link)")
                .with_hint("remove the other name"));
        }
        Ok(metadata)
    }

    /// # Errors
    /// There is a folder of this name.
    pub fn insist_on_no_folder(&self, name: &str) -> Result<(), Error> {
        let there = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        match there {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                Err(self.cannot_open(name, rustix::io::Errno::ISDIR))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn insist_on_safety(folder: &Path, metadata: &fs::Metadata) -> Result<(), Error> {
    let shown = printable(&folder.to_string_lossy()).into_owned();
    match permissions::danger(metadata) {
        None => Ok(()),
        Some(UnsafeFolder::Owner(uid)) => {
            let why = format!(
                "the folder belongs to another user (uid {uid}), who could replace what is in it"
            );
            Err(unsafe_lock(folder, &why).with_hint(
                "name one in `lock.paths` that is yours, in folders of yours or of root's",
            ))
        }
        Some(UnsafeFolder::Writers) => Err(unsafe_lock(
            folder,
            "others can write to this folder, and so replace what is in it",
        )
        .with_hint(format!("`chmod go-w {shown}`, or name another folder in `lock.paths`"))),
    }
}

/// A lock file that cannot be used.
pub(crate) fn unsafe_lock(path: &Path, why: &str) -> Error {
    Error::unsafe_lock(path, why)
}
