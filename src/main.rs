//! The command line tool: parses the arguments, runs the command, and exits with its status.

use std::process::ExitCode;

use monopoll::internals::cli::{self, print_to_stderr};
use monopoll::internals::error::ExitStatus;
#[cfg(unix)]
use monopoll::internals::sys::allocator::Allocator;

#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    let status = match cli::parse() {
        Ok(cli) => cli::run(cli).unwrap_or_else(|error| error.print()),
        // Help and version are not errors; clap picks the right stream.
        Err(error) if !error.use_stderr() => {
            // A closed pipe is not an error.
            let _ = error.print();
            ExitStatus::Done
        }
        Err(error) => {
            let arguments: Vec<_> = std::env::args_os().collect();
            print_to_stderr(cli::usage_error(&error, &arguments));
            ExitStatus::Usage
        }
    };
    status.into()
}
