//! The command line tool: does what it is told, says once what went wrong, and returns the exit
//! status.

use std::process::ExitCode;

use clap::Parser;

use monopoll::{
    cli::{self, Cli, say},
    error::ExitStatus,
};

fn main() -> ExitCode {
    let status = match Cli::try_parse() {
        Ok(cli) => match cli::run(cli) {
            Ok(status) => status,
            Err(error) => {
                say(error.report());
                error.status
            }
        },
        // Help and version are no errors; clap knows where each belongs.
        Err(error) if !error.use_stderr() => {
            // A reader that went away is no fault.
            let _ = error.print();
            ExitStatus::Done
        }
        Err(error) => {
            say(cli::wrong(&error));
            ExitStatus::Usage
        }
    };
    status.into()
}
