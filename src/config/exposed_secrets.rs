//! Who else can write to the configuration file: they decide what is killed.
#![cfg_attr(
    unix,
    expect(clippy::disallowed_methods, reason = "the file and its folders are looked at")
)]

use std::path::Path;

/// A line about the file at `path`, which a person knows as `shown`, where others than its owner
/// and root can change it.
#[cfg(unix)]
pub(super) fn note(shown: &Path, path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;

    use crate::text::sanitize;

    let shown = sanitize(&shown.to_string_lossy());
    let file = std::fs::metadata(path).ok()?;
    if !file.is_file() {
        return None;
    }
    if others_write(&file) {
        return Some(format!(
            "others can write to {shown}, and so decide what is killed; `chmod go-w {shown}`"
        ));
    }
    // Who can replace the file, or the link that leads to it, need not write to it.
    let mut folders: Vec<_> =
        [path.parent().map(std::fs::canonicalize), Some(std::fs::canonicalize(path))]
            .into_iter()
            .filter_map(|path| path?.ok())
            .flat_map(|path| path.ancestors().map(Path::to_owned).collect::<Vec<_>>())
            .collect();
    folders.dedup();
    let open = |folder: &Path| {
        std::fs::metadata(folder).is_ok_and(|folder| {
            folder.is_dir() && others_write(&folder) && folder.mode() & 0o1000 == 0
        })
    };
    let folder = folders.into_iter().find(|folder| open(folder))?;
    let folder = sanitize(&folder.to_string_lossy());
    Some(format!(
        "others can write to {folder}, and so replace {shown} and decide what is killed; `chmod go-w {folder}`"
    ))
}

/// A group that has nobody in it but the owner is nobody else: many systems give each user one, and
/// let it write.
#[cfg(unix)]
fn others_write(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    use crate::sys::permissions::own_group;

    let everybody = file.mode() & 0o002 != 0;
    let group = file.mode() & 0o020 != 0 && file.gid() != 0;
    everybody || (group && own_group(file.uid()) != Some(file.gid()))
}

/// Who may write to a file is not told by its mode there.
#[cfg(not(unix))]
pub(super) fn note(_shown: &Path, _path: &Path) -> Option<String> {
    None
}
