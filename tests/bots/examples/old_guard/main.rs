//! A guard of the previous version.

#[cfg(target_os = "linux")]
mod guard;

fn main() {
    #[cfg(target_os = "linux")]
    guard::main();
}
