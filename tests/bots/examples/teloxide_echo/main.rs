//! The teloxide bot of the tests, on the system that they run on.

#[cfg(target_os = "linux")]
mod bot;

fn main() {
    #[cfg(target_os = "linux")]
    bot::main();
}
