//! Releases memory that only the start needed, because a guard sleeps for weeks.
//!
//! There is no safe interface for this, so this small module may use `unsafe`.
#![expect(
    unsafe_code,
    reason = "madvise on the program's own pages, and the allocator's settings; each block says \
        why it is sound"
)]

use std::ffi::c_void;
use std::ops::Range;

/// Makes all threads share the main thread's heap, because creating one per thread takes longer
/// than a scan. Only for the command-line tool.
pub(crate) fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number, before there is a second thread.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Releases free heap, and the pages of the program and its libraries that can be read from their
/// files again.
pub(crate) fn release_unused() {
    for pages in std::fs::read_to_string("/proc/self/smaps")
        .map(|smaps| unmodified_pages(&smaps))
        .unwrap_or_default()
    {
        // SAFETY: whole mappings of a file that were never written to. They are read again from the
        // file when needed, which is what happens to them under memory pressure anyway.
        unsafe {
            libc::madvise(
                std::ptr::with_exposed_provenance_mut::<c_void>(pages.start),
                pages.len(),
                libc::MADV_DONTNEED,
            );
        }
    }
    #[cfg(target_env = "gnu")]
    // SAFETY: only releases free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Returns the read-only file mappings (the program and its libraries) that were not modified at
/// load time.
fn unmodified_pages(smaps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at: Option<Range<usize>> = None;
    for line in smaps.lines() {
        if let Some(copied) = line.strip_prefix("Anonymous:") {
            found.extend(at.take().filter(|_| copied.trim_start().starts_with("0 ")));
        } else if let Some(range) = mapping(line) {
            at = Some(range).filter(|_| is_only_read(line));
        }
    }
    found
}

/// Parses the range of `55d0-55e0 r-xp 0001000 fe:00 77 /usr/bin/monopoll`.
fn mapping(line: &str) -> Option<Range<usize>> {
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some(number(start)?..number(end)?)
}

fn is_only_read(line: &str) -> bool {
    let mut fields = line.split_ascii_whitespace().skip(1);
    matches!(fields.next(), Some("r-xp" | "r--p"))
        && fields.nth(3).is_some_and(|path| path.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_untouched_file_mappings_are_unmodified() {
        let smaps = "\
            1000-2000 r--p 00000000 fe:00 77 /usr/bin/monopoll\nRss: 4 kB\nAnonymous:         0 \
            kB\n\
            2000-4000 r-xp 00001000 fe:00 77 /usr/bin/monopoll\nAnonymous:         0 kB\n\
            4000-5000 r--p 00003000 fe:00 77 /usr/bin/monopoll\nAnonymous:         4 kB\n\
            5000-6000 rw-p 00004000 fe:00 77 /usr/bin/monopoll\nAnonymous:         0 kB\n\
            7000-8000 rw-p 00000000 00:00 0 [heap]\nAnonymous:         0 kB\n\
            8000-9000 r-xp 00000000 fe:00 78 /usr/lib/libc.so.6\nAnonymous:         0 kB\n\
            9000-a000 rw-p 00000000 00:00 0\nAnonymous:         0 kB\n";
        assert_eq!(unmodified_pages(smaps), [0x1000..0x2000, 0x2000..0x4000, 0x8000..0x9000]);
    }

    #[test]
    fn released_pages_are_still_there() {
        let before = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let pages = unmodified_pages(&before);
        assert!(
            pages.iter().any(|pages| pages.contains(&(release_unused as fn() as usize))),
            "the code of this very test is not among {pages:?}"
        );
        release_unused();
        let after = std::fs::read_to_string("/proc/self/smaps").unwrap();
        assert_eq!(unmodified_pages(&after).first(), pages.first());
    }
}
