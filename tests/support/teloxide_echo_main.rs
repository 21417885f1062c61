//! The teloxide bot of the tests, on the system that they run on.

#[cfg(target_os = "linux")]
#[path = "teloxide_echo.rs"]
mod teloxide_echo;

fn main() {
    #[cfg(target_os = "linux")]
    teloxide_echo::main();
}
