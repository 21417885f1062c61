//! A Rust program that uses the library to run its command line under a guard.
#![expect(clippy::disallowed_macros, reason = "a program of its own")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let config =
        match monopoll::Sources::from_process().map(|sources| monopoll::Config::load(&sources)) {
            Ok(Ok(config)) => config,
            Ok(Err(problems)) => {
                eprintln!("monopoll: {problems}");
                return ExitCode::from(78);
            }
            Err(error) => {
                eprintln!("monopoll: {error}");
                return error.status().into();
            }
        };
    monopoll::exit(monopoll::run(&config, std::env::args_os().skip(1).collect()))
}
