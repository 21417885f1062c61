//! A teloxide bot with its own guard.

#[cfg(target_os = "linux")]
mod bot;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return bot::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}
