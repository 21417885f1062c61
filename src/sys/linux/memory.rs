//! A guard sleeps for weeks beside its bot: what it only needed to start, it gives back.
//!
//! Nothing here has a safe interface, so this small module is allowed `unsafe`.
#![expect(
    unsafe_code,
    reason = "madvise on the program's own pages, and the allocator's settings; each block says why it is sound"
)]

use std::{ffi::c_void, ops::Range};

/// All threads share the main thread's heap: the few that read beside it would each take one of
/// their own, and a look is through before that is made. For a program that is monopoll alone.
pub(crate) fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it sets a number, before there is a second thread.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Unmaps the program's own pages that it can read from its file again, and lets go of free heap.
pub(crate) fn release_unused() {
    for pages in std::fs::read_to_string("/proc/self/smaps")
        .map(|smaps| read_again(&smaps))
        .unwrap_or_default()
    {
        // SAFETY: these are whole mappings of a file, never written to: what is read there next is
        // read from the file again, and is the same, as the file of a program that runs cannot be
        // written to.
        unsafe {
            libc::madvise(
                std::ptr::with_exposed_provenance_mut::<c_void>(pages.start),
                pages.len(),
                libc::MADV_DONTNEED,
            );
        }
    }
    #[cfg(target_env = "gnu")]
    // SAFETY: it gives back what is free.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Where the program's own file is mapped, to be read alone, and was not written to when it was
/// loaded.
fn read_again(smaps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut own: Option<&str> = None;
    let mut at: Option<Range<usize>> = None;
    for line in smaps.lines() {
        if let Some((range, path)) = mapping(line) {
            // The first one is the program's.
            let is_own = own.get_or_insert(path) == &path;
            at = range.filter(|_| is_own);
        } else if let Some(copied) = line.strip_prefix("Anonymous:") {
            found.extend(at.take().filter(|_| copied.split_whitespace().next() == Some("0")));
        }
    }
    found
}

/// The path that a line such as `55d0-55e0 r-xp 0001000 fe:00 77 /usr/bin/monopoll` is about, and
/// where it is, if it is a file that is only read.
fn mapping(line: &str) -> Option<(Option<Range<usize>>, &str)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    let range = number(start)?..number(end)?;
    let access = fields.next()?;
    let path = fields.nth(3)?;
    let is_only_read = matches!(access, "r-xp" | "r--p") && path.starts_with('/');
    Some((is_only_read.then_some(range), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_written_to_is_read_again() {
        let smaps = "\
            1000-2000 r--p 00000000 fe:00 77 /usr/bin/monopoll\nRss: 4 kB\nAnonymous:         0 kB\n\
            2000-4000 r-xp 00001000 fe:00 77 /usr/bin/monopoll\nAnonymous:         0 kB\n\
            4000-5000 r--p 00003000 fe:00 77 /usr/bin/monopoll\nAnonymous:         4 kB\n\
            5000-6000 rw-p 00004000 fe:00 77 /usr/bin/monopoll\nAnonymous:         0 kB\n\
            7000-8000 rw-p 00000000 00:00 0 [heap]\nAnonymous:         0 kB\n\
            8000-9000 r-xp 00000000 fe:00 78 /usr/lib/libc.so.6\nAnonymous:         0 kB\n\
            9000-a000 rw-p 00000000 00:00 0\nAnonymous:         0 kB\n";
        assert_eq!(read_again(smaps), [0x1000..0x2000, 0x2000..0x4000]);
    }

    #[test]
    fn what_was_given_back_is_still_there() {
        let before = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let pages = read_again(&before);
        assert!(
            pages.iter().any(|pages| pages.contains(&(release_unused as fn() as usize))),
            "the code of this very test is not among {pages:?}"
        );
        release_unused();
        let after = std::fs::read_to_string("/proc/self/smaps").unwrap();
        assert_eq!(read_again(&after).first(), pages.first());
    }
}
