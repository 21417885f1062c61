//! The Bot API server for tests, as a program.

#[cfg(target_os = "linux")]
mod program;

fn main() {
    #[cfg(target_os = "linux")]
    program::main();
}
