//! The bot with the library in it, on the system that its tests run on.

#[cfg(target_os = "linux")]
#[path = "hostbot.rs"]
mod hostbot;

fn main() {
    #[cfg(target_os = "linux")]
    hostbot::main();
}
