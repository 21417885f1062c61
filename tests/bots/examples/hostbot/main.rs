//! The bot with the library in it, on the system that its tests run on.

#[cfg(target_os = "linux")]
mod bot;

fn main() {
    #[cfg(target_os = "linux")]
    bot::main();
}
