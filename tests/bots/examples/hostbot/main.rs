//! A bot that uses the library.

#[cfg(target_os = "linux")]
mod bot;

fn main() {
    #[cfg(target_os = "linux")]
    bot::main();
}
