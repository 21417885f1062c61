//! One bot, one poller: settles by policy which process may poll a Telegram bot token, before
//! polling starts.
//!
//! # Expected flow
//!
//! ```text
//! arguments → Config → ticket → turnstile → Snapshot → decide → Plan → execute → locks → Snapshot → decide → child
//! ```
//!
//! [`config`] reads what the user wrote, all layers of it, or says everything that is wrong with
//! it. A start draws a ticket and passes the turnstile, one start at a time ([`state::state_dir`]).
//! [`scan`] looks at the machine: a [`engine::snapshot::Snapshot`] with the locks, the guards and
//! the few processes that matter, each fact known or unknown. [`engine::decide::decide`] is pure
//! and turns that into a [`engine::plan::Plan`]; a dry run ends here and prints it ([`report`]).
//! [`terminate::execute`] carries it out on a signal ladder, [`guard::start`] looks once more with
//! the locks in hand, and [`supervise`] runs the child until its whole tree has ended – as long as
//! the guard holds what lies at the lock's path: [`guard::held_locks`] takes back what is deleted
//! or replaced. What happened is remembered beside the lock ([`state::history_file`]); from it a start
//! knows a storm of takeovers. [`doctor`] looks at a machine before anything is started.
//!
//! # Guarantees
//!
//! `docs/guarantees.md` has them all, with the tests that show them. What the code leans on:
//!
//! - The lock is flock(2) on a descriptor that the child inherits: while anything of the tree
//!   lives, nobody else starts, and nothing has to be cleaned up after a kill. Lock files are never
//!   unlinked.
//! - A process is pinned (pidfd) before its facts are read, and signalled through that pin: a
//!   recycled pid is never hit.
//! - What lies beside the lock – record, counter, requests, history – is believed only as far as
//!   the kernel confirms it.
//! - An unknown fact never makes a kill more likely.
//!
//! # Assumptions
//!
//! One host and a local file system for the lock; `/proc` on Linux; whoever must meet shares the
//! lock folder.

pub mod cli;
pub mod config;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod guard;
pub mod library;
pub mod report;
pub mod scan;
pub mod state;
pub mod supervise;
pub mod sys;
pub mod telegram;
#[cfg(feature = "teloxide")]
pub mod teloxide;
pub mod terminate;
pub mod text;

pub use crate::config::{Config, Sources};
pub use crate::error::{Error, ExitStatus, exit};
pub use crate::library::{Guard, Lost, run};

/// What the README shows of the library is compiled.
#[cfg(all(doctest, feature = "teloxide"))]
#[doc = include_str!("../README.md")]
struct Readme;
