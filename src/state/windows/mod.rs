//! Lock files and their folders on Windows.

pub mod default_lock_folder;
pub mod lock_file;
pub mod lock_folder;
