//! A teloxide bot under a guard of its own, on the system that its tests run on.

#[cfg(target_os = "linux")]
mod bot;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return bot::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}
