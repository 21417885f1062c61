//! Linux: processes and locks from `/proc`.
#![expect(clippy::disallowed_methods, reason = "this is the machine itself")]

mod ancestors;
mod command_search;
mod connections;
mod describe;
mod detect;
mod find_by_marker;
mod find_processes;
mod guard_arguments;
mod guarded_command;
mod held_flocks;
mod installed_programs;
mod launcher_variables;
mod lock_holders;
mod make_settings;
mod own_folders;
mod parents;
mod pid_feed;
mod prefilter;
mod process_links;
mod read_buffers;
mod recorded_processes;
mod running_programs;
mod scanner;
mod starters;
mod systemd_units;
pub(crate) mod tree_reader;

pub use detect::{detect_capabilities, is_in_other_pid_namespace, private_folder};
pub(crate) use find_by_marker::{find_guard_above, is_in_guard_tree};
pub(crate) use find_processes::describe_processes;
pub use lock_holders::{LockLine, visible_holders};
pub(crate) use running_programs::running_programs;
pub(crate) use scanner::{Scanner, process_id};
