//! One bot, one poller: settles by policy which process may poll a Telegram bot token, before
//! polling starts.
//!
//! A Rust bot holds its instance with [`Guard::acquire`] before it polls; with the feature
//! `teloxide` a dispatcher runs under a guard by `monopoll::teloxide::run`. [`run`] runs a command
//! of any language below a guard, as `monopoll run` does. All of them read the same configuration
//! ([`Config::load`]) and resolve conflicts with each other.
//!
//! `docs/architecture.md` says how it works, `docs/guarantees.md` what may be relied on.

mod cli;
mod config;
mod doctor;
mod engine;
#[warn(missing_docs)]
mod error;
mod guard;
#[warn(missing_docs)]
mod library;
mod report;
mod scan;
mod state;
mod supervise;
mod sys;
mod telegram;
#[warn(missing_docs)]
#[cfg(feature = "teloxide")]
pub mod teloxide;
mod terminate;
mod text;

pub use crate::config::{Config, Problems, Sources};
pub use crate::engine::token::Token;
pub use crate::error::{Error, ExitStatus, exit};
pub use crate::guard::token;
pub use crate::library::{Guard, Lost, run};

/// The modules of this crate, for its own programs, tests and benches. Nothing in here is stable.
#[doc(hidden)]
pub mod internals {
    pub mod cli {
        pub use crate::cli::*;
    }
    pub mod config {
        pub use crate::config::*;
    }
    pub mod doctor {
        pub use crate::doctor::*;
    }
    pub mod engine {
        pub use crate::engine::*;
    }
    pub mod error {
        pub use crate::error::*;
    }
    pub mod guard {
        pub use crate::guard::*;
    }
    pub mod library {
        pub use crate::library::*;
    }
    pub mod report {
        pub use crate::report::*;
    }
    pub mod scan {
        pub use crate::scan::*;
    }
    pub mod state {
        pub use crate::state::*;
    }
    pub mod sys {
        pub use crate::sys::*;
    }
    pub mod telegram {
        pub use crate::telegram::*;
    }
    pub mod terminate {
        pub use crate::terminate::*;
    }
    pub mod text {
        pub use crate::text::*;
    }
}
