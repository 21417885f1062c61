//! The command line.

fn main() -> std::process::ExitCode {
    monopoll::error::ExitStatus::Done.into()
}
