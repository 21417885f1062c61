//! Reads ELF headers (elf(5)) to find out whether the kernel would execute a file.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

pub(crate) const MAGIC: &[u8] = b"\x7fELF";

/// The reason the kernel does not execute an ELF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ElfFault {
    /// The file ends before the data named in its headers.
    Truncated,
    /// An object file or a core file.
    NoProgram,
    /// For another kind of processor. `binfmt_misc` may run it in an emulator.
    OtherMachine,
}

/// The machine of this program (`e_machine`), and that of 32-bit programs on the same processors;
/// `None` if unknown.
const MACHINES: Option<[u16; 2]> = if cfg!(target_arch = "x86_64") {
    Some([62, 3])
} else if cfg!(target_arch = "aarch64") {
    Some([183, 40])
} else {
    None
};

/// The limits of the kernel: the longest path of a loader, and the most bytes of program headers.
const MAX_PATH: u64 = 4096;
const MAX_HEADERS: u64 = 65536;

const LOAD: u64 = 1;
const INTERPRETER: u64 = 3;

/// The fields of one ELF class, as pairs of byte offset and length.
struct Layout {
    /// The offset, the size and the number of the program headers.
    headers: [(usize, usize); 3],
    header_size: u64,
    /// The offset and the length of a segment in the file, within its header.
    segment: [(usize, usize); 2],
}

const CLASS_32: Layout =
    Layout { headers: [(28, 4), (42, 2), (44, 2)], header_size: 32, segment: [(4, 4), (16, 4)] };
const CLASS_64: Layout =
    Layout { headers: [(32, 8), (54, 2), (56, 2)], header_size: 56, segment: [(8, 8), (32, 8)] };

/// Returns the loader that the file names, if any. Returns `Ok(Err(…))` if the kernel would not
/// execute the file.
pub(crate) fn loader(file: &File) -> io::Result<Result<Option<PathBuf>, ElfFault>> {
    let length = file.metadata()?.len();
    let mut header = [0; 64];
    let layout = match read_at(file, &mut header, 0)? {
        read if read < 52 => return Ok(Err(ElfFault::Truncated)),
        _ if header[4] == 1 => CLASS_32,
        _ => CLASS_64,
    };
    // The other byte order belongs to another machine.
    let native = if cfg!(target_endian = "little") { 1 } else { 2 };
    let machine = u16::from_ne_bytes([header[18], header[19]]);
    if header[5] != native || MACHINES.is_some_and(|known| !known.contains(&machine)) {
        return Ok(Err(ElfFault::OtherMachine));
    }
    // 2: an executable; 3: a position-independent one.
    if !matches!(u16::from_ne_bytes([header[16], header[17]]), 2 | 3) {
        return Ok(Err(ElfFault::NoProgram));
    }
    let [start, size, count] = layout.headers.map(|field| number(&header, field));
    if size < layout.header_size || count == 0 || size * count > MAX_HEADERS {
        return Ok(Err(ElfFault::NoProgram));
    }
    let mut headers = vec![0; usize::try_from(size * count).unwrap_or_default()];
    if read_at(file, &mut headers, start)? < headers.len() {
        return Ok(Err(ElfFault::Truncated));
    }
    let mut loader = None;
    for header in headers.chunks_exact(usize::try_from(size).unwrap_or(usize::MAX)) {
        let [offset, in_file] = layout.segment.map(|field| number(header, field));
        let kind = number(header, (0, 4));
        if matches!(kind, LOAD | INTERPRETER) && offset.saturating_add(in_file) > length {
            return Ok(Err(ElfFault::Truncated));
        }
        if kind == INTERPRETER && loader.is_none() {
            let mut path = vec![0; usize::try_from(in_file.min(MAX_PATH)).unwrap_or_default()];
            read_at(file, &mut path, offset)?;
            path.truncate(path.iter().position(|byte| *byte == 0).unwrap_or(path.len()));
            loader = Some(PathBuf::from(std::ffi::OsString::from_vec(path)));
        }
    }
    Ok(Ok(loader))
}

fn number(bytes: &[u8], (at, length): (usize, usize)) -> u64 {
    let mut whole = [0; 8];
    let field = &bytes[at..at + length];
    if cfg!(target_endian = "little") {
        whole[..length].copy_from_slice(field);
    } else {
        whole[8 - length..].copy_from_slice(field);
    }
    u64::from_ne_bytes(whole)
}

/// Fills the buffer, or reads up to the end of the file.
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Write;

    /// Changes a copy of this test program, and reads it.
    fn loader_of(change: impl FnOnce(&mut Vec<u8>)) -> Result<Option<PathBuf>, ElfFault> {
        #[expect(clippy::disallowed_methods, reason = "any program will do")]
        let mut bytes = std::fs::read("/proc/self/exe").unwrap();
        change(&mut bytes);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        loader(&file).unwrap()
    }

    #[test]
    fn a_program_names_its_loader() {
        let named = loader_of(|_| {}).unwrap();
        assert!(named.is_none_or(|path| path.is_absolute()));
    }

    #[test]
    fn what_the_kernel_does_not_execute_is_found() {
        for length in [4, 40, 100, 4096] {
            let cut = loader_of(|bytes| bytes.truncate(length));
            assert_eq!(cut, Err(ElfFault::Truncated), "{length} bytes");
        }
        // S/390, and the other byte order.
        for change in [(18, 22), (5, 3)] {
            let other = loader_of(|bytes| bytes[change.0] = change.1);
            assert_eq!(other, Err(ElfFault::OtherMachine));
        }
        for kind in [1, 4] {
            assert_eq!(loader_of(|bytes| bytes[16] = kind), Err(ElfFault::NoProgram));
        }
        assert_eq!(loader_of(|bytes| bytes[56..58].fill(0)), Err(ElfFault::NoProgram));
    }

    #[test]
    fn a_32_bit_program_may_run() {
        // A header and a segment of 8 bytes in the 32-bit format.
        let machine = MACHINES.map_or(3, |known| known[1]).to_ne_bytes();
        let mut bytes = [MAGIC, &[1, 1, 1], &[0; 9], &[2, 0], &machine].concat();
        bytes.resize(52, 0);
        (bytes[28], bytes[42], bytes[44]) = (52, 32, 1);
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0].iter().chain(&[0; 8]).chain(&[8, 0, 0, 0]));
        bytes.resize(52 + 32, 0);
        let whole = bytes.clone();
        assert_eq!(loader_of(|file| *file = whole), Ok(None));
        bytes[52 + 16] = 200;
        assert_eq!(loader_of(|file| *file = bytes), Err(ElfFault::Truncated));
    }
}
