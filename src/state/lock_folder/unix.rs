//! The folder of a lock on Unix.
#![expect(clippy::disallowed_methods, reason = "examines the folder")]

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::Error;
use crate::state::lock_folder::{REMOVE_FILE, require_size, trace_access};
use crate::sys::folder_permissions::{self, UnsafeFolder};
use crate::sys::{file_id, filesystem, folder_owner, users};
use crate::text::printable;

/// Flags of every open. `NONBLOCK`: a FIFO in the place of the file must not hang the start.
const SAFE: OFlags =
    OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// An open folder that no other user but root can change.
pub struct LockFolder {
    file: File,
    pub(super) path: PathBuf,
}

impl LockFolder {
    /// Creates the folder and those above it that are missing.
    pub(super) fn create_path(path: &Path) -> io::Result<()> {
        let create = || fs::DirBuilder::new().mode(0o700).create(path);
        let created = match (create(), path.parent()) {
            (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
                Self::create_path(parent)?;
                create()
            }
            (created, _) => created,
        };
        match (created, fs::metadata(path)) {
            (Ok(()), metadata) => undo_umask(path, &metadata?),
            (Err(_), Ok(metadata)) if metadata.is_dir() => Ok(()),
            // A dangling link, or a path that cannot be read.
            (Err(error), Err(unreadable)) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(unreadable)
            }
            (Err(error), _) => Err(error),
        }
    }

    pub(super) fn open_resolved(path: PathBuf) -> Result<LockFolder, Error> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let fd = rustix::fs::open(&path, flags, Mode::empty())
            .map_err(|error| Error::unsafe_lock_due_to(&path, "cannot open the folder", error))?;
        let folder = LockFolder { file: fd.into(), path };
        folder.check_permissions()?;
        filesystem::require_local(&folder.file, &folder.path)?;
        Ok(folder)
    }

    /// Returns whether the path still leads to this folder. No other start finds files in a removed
    /// or moved folder.
    pub(crate) fn is_in_place(&self) -> bool {
        file_id::is_in_place(&self.file, &self.path)
    }

    /// Requires that only this user and root may replace the files, the folder, or a folder above
    /// it.
    fn check_permissions(&self) -> Result<(), Error> {
        let opened = self.file.metadata();
        let above = self.path.ancestors().skip(1).map(|folder| (folder, fs::metadata(folder)));
        for (folder, metadata) in std::iter::once((self.path.as_path(), opened)).chain(above) {
            let metadata = metadata.map_err(|error| {
                Error::unsafe_lock_due_to(
                    folder,
                    "cannot read the permissions of the folder",
                    error,
                )
            })?;
            refuse_unsafe_folder(folder, &metadata)?;
        }
        Ok(())
    }

    /// Opens a file for reading and writing. A missing file is created with private permissions.
    pub(in crate::state) fn open_or_create_file(&self, name: &str) -> Result<File, Error> {
        trace_access("open_or_create", name);
        let flags = OFlags::RDWR | OFlags::CREATE | SAFE;
        let open = || rustix::fs::openat(&self.file, name, flags, PRIVATE);
        let opened = match open() {
            // The file's mode excludes even its owner.
            Err(Errno::ACCESS) if self.is_own_file(name) => {
                rustix::fs::chmodat(&self.file, name, PRIVATE, AtFlags::empty())
                    .and_then(|()| open())
            }
            opened => opened,
        };
        let file = File::from(opened.map_err(|error| self.cannot_open(name, error))?);
        let metadata = self.check_file(name, &file)?;
        if metadata.mode() & 0o7777 != 0o600 {
            rustix::fs::fchmod(&file, PRIVATE).map_err(|error| {
                Error::unsafe_lock_due_to(&self.path.join(name), "cannot make it private", error)
            })?;
        }
        Ok(file)
    }

    pub(in crate::state) fn open_existing_file(&self, name: &str) -> Result<Option<File>, Error> {
        trace_access("open", name);
        match rustix::fs::openat(&self.file, name, OFlags::RDONLY | SAFE, Mode::empty()) {
            Ok(file) => {
                let file = File::from(file);
                self.check_file(name, &file)?;
                Ok(Some(file))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.cannot_open(name, error)),
        }
    }

    fn is_own_file(&self, name: &str) -> bool {
        rustix::fs::statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && is_me(stat.st_uid)
        })
    }

    /// Returns the owner of a file, if that is another user.
    fn other_owner(&self, name: &str) -> Option<u32> {
        let stat = rustix::fs::statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        (!is_me(stat.st_uid)).then_some(stat.st_uid)
    }

    fn cannot_open(&self, name: &str, error: Errno) -> Error {
        let path = self.path.join(name);
        match error {
            Errno::LOOP => {
                Error::unsafe_lock(&path, "it is a symbolic link, and links are never followed")
                    .with_hint("remove the link")
            }
            Errno::ISDIR => Error::unsafe_lock(&path, "it is a folder").with_hint(REMOVE_FILE),
            Errno::ACCESS if self.is_own_file(name) => {
                Error::unsafe_lock(&path, "its permissions do not allow opening it")
                    .with_hint(format!("`chmod 600 {}`", printable(&path.to_string_lossy())))
            }
            // Linux's error for a socket.
            Errno::NXIO => Error::unsafe_lock(&path, "it is a socket, not a regular file")
                .with_hint(REMOVE_FILE),
            error => match self.other_owner(name) {
                Some(uid) => belongs_to_another_user(&path, uid),
                None => Error::unsafe_lock_due_to(&path, "cannot open it", error),
            },
        }
    }

    /// Refuses an open file that is not regular, of another user, or linked a second time.
    fn check_file(&self, name: &str, file: &File) -> Result<fs::Metadata, Error> {
        let path = self.path.join(name);
        let metadata = file.metadata().map_err(|error| {
            Error::unsafe_lock_due_to(&path, "cannot read its permissions", error)
        })?;
        let kind = metadata.file_type();
        if !kind.is_file() {
            let what = match kind {
                kind if kind.is_fifo() => "a FIFO",
                kind if kind.is_socket() => "a socket",
                kind if kind.is_dir() => "a folder",
                _ => "a device",
            };
            return Err(Error::unsafe_lock(&path, &format!("it is {what}, not a regular file"))
                .with_hint(REMOVE_FILE));
        }
        if !is_me(metadata.uid()) {
            return Err(belongs_to_another_user(&path, metadata.uid()));
        }
        if metadata.nlink() > 1 {
            let shown = printable(&path.to_string_lossy()).into_owned();
            return Err(Error::unsafe_lock(&path, "it has another name (a hard link)").with_hint(
                format!(
                    "choose another file in `lock.paths`, or stop the bot and run `mv {shown} \
                     {shown}.old`: the other name stays, and the next start creates a new lock file"
                ),
            ));
        }
        Ok(metadata)
    }

    /// Refuses a folder of this name, which no file can replace.
    pub(in crate::state) fn refuse_folder(&self, name: &str) -> Result<(), Error> {
        match rustix::fs::statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                Err(self.cannot_open(name, Errno::ISDIR))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        trace_access("create", name);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.file, name, flags, PRIVATE)?);
        // A umask may exclude even the owner.
        if file.metadata()?.mode() & 0o7777 != 0o600 {
            rustix::fs::fchmod(&file, PRIVATE)?;
        }
        Ok(file)
    }

    /// Overwrites a file in place if the length stays the same, and replaces it otherwise. A reader
    /// may see a part of each content.
    pub(in crate::state) fn overwrite(&self, name: &str, content: &str) -> io::Result<()> {
        trace_access("overwrite", name);
        let flags = OFlags::WRONLY | SAFE;
        let existing =
            rustix::fs::openat(&self.file, name, flags, Mode::empty()).map(File::from).ok();
        let has_this_length = |file: &File| {
            self.check_file(name, file).is_ok_and(|found| found.len() == content.len() as u64)
        };
        match existing.filter(has_this_length) {
            Some(file) => {
                require_size(content.len())?;
                file.write_all_at(content.as_bytes(), 0)
            }
            None => self.write(name, content),
        }
    }

    pub(super) fn rename(&self, old: &str, new: &str) -> io::Result<()> {
        trace_access("rename_to", new);
        Ok(rustix::fs::renameat(&self.file, old, &self.file, new)?)
    }

    /// Renames if `new` does not exist; always, if the file system has no such check.
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    pub(super) fn rename_new(&self, old: &str, new: &str) -> io::Result<()> {
        use rustix::fs::{RenameFlags, renameat_with};

        trace_access("rename_to_new", new);
        match renameat_with(&self.file, old, &self.file, new, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => self.rename(old, new),
            renamed => Ok(renamed?),
        }
    }

    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    pub(super) fn rename_new(&self, old: &str, new: &str) -> io::Result<()> {
        self.rename(old, new)
    }

    /// Never called for a lock file.
    pub(in crate::state) fn remove(&self, name: &str) -> io::Result<()> {
        trace_access("remove", name);
        match rustix::fs::unlinkat(&self.file, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let entries = Dir::read_from(&self.file).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned))
    }
}

/// Gives the owner of a new folder the permissions that a umask such as 0777 excludes.
/// Without them, later starts could not use it.
fn undo_umask(folder: &Path, created: &fs::Metadata) -> io::Result<()> {
    if created.is_dir() && is_me(created.uid()) && created.mode() & 0o700 != 0o700 {
        rustix::fs::chmod(folder, Mode::RWXU)?;
    }
    Ok(())
}

fn is_me(uid: u32) -> bool {
    uid == rustix::process::geteuid().as_raw()
}

/// Refuses with a hint that does not suggest removing the file: that user's bot may hold it.
fn belongs_to_another_user(path: &Path, uid: u32) -> Error {
    let name = users::user(uid).name;
    let why = if name == uid.to_string() {
        format!("it belongs to another user (uid {uid})")
    } else {
        format!("it belongs to another user ({}, uid {uid})", printable(&name))
    };
    Error::unsafe_lock(path, &why).with_hint(
        "a bot of that user may hold it: start yours as the same user, or name a file of your own \
         in `lock.paths`",
    )
}

fn refuse_unsafe_folder(folder: &Path, metadata: &fs::Metadata) -> Result<(), Error> {
    match folder_permissions::danger(folder, metadata) {
        None => Ok(()),
        Some(UnsafeFolder::Owner(uid)) => {
            let why = format!(
                "the folder belongs to another user (uid {uid}), who can replace files in it"
            );
            Err(Error::unsafe_lock(folder, &why).with_hint(
                "choose a folder in `lock.paths` that you own, inside folders that you or root own",
            ))
        }
        Some(UnsafeFolder::Writers(owner)) => {
            let why = "other users can write to this folder and replace files in it";
            let hint = folder_owner::writers_hint(folder, owner);
            Err(Error::unsafe_lock(folder, why).with_hint(hint))
        }
    }
}
