//! One poller per bot: decides by policy which process may poll a Telegram bot token, before it
//! polls.
//!
//! A Rust bot acquires its instance with [`Guard::acquire`] before it polls. With the `teloxide`
//! feature, `monopoll::teloxide::run` runs a dispatcher under a guard. [`run`] runs a command in
//! any language under a guard, like `monopoll run`. All of them load the same configuration
//! ([`Config::load`]) and resolve conflicts with each other.
//!
//! See `docs/architecture.md` for the design and `docs/guarantees.md` for the guarantees.

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
    macro_rules! export {
        ($($module:ident)*) => {
            $(pub mod $module {
                pub use crate::$module::*;
            })*
        };
    }
    export! {
        cli config doctor engine error guard library
        report scan state supervise sys telegram terminate text
    }
}
