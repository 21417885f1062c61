//! The bot that most process tests start.

#[cfg(target_os = "linux")]
mod bot;

fn main() {
    #[cfg(target_os = "linux")]
    bot::main();
}
