//! A typical teloxide bot.

#[cfg(target_os = "linux")]
mod bot;

fn main() {
    #[cfg(target_os = "linux")]
    bot::main();
}
