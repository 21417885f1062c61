//! Does what `go run` does: it copies the program in `$GO_BOT` to `go-build*/b001/exe/NAME` in the
//! temporary folder, or to `$GOCACHE` if that exists, as for a second run since Go 1.24. It starts
//! the program there and waits for it. `build -o FILE` copies it to a file.
#![expect(clippy::disallowed_methods, reason = "a program of its own")]

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::{env, fs, io};

fn main() -> io::Result<ExitCode> {
    let args: Vec<String> = env::args().skip(1).collect();
    let missing = || io::Error::other("missing");
    let bot = PathBuf::from(env::var_os("GO_BOT").ok_or_else(missing)?);
    let [verb, package, rest @ ..] = &args[..] else { return Err(missing()) };
    if verb == "build" {
        fs::copy(bot, rest.first().ok_or_else(missing)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    // The only option in the tests.
    let (package, rest) = match rest.split_first() {
        Some((next, rest)) if package == "-race" => (next, rest),
        Some(_) | None => (package, rest),
    };
    let package = env::current_dir()?.join(package);
    let name = match package.extension() {
        Some(end) if end == "go" => PathBuf::from("main"),
        Some(_) | None => package.iter().next_back().ok_or_else(missing)?.into(),
    };
    let cache = env::var_os("GOCACHE").map(PathBuf::from).filter(|it| it.is_dir());
    let hash = "48003e1881d8444c8285c6bfd292e60d926ee998e6dd6cd78a2737c30adba4db";
    let built = match cache {
        Some(cache) => cache.join(&hash[..2]).join(format!("{hash}-d")),
        None => env::temp_dir().join(format!("go-build{}", std::process::id())).join("b001/exe"),
    };
    fs::create_dir_all(&built)?;
    let built = built.join(name);
    fs::copy(bot, &built)?;
    let status = Command::new(built).args(rest).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
