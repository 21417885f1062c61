//! The bot of the behaviour tests, on the system that they run on.

#[cfg(target_os = "linux")]
#[path = "testbot.rs"]
mod testbot;

fn main() {
    #[cfg(target_os = "linux")]
    testbot::main();
}
