//! The allocator of the command line tool: without memory, it ends the tool with "try again later".
//! Rust's own way, SIGABRT, is a status that no supervisor understands. COMMAND then gets
//! `kill.signal`, as after any end of its guard.
#![expect(
    unsafe_code,
    reason = "an allocator; each call is passed on to another one with the same arguments"
)]

use std::alloc::{GlobalAlloc, Layout};
use std::os::fd::BorrowedFd;

use nix::libc;

use crate::error::ExitStatus;

/// musl's allocator maps and unmaps memory all the time, a tenth of a start.
#[cfg(target_env = "musl")]
use dlmalloc::GlobalDlmalloc as Backend;
#[cfg(not(target_env = "musl"))]
use std::alloc::System as Backend;

#[derive(Debug)]
pub struct Allocator;

// SAFETY: it returns what the other allocator returns, and never a null pointer.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules, which are the same.
        require(unsafe { Backend.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules, which are the same.
        require(unsafe { Backend.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the rules, which are the same.
        require(unsafe { Backend.realloc(block, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the rules, which are the same.
        unsafe { Backend.dealloc(block, layout) };
    }
}

fn require(block: *mut u8) -> *mut u8 {
    if block.is_null() {
        out_of_memory();
    }
    block
}

#[cold]
fn out_of_memory() -> ! {
    const MESSAGE: &[u8] = b"monopoll: no memory is left; try again later\n";
    // SAFETY: it is only written to, which fails if it is closed.
    let stderr = unsafe { BorrowedFd::borrow_raw(libc::STDERR_FILENO) };
    let _ = rustix::io::write(stderr, MESSAGE);
    // SAFETY: ends the process at once, without handlers, which may allocate.
    unsafe { libc::_exit(i32::from(ExitStatus::Refused.code())) }
}
