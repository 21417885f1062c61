//! Reads small files: a larger one does something else than starting a bot.
#![expect(clippy::disallowed_methods, reason = "reads the files of COMMAND")]

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::scan::passing_failure::{is_file, noted};

/// Returns the text of a regular file; `None` if it has more than `max` bytes. Never blocks on a
/// FIFO or a device.
pub(super) fn text(path: &Path, max: u64) -> Option<String> {
    if !is_file(path) {
        return None;
    }
    let mut text = Vec::new();
    let file = noted(path, File::open(path))?;
    noted(path, file.take(max + 1).read_to_end(&mut text))?;
    // A comment may have another encoding.
    (text.len() as u64 <= max).then(|| String::from_utf8_lossy(&text).into_owned())
}
