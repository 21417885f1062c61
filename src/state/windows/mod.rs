//! Lock files and their folders on Windows: folders of one's own, and locks that go with their handle.

pub mod folder;
pub mod lock;
pub mod lock_dir;
