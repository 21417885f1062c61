//! The Bot API server of the tests, on the system that they run on.

#[cfg(target_os = "linux")]
mod program;

fn main() {
    #[cfg(target_os = "linux")]
    program::main();
}
