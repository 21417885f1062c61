//! A guard of the version before, on the system that its tests run on.

#[cfg(target_os = "linux")]
mod guard;

fn main() {
    #[cfg(target_os = "linux")]
    guard::main();
}
